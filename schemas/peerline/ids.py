"""
Identifiers that are the same whenever the same thing is named again.

A referral, match or event id is an HMAC of its business key under the owner's key, written as UUIDv8
(RFC 9562, 5.8). A decision that is repeated after a database was restored therefore has the same id,
and nobody without the key can guess an id from a physician's identifiers.
"""

import base64
import hmac
from uuid import UUID

Part = str | int | UUID


def _digest(key: bytes, kind: str, parts: tuple[Part, ...]) -> bytes:
    """HMAC-SHA-256 over length-prefixed parts, so that ("ab", "c") and ("a", "bc") differ."""
    message = bytearray()
    for part in (kind, *parts):
        encoded = str(part).encode()
        message += len(encoded).to_bytes(4, "big") + encoded
    return hmac.digest(key, message, "sha256")


def uuid8(digest: bytes) -> UUID:
    """The first 122 bits of a digest as a UUID of version 8, variant RFC 9562."""
    number = int.from_bytes(digest[:16], "big")
    number &= ~(0xF << 76) & ~(0x3 << 62)
    return UUID(int=number | (8 << 76) | (2 << 62))


class Ids:
    """Names things under one service's key (at least 16 bytes, else ValueError)."""

    def __init__(self, key: bytes) -> None:
        if len(key) < 16:
            raise ValueError("an id key has at least 16 bytes")
        self._key = key

    def referral(self, programme: str, source: str, incident: str, person: str) -> UUID:
        """The one referral of this person for this incident, whichever door it came through."""
        return uuid8(_digest(self._key, "referral", (programme, source, incident, person)))

    def match(self, referral_id: UUID, attempt: int) -> UUID:
        """The match that this attempt of a referral proposes."""
        return uuid8(_digest(self._key, "match", (referral_id, attempt)))

    def deadline(self, referral_id: UUID, clock: str, attempt: int) -> UUID:
        """The deadline of one clock of a referral; attempt 0 where the clock is not an attempt's."""
        return uuid8(_digest(self._key, "deadline", (referral_id, clock, attempt)))

    def pause(self, referral_id: UUID, *parts: Part) -> UUID:
        """The pause of a case's clocks that `parts` describe, or name as whoever asked for it named it."""
        return uuid8(_digest(self._key, "pause", (referral_id, *parts)))

    def event(self, event_type: str, referral_id: UUID, *parts: Part) -> UUID:
        """The event of this type for a referral; `parts` tell apart what may happen more than once."""
        return uuid8(_digest(self._key, f"event/{event_type}", (referral_id, *parts)))

    def item(self, kind: str, subject: str) -> UUID:
        """The worklist item of this kind about this subject, whenever it is opened."""
        return uuid8(_digest(self._key, "worklist-item", (kind, subject)))


class Pseudonyms:
    """
    Keyed pseudonyms of people's identifiers, shared by intake and matcher only.

    Two services that know the same identifier of a person derive the same pseudonym, so that matcher
    can exclude a person without ever being told who it is.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < 16:
            raise ValueError("a pseudonym key has at least 16 bytes")
        self._key = key

    def of(self, system: str, value: str) -> str:
        """
        The pseudonym (22 characters, URL-safe) of an identifier; case and outer blanks do not count.

        Of a `phone` only the digits count, without the leading 1 of North America: everybody writes it otherwise.
        """
        system, value = system.strip().casefold(), value.strip().casefold()
        digest = _digest(self._key, "person", (system, _digits(value) if system == "phone" else value))
        return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


def _digits(phone: str) -> str:
    digits = "".join(character for character in phone if character.isdigit())
    return digits[1:] if len(digits) == 11 and digits.startswith("1") else digits
