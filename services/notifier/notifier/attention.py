"""What waits for a human in any service, kept here so that coordinators can be told of it."""

from collections.abc import Iterable, Sequence

from chassis import UnitOfWork
from chassis.worklist import Change, id_of
from peerline.escalation import COORDINATOR, ROLES
from peerline.events import DeadlineAcknowledged, DeadlineBreached, DeadlineEscalated, DeadlineEvent, WorklistChanged

from notifier.repository import escalations, waiting
from notifier.repository.escalations import Escalation
from notifier.repository.waiting import Attention
from notifier.wakeups import NOTICES


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
            due_at=event.due_at if isinstance(event, DeadlineBreached) and event.late_noticed else None,
        )
        for event in events
    ]
    await _note(work, news)


async def note_escalations(work: UnitOfWork, steps: Sequence[DeadlineEscalated]) -> None:
    """Keep further steps after breaches, each for whoever it names."""
    await note_news(work, steps)
    await escalations.note(work.connection, [_escalation(step) for step in steps])


async def drop_acknowledged(work: UnitOfWork, events: Iterable[DeadlineAcknowledged]) -> None:
    """What is acknowledged before it was told is not told any more. A topic has a deadline's steps before that."""
    await escalations.drop(work.connection, [event.deadline_id for event in events])


def _escalation(step: DeadlineEscalated) -> Escalation:
    """A step; one for a role that a later version has is the coordinator's, so that it is not lost."""
    return Escalation(
        item_id=step.event_id,
        deadline_id=step.deadline_id,
        role=step.to if step.to in ROLES else COORDINATOR,
        level=step.level,
        clock=step.clock,
        attempt=step.attempt,
        due_at=step.due_at,
    )


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
    await waiting.note(work.connection, changes)
    work.wake(NOTICES)
