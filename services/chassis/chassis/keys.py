"""The keys of a service, and encryption of what it keeps about people."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from peerline.ids import Ids, Pseudonyms
from peerline.sealing import Opener, Sealer, read_key_set
from pydantic import SecretStr

from chassis.settings import ServiceSettings

NONCE = 12


class Locked(Exception):
    """A stored value cannot be opened: another key, or another place than it was locked for."""


class KeyAwaited(Exception):
    """Something is sealed for a week whose key this process was not given yet: it is started again with newer keys."""


class Vault:
    """
    AES-256-GCM for columns that name people.

    `about` says where the value stands ("table.column/subject") and is bound to it, so that a value
    copied into another row does not open.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def lock(self, plaintext: bytes, about: str) -> bytes:
        """The value as it may be stored: nonce and ciphertext."""
        nonce = os.urandom(NONCE)
        return nonce + self._cipher.encrypt(nonce, plaintext, about.encode())

    def unlock(self, blob: bytes, about: str) -> bytes:
        """The value again; raises Locked."""
        try:
            return self._cipher.decrypt(blob[:NONCE], blob[NONCE:], about.encode())
        except (InvalidTag, ValueError):  # ValueError: shorter than a nonce
            raise Locked(about.partition("/")[0]) from None


@dataclass(frozen=True)
class Keys:
    """What a service may name, seal, open and keep."""

    ids: Ids
    pseudonyms: Pseudonyms | None
    vault: Vault
    sealer: Sealer
    opener: Opener


class KeyFault(Exception):
    """A key setting is wrong; the text names the setting, never the key."""


def read_keys(settings: ServiceSettings) -> Keys:
    """The keys that the settings name; raises KeyFault."""
    pseudonym_key = settings.pseudonym_key
    return Keys(
        ids=Ids(_hex("PEERLINE_ID_KEY", settings.id_key)),
        pseudonyms=Pseudonyms(_hex("PEERLINE_PSEUDONYM_KEY", pseudonym_key)) if pseudonym_key else None,
        vault=Vault(_hex("PEERLINE_STORE_KEY", settings.store_key)),
        sealer=Sealer(_jwks("PEERLINE_SEALING_KEYS", settings.sealing_keys)),
        opener=Opener(_jwks("PEERLINE_OPENING_KEYS", settings.opening_keys) if settings.opening_keys else {}),
    )


def _hex(name: str, secret: SecretStr) -> bytes:
    try:
        key = bytes.fromhex(secret.get_secret_value())
    except ValueError:
        raise KeyFault(f"{name}: is not hexadecimal") from None
    if len(key) != 32:
        raise KeyFault(f"{name}: has {len(key)} bytes, not 32")
    return key


def _jwks(name: str, path: Path) -> dict[str, object]:
    try:
        return dict(read_key_set(path.read_text()))
    except (ValueError, json.JSONDecodeError):
        raise KeyFault(f"{name}: is not a JWK set") from None
