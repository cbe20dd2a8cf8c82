"""Decisions as events: what the published language says of them, and their number in the referral's count."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from chassis import UnitOfWork
from peerline.events import (
    DeadlineApproaching,
    DeadlineBreached,
    DeadlineEvent,
    DeadlineMet,
    DeadlineSet,
    Event,
    Firmness,
    ProgrammeRef,
)

from sla_monitor import metrics
from sla_monitor.domain.decisions import Approaching, Breached, Decision, Met, Set
from sla_monitor.domain.facts import Case

NO_ATTEMPT = 0
"""A clock of the whole referral, not of one attempt."""


def publish(case: Case, decisions: Sequence[Decision], work: UnitOfWork) -> Case:
    """
    Publish what was decided about a locked case, in this order; gives the case with its count moved on.

    All events are made before the first is published, so that a case fails whole or not at all.
    """
    numbered = enumerate(decisions, start=case.sequence + 1)
    events = [_event(case.referral_id, decision, sequence, work) for sequence, decision in numbered]
    for event in events:
        work.publish(event, case.traceparent)
    _measure(decisions, work)
    return replace(case, sequence=case.sequence + len(events))


def _event(referral_id: UUID, decision: Decision, sequence: int, work: UnitOfWork) -> DeadlineEvent:
    start, kind = decision.start, decision.kind

    def named(event: type[Event], *parts: str) -> UUID:
        return work.ids.event(event.name, referral_id, kind, NO_ATTEMPT, *parts)

    common: dict[str, Any] = {
        "referral_id": referral_id,
        "programme": ProgrammeRef(id=start.programme_id, digest=start.programme_digest),
        "sequence": sequence,
        "occurred_at": work.now,
        "deadline_id": work.ids.deadline(referral_id, kind, NO_ATTEMPT),
        "clock": kind,
        "firmness": Firmness(start.firmness),
        "due_at": start.due_at,
    }
    match decision.what:
        case Set(moved=moved):
            # A clock may be moved more than once; each time to an earlier due time, so never twice to one.
            parts = ("moved", start.due_at.isoformat()) if moved else ()
            event_id, late = named(DeadlineSet, *parts), start.late_entry
            return DeadlineSet(**common, event_id=event_id, starts_at=start.starts_at, late_entry=late)
        case Approaching():
            return DeadlineApproaching(**common, event_id=named(DeadlineApproaching))
        case Met(met_at=met_at, corrects=False):
            return DeadlineMet(**common, event_id=named(DeadlineMet), met_at=met_at)
        case Met(met_at=met_at):
            breach = named(DeadlineBreached)
            return DeadlineMet(**common, event_id=named(DeadlineMet, "corrects"), met_at=met_at, corrects=breach)
        case Breached(provisional=provisional):
            late = start.late_entry
            return DeadlineBreached(
                **common, event_id=named(DeadlineBreached), late_entry=late, provisional=provisional
            )


def _measure(decisions: Iterable[Decision], work: UnitOfWork) -> None:
    for decision in decisions:
        metrics.DECISIONS.labels(type(decision.what).__name__.lower()).inc()
        if isinstance(decision.what, Breached) and not decision.start.late_entry:
            metrics.LATENESS.observe((work.now - decision.start.due_at).total_seconds())
