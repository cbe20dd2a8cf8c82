"""Who sent a webhook: Standard Webhooks signatures under one secret per source."""

from collections.abc import Mapping
from pathlib import Path

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError

from intake.sources import Source, Sources


class SecretFault(Exception):
    """A source's secret is missing or unusable; the text names source and file, never the secret."""


class WebhookSecrets:
    """The secrets of all sources that have a webhook."""

    def __init__(self, secrets: Mapping[str, list[Webhook]]) -> None:
        self._by_source = dict(secrets)
        # Somebody who guesses a source's name learns nothing from how long the answer takes.
        self._of_nobody = [Webhook(b"\0" * 32)]

    def accepts(self, source_id: str, body: bytes, headers: Mapping[str, str]) -> bool:
        """Whether this source signed this message less than five minutes ago."""
        known = self._by_source.get(source_id)
        verified = [_is_signed(webhook, body, headers) for webhook in known or self._of_nobody]
        return known is not None and any(verified)


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


def _read(path: Path, source_id: str) -> list[Webhook]:
    try:
        lines = path.read_text(encoding="utf-8").split()
        if lines:
            return [Webhook(line) for line in lines]
    except (OSError, ValueError, EmptyWebhookSecretError):
        pass
    raise SecretFault(f"PEERLINE_SOURCE_SECRETS: {path.name}: no usable secret for {source_id}")


def _is_signed(webhook: Webhook, body: bytes, headers: Mapping[str, str]) -> bool:
    try:
        webhook.verify(body, dict(headers), json_parse=False)
    # What is malformed raises binascii.Error or UnicodeDecodeError, which are ValueErrors.
    except (WebhookVerificationError, ValueError):
        return False
    return True
