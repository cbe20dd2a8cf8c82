"""The stack's secrets, made once and kept in `<home>/secrets/`, readable by their owner only."""

from __future__ import annotations

import hashlib
import secrets
from base64 import b64encode
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from joserfc.jwk import OKPKey
from peerline.sealing import epoch_of, key_set, new_key

from peerline_local.errors import StackError
from peerline_local.home import Home, read_json, write_json

AUDIENCES = ("matcher", "notifier", "desk", "intake")
ROLES = ("operator", "coordinator")

# Keys are read when a service starts. Those of the weeks to come are made ahead, so that a stack
# that stays up does not run out of them; a producer uses the latest week that has begun.
_WEEKS_AHEAD = 8
# Topics keep events for 35 days; a week's key goes 7 days after the last event sealed with it.
_KEPT_AFTER_ITS_WEEK = timedelta(days=42)


def key_file(home: Home, name: str) -> Path:
    """Return the file of a 32-byte key in hex, made where it is missing."""
    home.secret(name, secrets.token_hex(32))
    return home.secrets / name


def token(home: Home, role: str) -> str:
    """Return the bearer token of a role, made where it is missing."""
    return home.secret(f"{role}.token")


def tokens_file(home: Home) -> Path:
    """Write what services know of the tokens, names, roles and SHA-256, and return the file."""
    known = [
        {
            "name": f"local-{role}",
            "role": role,
            "sha256": hashlib.sha256(token(home, role).encode()).hexdigest(),
        }
        for role in ROLES
    ]
    path = home.secrets / "tokens.json"
    write_json(path, known)
    return path


def opening_keys(home: Home, audience: str) -> Path:
    """Return the JWK set of an audience's private keys. `sealing_keys` makes it."""
    return home.secrets / "opening" / f"{audience}.jwks.json"


def sealing_keys(home: Home, now: datetime) -> Path:
    """
    Bring every audience's keys up to date, and return the JWK set of the public ones.

    Keys of weeks to come are added, those that nothing can need any more are removed.
    """
    public: list[Any] = []
    for audience in AUDIENCES:
        keys = _current_keys(home, audience, now)
        path = opening_keys(home, audience)
        home.folder(path.parent)
        write_json(path, key_set(keys, private=True))
        public += key_set(keys, private=False)["keys"]
    path = home.secrets / "sealing.jwks.json"
    write_json(path, {"keys": public})
    return path


def source_secrets(home: Home, sources: Path) -> Path:
    """
    Return the folder of the incident systems' webhook secrets, one for each source of the file.

    A source's secret is in `<id>.secret`, and under the name that its entry gives, if it does.
    """
    folder = home.folder(home.secrets / "sources")
    for source in _sources(sources):
        identifier = str(source["id"])
        fresh = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
        value = home.secret(f"sources/{identifier}.secret", fresh)
        if source.get("secret"):
            home.secret(f"sources/{source['secret']}", value)
    return folder


def _current_keys(home: Home, audience: str, now: datetime) -> list[OKPKey]:
    oldest = f"{audience}.{epoch_of(now - _KEPT_AFTER_ITS_WEEK)}"
    kept = [
        OKPKey.import_key(entry)
        for entry in (read_json(opening_keys(home, audience)) or {"keys": []})["keys"]
        if entry["kid"] >= oldest
    ]
    present = {key.kid for key in kept}
    weeks = (now + timedelta(weeks=ahead) for ahead in range(_WEEKS_AHEAD + 1))
    return kept + [new_key(audience, week) for week in weeks if f"{audience}.{epoch_of(week)}" not in present]


def _sources(path: Path) -> Iterable[dict[str, Any]]:
    try:
        sources = yaml.safe_load(path.read_text(encoding="utf-8"))["sources"]
        names = [name for source in sources for name in (source["id"], source.get("secret"))]
    except FileNotFoundError:
        raise StackError(f"the list of incident systems is missing: {path}") from None
    except (yaml.YAMLError, KeyError, TypeError, AttributeError):
        raise StackError(f"{path} is not a list of sources, each with an id") from None
    for name in names:
        if name is not None and Path(str(name)).name != str(name):
            raise StackError(f"{path}: {name!r} cannot name a file in the secrets folder")
    return list(sources)
