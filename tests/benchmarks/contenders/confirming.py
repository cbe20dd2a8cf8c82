"""What a contender makes of one event: plain bytes, without an instance of MatchConfirmed, which costs it more."""

import hashlib
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from peerline.cloudevents import CONTENT_TYPE, SPEC_VERSION, Headers
from peerline.events import MatchConfirmed, ReferralCreated

SOURCE = b"/peerline/matcher"
TYPE = MatchConfirmed.ce_type().encode()


class Confirmed(NamedTuple):
    """What came in, the values of its rows, and the record that says so."""

    event_id: UUID
    body_hash: bytes
    referral_id: UUID
    programme_id: str
    received_at: datetime
    key: bytes
    body: bytes
    confirmed_id: str
    headers: Headers


def confirm(raw: bytes) -> Confirmed:
    """
    Validate a ReferralCreated and confirm its match; raises pydantic.ValidationError.

    What is confirmed again has the same ids.
    """
    event = ReferralCreated.read(raw)
    referral_id, programme = str(event.referral_id), event.programme
    confirmed_id = _named(b"match-confirmed", event.referral_id)
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    body = (
        f'{{"event_id":"{confirmed_id}","referral_id":"{referral_id}",'
        f'"programme":{{"id":"{programme.id}","digest":"{programme.digest}"}},"sequence":1,"occurred_at":"{now}",'
        f'"match_id":"{_named(b"match/1", event.referral_id)}","attempt":1}}'
    )
    return Confirmed(
        event_id=event.event_id,
        body_hash=hashlib.sha256(raw).digest(),
        referral_id=event.referral_id,
        programme_id=programme.id,
        received_at=event.received_at,
        key=referral_id.encode(),
        body=body.encode(),
        confirmed_id=confirmed_id,
        headers=_headers(confirmed_id, referral_id, now),
    )


def _named(kind: bytes, referral_id: UUID) -> str:
    """A UUIDv8 that is the same whenever the same is named; without a key, so that anybody can guess it."""
    digest = hashlib.sha256(kind + referral_id.bytes).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"


def _headers(event_id: str, referral_id: str, now: str) -> Headers:
    return [
        ("content-type", CONTENT_TYPE),
        ("ce_specversion", SPEC_VERSION),
        ("ce_id", event_id.encode()),
        ("ce_type", TYPE),
        ("ce_source", SOURCE),
        ("ce_time", now.encode()),
        ("ce_subject", referral_id.encode()),
    ]
