"""What each contender makes of an event: the same business for all of them, so that only the delivery differs."""

import hashlib
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from peerline.cloudevents import Headers, headers_of
from peerline.events import MatchConfirmed, ReferralCreated
from peerline.ids import Ids

IDS = Ids(b"0" * 32)


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
    """Validate a ReferralCreated and confirm its match, with ids that are the same each time; raises ValidationError."""
    return confirmed(ReferralCreated.read(raw), hashlib.sha256(raw).digest())


def confirmed(event: ReferralCreated, body_hash: bytes, traceparent: str | None = None) -> Confirmed:
    """Confirm the match of a referral that was read, in the trace that it came with."""
    now = datetime.now(UTC)
    answer = MatchConfirmed(
        event_id=IDS.event(MatchConfirmed.name, event.referral_id, 1),
        referral_id=event.referral_id,
        programme=event.programme,
        sequence=1,
        occurred_at=now,
        match_id=IDS.match(event.referral_id, 1),
        attempt=1,
    )
    headers = headers_of(answer, source="/peerline/matcher", time=now, traceparent=traceparent)
    said = dict(headers)
    return Confirmed(
        event_id=event.event_id,
        body_hash=body_hash,
        referral_id=event.referral_id,
        programme_id=event.programme.id,
        received_at=event.received_at,
        key=said["ce_subject"],
        body=answer.body(),
        confirmed_id=said["ce_id"].decode(),
        headers=headers,
    )
