"""
Sealed compartments: compact JWE, ECDH-ES on X25519 with A256GCM.

Producers hold public keys only. The protected header carries `kid` (audience and weekly epoch), `sub`
(referral id) and `evt` (event type); both are checked on opening, so that a compartment cannot be
moved to another referral or event. Plaintext is padded to steps of 512 bytes, so that its length
tells nothing about a name.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from joserfc.registry import HeaderParameter
from pydantic import ValidationError

from peerline.events.base import Audience, Part

STEP = 512
ALGORITHMS = ["ECDH-ES", "A256GCM"]
_REGISTRY = jwe.JWERegistry(
    header_registry={
        "sub": HeaderParameter("referral id", "str", required=True),
        "evt": HeaderParameter("event type", "str", required=True),
    },
    algorithms=ALGORITHMS,
)

P = TypeVar("P", bound=Part)


class Unreadable(Exception):
    """A compartment cannot be opened; `reason` is a code (no-key, moved, damaged, unknown-content)."""

    def __init__(self, reason: str, kid: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.kid = kid
        """The key that was missing, where one was."""


def epoch_of(now: datetime) -> str:
    """The weekly epoch of an instant, for example `2026-W47` (ISO week, UTC)."""
    year, week, _ = now.astimezone(UTC).isocalendar()
    return f"{year}-W{week:02d}"


def new_key(audience: Audience | str, now: datetime) -> OKPKey:
    """A fresh private key of an audience for the epoch of `now`; its kid is `<audience>.<epoch>`."""
    return OKPKey.generate_key("X25519", {"kid": f"{audience}.{epoch_of(now)}", "use": "enc"}, auto_kid=False)


def key_set(keys: Iterable[OKPKey], *, private: bool) -> dict[str, Any]:
    """A JWK set of these keys, with or without their private parts."""
    return {"keys": [key.as_dict(private=private) for key in keys]}


class Sealer:
    """Seals for audiences whose public keys are in a JWK set; ValueError if a key is not named rightly."""

    def __init__(self, jwks: Mapping[str, Any]) -> None:
        self._keys = _by_audience(jwks)

    def seal(self, audience: Audience, content: Part, *, referral_id: UUID, event_type: str, now: datetime) -> str:
        """The compartment as compact JWE, under the audience's latest epoch that has begun by `now`."""
        key = self._current(audience, now)
        header = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": key.kid, "sub": str(referral_id), "evt": event_type}
        return jwe.encrypt_compact(header, _padded(content), key, registry=_REGISTRY)

    def _current(self, audience: Audience, now: datetime) -> OKPKey:
        epochs = self._keys.get(audience, {})
        begun = [epoch for epoch in epochs if epoch <= epoch_of(now)]
        if not begun:
            raise Unreadable("no-key")
        return epochs[max(begun)]


class Opener:
    """Opens what was sealed for the audience whose private keys are in a JWK set."""

    def __init__(self, jwks: Mapping[str, Any]) -> None:
        self._keys = {
            f"{audience}.{epoch}": key
            for audience, epochs in _by_audience(jwks).items()
            for epoch, key in epochs.items()
        }

    def open(self, sealed: str, model: type[P], *, referral_id: UUID, event_type: str) -> P:
        """The content of a compartment; raises Unreadable, never with any of the content."""
        header, plaintext = self._decrypt(sealed)
        if header.get("sub") != str(referral_id) or header.get("evt") != event_type:
            raise Unreadable("moved")
        try:
            return model.model_validate_json(plaintext, extra="ignore")
        except ValidationError:
            raise Unreadable("unknown-content") from None

    def is_behind(self, kid: str, now: datetime) -> bool:
        """Whether this key's epoch has begun by `now` and is later than all that we hold: the key is yet to come."""
        audience, _, epoch = kid.partition(".")
        newest = max((held for held in self._keys if held.startswith(f"{audience}.")), default="")
        return newest < kid and epoch <= epoch_of(now)

    def _decrypt(self, sealed: str) -> tuple[dict[str, Any], bytes]:
        try:
            opened = jwe.decrypt_compact(sealed, self._key_of, registry=_REGISTRY)
        except (JoseError, ValueError, KeyError, TypeError):
            raise Unreadable("damaged") from None
        return opened.protected, opened.plaintext or b""

    def _key_of(self, compartment: Any) -> OKPKey:
        kid = str(compartment.headers().get("kid"))
        key = self._keys.get(kid)
        if key is None:
            raise Unreadable("no-key", kid)
        return key


def _padded(content: Part) -> bytes:
    plaintext = content.model_dump_json(exclude_none=True).encode()
    return plaintext + b" " * (-len(plaintext) % STEP)


def _by_audience(jwks: Mapping[str, Any]) -> dict[str, dict[str, OKPKey]]:
    found: dict[str, dict[str, OKPKey]] = {}
    for entry in jwks.get("keys", []):
        audience, dot, epoch = str(entry.get("kid", "")).partition(".")
        if not dot:
            raise ValueError("a sealing key's kid is <audience>.<epoch>")
        found.setdefault(audience, {})[epoch] = OKPKey.import_key(entry)
    return found


def read_key_set(text: str) -> Mapping[str, Any]:
    """A JWK set from its JSON text; ValueError if it is none."""
    jwks = json.loads(text)
    if not isinstance(jwks, dict) or not isinstance(jwks.get("keys"), list):
        raise ValueError("not a JWK set: no list of keys")
    return jwks
