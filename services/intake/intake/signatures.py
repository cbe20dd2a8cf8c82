"""
Who sent a webhook: Standard Webhooks signatures (HMAC-SHA-256, `v1`) under one secret per source.

Verified over the bytes as they came. The reference library takes text only, so a body that is not UTF-8
would be called unsigned although its source did sign it; a test holds the two against each other.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from intake.sources import Source, Sources

TOLERANCE = timedelta(minutes=5)
PREFIX = "whsec_"
VERSION = "v1,"
SHORTEST, LONGEST_STAMP = 16, 12


class SecretFault(Exception):
    """A source's secret is missing or unusable; the text names source and file, never the secret."""


class WebhookSecrets:
    """The secrets of all sources that have a webhook."""

    def __init__(self, secrets: Mapping[str, list[bytes]]) -> None:
        self._by_source = dict(secrets)
        # Somebody who guesses a source's name learns nothing from how long the answer takes.
        self._of_nobody = [b"\0" * 32]

    def verify(self, source_id: str, body: bytes, headers: Mapping[str, str]) -> bool:
        """Whether this source signed this message; see also `is_recent`. Header names in lower case."""
        known = self._by_source.get(source_id)
        signed = [_is_signed(secret, body, headers) for secret in known or self._of_nobody]
        return known is not None and any(signed)


def read_secrets(folder: Path, sources: Sources) -> WebhookSecrets:
    """
    The secrets in a folder; raises SecretFault.

    The file of a source is called as `sources.yaml` says, or `<source>.secret`. Each of its lines is a
    secret that is accepted, so that a secret can be replaced while the old one still arrives.
    """
    return WebhookSecrets({s.id: _read(_path(folder, s), s.id) for s in sources.sources if s.secret})


def _path(folder: Path, source: Source) -> Path:
    stated = folder / (source.secret or "")
    return stated if stated.is_file() else folder / f"{source.id}.secret"


def _read(path: Path, source_id: str) -> list[bytes]:
    try:
        lines = path.read_text(encoding="utf-8").split()
        secrets = [base64.b64decode(line.removeprefix(PREFIX) + "==") for line in lines]
    except (OSError, ValueError):
        secrets = []
    if not secrets or any(len(secret) < SHORTEST for secret in secrets):
        raise SecretFault(f"PEERLINE_SOURCE_SECRETS: {path.name}: no usable secret for {source_id}")
    return secrets


def is_recent(headers: Mapping[str, str], now: datetime) -> bool:
    """Whether a message says that it was signed within five minutes of `now`, before or after."""
    stamp = headers.get("webhook-timestamp", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= LONGEST_STAMP):
        return False
    return abs(now.timestamp() - int(stamp)) <= TOLERANCE.total_seconds()


def _is_signed(secret: bytes, body: bytes, headers: Mapping[str, str]) -> bool:
    message_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id:
        return False
    # Headers come decoded as Latin-1, so this gives their bytes back.
    signed = b".".join([_bytes(message_id), _bytes(stamp), body])
    wanted = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256))
    given = [each for each in headers.get("webhook-signature", "").split(" ") if each.startswith(VERSION)]
    equal = [hmac.compare_digest(_bytes(each.removeprefix(VERSION)), wanted) for each in given]
    return any(equal)


def _bytes(header: str) -> bytes:
    return header.encode("latin-1", "replace")
