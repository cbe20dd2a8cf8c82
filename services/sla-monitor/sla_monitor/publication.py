"""Decisions as events: what the published language says of them, and their number in the referral's count."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis import UnitOfWork
from peerline.events import (
    DeadlineAcknowledged,
    DeadlineApproaching,
    DeadlineBreached,
    DeadlineEscalated,
    DeadlineEvent,
    DeadlineMet,
    DeadlineSet,
    Event,
    Firmness,
    ProgrammeRef,
)

from sla_monitor import metrics
from sla_monitor.domain.case import WHOLE_CASE, Case, ClockName
from sla_monitor.domain.decisions import (
    Acknowledged,
    Approaching,
    Breached,
    Decision,
    Escalated,
    Met,
    Set,
    late_noticed,
)
from sla_monitor.domain.moving import recorded_last


@dataclass(frozen=True)
class Telling:
    """A locked case whose count has moved on, and the events that say what was decided about it, in this order."""

    case: Case
    decisions: Sequence[Decision]
    events: Sequence[DeadlineEvent]

    @property
    def clocks(self) -> frozenset[ClockName]:
        """Those about which something was decided."""
        return frozenset(ClockName(each.kind, each.attempt) for each in self.decisions)


def telling(case: Case, decisions: Sequence[Decision], work: UnitOfWork) -> Telling:
    """All events about a case, made before the first is published, so that it fails whole or not at all."""
    numbered = enumerate(decisions, start=case.sequence + 1)
    events = [_event(case, decision, sequence, work) for sequence, decision in numbered]
    return Telling(replace(case, sequence=case.sequence + len(events)), decisions, events)


def publish(case: Case, decisions: Sequence[Decision], work: UnitOfWork) -> Case:
    """Publish what was decided about a locked case, in this order; gives the case with its count moved on."""
    told = telling(case, decisions, work)
    for event in told.events:
        work.publish(event, told.case.traceparent)
    _measure(case, decisions, work)
    return told.case


def publish_oldest_first(told: Sequence[Telling], work: UnitOfWork) -> None:
    """Publish what was decided about several cases, across them by due time; of each it has to be in that order."""
    listed = [(event, each.case.traceparent) for each in told for event in each.events]
    for event, traceparent in sorted(listed, key=lambda one: one[0].due_at):
        work.publish(event, traceparent)
    for each in told:
        _measure(each.case, each.decisions, work)


def _event(case: Case, decision: Decision, sequence: int, work: UnitOfWork) -> DeadlineEvent:
    referral_id, start, kind, attempt = case.referral_id, decision.start, decision.kind, decision.attempt

    def named(event: type[Event], *parts: str) -> UUID:
        return work.ids.event(event.name, referral_id, kind, attempt, *parts)

    event, parts, own = _said(case, decision, work.now)
    if isinstance(decision.what, Met) and decision.what.corrects:
        own["corrects"] = named(DeadlineBreached)
    return event(
        event_id=named(event, *parts),
        referral_id=referral_id,
        programme=ProgrammeRef(id=start.programme_id, digest=start.programme_digest),
        sequence=sequence,
        occurred_at=work.now,
        deadline_id=work.ids.deadline(referral_id, kind, attempt),
        clock=kind,
        attempt=None if attempt == WHOLE_CASE else attempt,
        firmness=Firmness(start.firmness),
        due_at=start.due_at,
        **own,
    )


def _said(case: Case, decision: Decision, now: datetime) -> tuple[type[DeadlineEvent], tuple[str, ...], dict[str, Any]]:
    """The event of a decision, what tells it apart from others of its kind and clock, and its own fields."""
    start = decision.start
    said: tuple[type[DeadlineEvent], tuple[str, ...], dict[str, Any]]
    match decision.what:
        case Set(moved=moved):
            # A clock may be moved more than once; between two pauses or recalculations each time to an earlier due
            # time, so never twice to one.
            recorded = recorded_last(case)
            parts = ("moved", start.due_at.isoformat(), *([str(recorded)] if recorded else [])) if moved else ()
            said = DeadlineSet, parts, {"starts_at": start.starts_at, "late_entry": start.late_entry}
        case Approaching():
            said = DeadlineApproaching, (), {}
        case Met(met_at=met_at, corrects=corrects):
            said = DeadlineMet, ("corrects",) if corrects else (), {"met_at": met_at}
        case Breached(provisional=provisional):
            said = (
                DeadlineBreached,
                (),
                {
                    "late_entry": start.late_entry,
                    "provisional": provisional,
                    "late_noticed": late_noticed(start, now),
                },
            )
        case Escalated(level=level, to=to):
            said = DeadlineEscalated, (str(level),), {"level": level, "to": to}
        case Acknowledged():
            said = DeadlineAcknowledged, (), {}
    return said


def _measure(case: Case, decisions: Iterable[Decision], work: UnitOfWork) -> None:
    may_be_in_the_past = recorded_last(case)  # a pause that was taken back makes a clock due when nobody could know it
    for decision in decisions:
        corrects = isinstance(decision.what, Met) and decision.what.corrects
        what = "corrected" if corrects else type(decision.what).__name__.lower()
        metrics.DECISIONS.labels(what, decision.kind, decision.start.firmness).inc()
        if isinstance(decision.what, Breached) and not (decision.start.late_entry or may_be_in_the_past):
            metrics.LATENESS.observe((work.now - decision.start.due_at).total_seconds())
