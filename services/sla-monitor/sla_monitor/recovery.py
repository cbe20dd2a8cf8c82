"""After a restore: what the deadlines topic says that this database has lost."""

from dataclasses import replace

from chassis import Recovery, UnitOfWork
from peerline.events import (
    ClockPaused,
    ClockRecalculated,
    DeadlineAcknowledged,
    DeadlineApproaching,
    DeadlineBreached,
    DeadlineEscalated,
    DeadlineEvent,
    DeadlineMet,
    DeadlineSet,
    Event,
)

from sla_monitor.domain import moving
from sla_monitor.domain.case import WHOLE_CASE, Case
from sla_monitor.domain.recall import Said, Told, recalled
from sla_monitor.domain.recorded import KnownPause, Recalculation
from sla_monitor.pausing import anew, as_installed
from sla_monitor.repository import clocks

TOLD: dict[type[Event], Told] = {
    DeadlineSet: Told.SET,
    DeadlineApproaching: Told.APPROACHING,
    DeadlineMet: Told.MET,
    DeadlineBreached: Told.BREACHED,
    DeadlineEscalated: Told.ESCALATED,
    DeadlineAcknowledged: Told.ACKNOWLEDGED,
}


async def recall(event: Event, work: UnitOfWork) -> None:
    """Know again what was recorded and decided about a case, so that it is corrected and not contradicted."""
    case = (await clocks.open_cases(work.connection, {event.referral_id}))[event.referral_id]
    match event:
        case ClockPaused():
            case = _counted(moving.paused(case, _pause(event), as_installed(work.programmes)), event)
        case ClockRecalculated() if event.sequence > case.sequence:
            recalculation = Recalculation(event.occurred_at, event.code, event.sequence)
            case = _counted(moving.recalculated(case, event.occurred_at, anew(work.programmes, recalculation)), event)
        case DeadlineEvent():
            case = recalled(case, _said(event))
    await clocks.save(work.connection, [case])


def _counted(case: Case, event: Event) -> Case:
    return replace(case, sequence=max(case.sequence, event.sequence))


def _pause(event: ClockPaused) -> KnownPause:
    return KnownPause(event.pause_id, event.sequence, event.begins_at, event.ends_at, event.code, event.clock)


def _said(event: DeadlineEvent) -> Said:
    corrects = isinstance(event, DeadlineMet) and event.corrects is not None
    told = Told.CORRECTED if corrects else TOLD[type(event)]
    level = event.level if isinstance(event, DeadlineEscalated) else 0
    attempt = event.attempt or WHOLE_CASE
    return Said(told, event.sequence, event.clock, event.due_at, attempt, level, event.occurred_at)


RECOVERY = Recovery(recall)
