"""
Pauses and recalculations, each recorded by an event of our own with what it decides, under the lock of the case's row.

The rule that made a clock due stands in its programme's file. Where that file, its calendar or the time zones are no
longer those that the clock is pinned to, a pause is refused, and not guessed at: a recalculation pins it to what is
installed now.
"""

from dataclasses import replace

from chassis import UnitOfWork
from peerline.events import ClockPaused, ClockRecalculated, ProgrammeRef
from peerline.programme import Programmes

from sla_monitor.domain import moving
from sla_monitor.domain.case import Case, ClockName, Start
from sla_monitor.domain.decisions import earliest, settle_recorded
from sla_monitor.domain.due import Due
from sla_monitor.domain.moving import Anew, DueOf, is_pinned_to, recorded_last
from sla_monitor.domain.recorded import KnownPause, Recalculation
from sla_monitor.promises import start_again
from sla_monitor.publication import publish
from sla_monitor.repository import clocks


class PinnedGone(Exception):
    """What a clock is pinned to is no longer installed."""


def as_pinned(programmes: Programmes) -> DueOf:
    """Due times by what clocks are pinned to; it raises PinnedGone where that is no longer what is installed."""

    def due_of(name: ClockName, start: Start) -> Due | None:
        found = _again(name, start, programmes, start.recalculated)
        if found is None or found.programme_digest != start.programme_digest or not is_pinned_to(start, found):
            raise PinnedGone
        return found.reckoned

    return due_of


def as_installed(programmes: Programmes) -> DueOf:
    """Due times by what is installed: of a database that was set back, which has nothing else to go by."""

    def due_of(name: ClockName, start: Start) -> Due | None:
        found = _again(name, start, programmes, start.recalculated)
        return None if found is None else found.reckoned

    return due_of


def anew(programmes: Programmes, recalculation: Recalculation) -> Anew:
    """Starts by what is installed now, and saying so."""
    return lambda name, start: _again(name, start, programmes, recalculation)


def _again(name: ClockName, start: Start, programmes: Programmes, recalculation: Recalculation | None) -> Start | None:
    """The same reason to run by what is installed; None where no file promises it any more. Raises CalendarEnds."""
    programme = programmes.get(start.programme_id)
    clock = programme and programme.clock(name.kind)
    return start_again(start, clock, programme, recalculation) if programme and clock else None


async def record_pause(work: UnitOfWork, case: Case, pause: KnownPause, programme: ProgrammeRef) -> Case:
    """
    Record a pause of a locked case, and publish what it decides; gives the case as it stands then.

    Raises PinnedGone, and CalendarEnds for a year that the programme's calendar does not know.
    """
    pause = replace(pause, sequence=case.sequence + 1)
    event = ClockPaused(
        event_id=work.ids.event(ClockPaused.name, case.referral_id, pause.pause_id, pause.sequence),
        referral_id=case.referral_id,
        programme=programme,
        sequence=pause.sequence,
        occurred_at=work.now,
        pause_id=pause.pause_id,
        begins_at=pause.begins_at,
        ends_at=pause.ends_at,
        code=pause.code,
        clock=pause.clock,
    )
    paused = moving.paused(case, pause, as_pinned(work.programmes))
    return await _record(work, paused, event)


async def record_recalculation(work: UnitOfWork, case: Case, code: str, programme: ProgrammeRef) -> Case | None:
    """
    Reckon the undecided clocks of a locked case by what is installed now; None where that changes nothing.

    Raises CalendarEnds for a year that the programme's calendar does not know.
    """
    recalculation = Recalculation(work.now, code, case.sequence + 1)
    again = moving.recalculated(case, work.now, anew(work.programmes, recalculation))
    if again == case and recorded_last(again) == recorded_last(case):
        return None
    event = ClockRecalculated(
        event_id=work.ids.event(ClockRecalculated.name, case.referral_id, recalculation.sequence),
        referral_id=case.referral_id,
        programme=programme,
        sequence=recalculation.sequence,
        occurred_at=work.now,
        code=code,
    )
    return await _record(work, again, event)


async def _record(work: UnitOfWork, case: Case, event: ClockPaused | ClockRecalculated) -> Case:
    work.publish(event, case.traceparent)
    case, decisions = settle_recorded(replace(case, sequence=event.sequence), work.now)
    case = publish(case, decisions, work)
    await clocks.save(work.connection, [case])
    work.wake_by(earliest([case]))
    return case
