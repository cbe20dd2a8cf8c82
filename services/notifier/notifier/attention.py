"""What waits for a human in any service, kept here so that coordinators can be told of it."""

from collections.abc import Iterable, Sequence

from chassis import UnitOfWork
from chassis.worklist import Change, id_of
from peerline.events import DeadlineEvent, WorklistChanged

from notifier.repository import notices
from notifier.repository.notices import Attention


async def note_own(work: UnitOfWork, change: Change) -> None:
    """Keep a change of notifier's own worklist."""
    item = change.item
    opened_at, resolved_at = (change.at, None) if change.is_open else (None, change.at)
    item_id = id_of(work, item)
    await _note(
        work,
        [Attention(item_id, item.kind, item.programme, item.urgent, opened_at, resolved_at, item.referral_id)],
    )


async def note(work: UnitOfWork, changes: Sequence[WorklistChanged]) -> None:
    """Keep changes of other services' worklists."""
    await _note(work, [_attention(change) for change in changes])


async def note_news(work: UnitOfWork, events: Iterable[DeadlineEvent]) -> None:
    """Keep news of deadlines: nobody can act on them here, and each is over once it was told."""
    news = [
        Attention(
            event.event_id,
            event.name,
            event.programme.id,
            urgent=True,
            opened_at=event.occurred_at,
            referral_id=event.referral_id,
            is_news=True,
        )
        for event in events
    ]
    await _note(work, news)


def _attention(change: WorklistChanged) -> Attention:
    return Attention(
        change.item_id,
        change.kind,
        change.programme.id if change.programme else None,
        change.urgent,
        opened_at=change.occurred_at if change.is_open else None,
        resolved_at=None if change.is_open else change.occurred_at,
        referral_id=change.referral_id if change.referral_id != change.item_id else None,
    )


async def _note(work: UnitOfWork, changes: Sequence[Attention]) -> None:
    await notices.note(work.connection, changes)
    work.wake()
