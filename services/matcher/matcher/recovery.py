"""After a restore: what the matches topic says that this database has lost."""

from chassis import Recovery, UnitOfWork
from peerline.compartments import AskedSupporter
from peerline.events import (
    Audience,
    Event,
    MatchConfirmed,
    MatchEvent,
    MatchProposed,
    MatchReleased,
    MatchReleaseRequested,
    MatchUnavailable,
)
from peerline.sealing import Unreadable

from matcher import casework
from matcher.domain.recall import Said, Told, recalled

TOLD: dict[type[Event], Told] = {
    MatchProposed: Told.PROPOSED,
    MatchConfirmed: Told.CONFIRMED,
    MatchReleased: Told.RELEASED,
    MatchReleaseRequested: Told.RELEASE_REQUESTED,
    MatchUnavailable: Told.UNAVAILABLE,
}


async def recall(event: Event, work: UnitOfWork) -> None:
    """Know an attempt again with its supporter, so that the seat is kept and nobody else is asked."""
    assert isinstance(event, MatchEvent)
    record = (await casework.take(work, [event]))[event.referral_id]
    supporter = await _supporter(event, work) if isinstance(event, MatchProposed) else None
    if record.case.attempt(event.attempt) is None:
        record.to_check = True  # once the case is known
    record.case = recalled(record.case, Said(TOLD[type(event)], event.attempt, supporter))
    record.sequence, record.touched = max(record.sequence, event.sequence), True
    await casework.put(work, [record])


async def _supporter(event: MatchProposed, work: UnitOfWork) -> str | None:
    try:
        return work.open(event, Audience.MATCHER, AskedSupporter).supporter_id
    except Unreadable as fault:
        await work.open_item(
            "supporter-unknown",
            subject=str(event.event_id),
            referral_id=event.referral_id,
            programme=event.programme.id,
            reason=fault.reason,
            urgent=True,
        )
        return None


RECOVERY = Recovery(recall)
