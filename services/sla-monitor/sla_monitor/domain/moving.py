"""
What a pause or a recalculation makes of clocks that run already.

A due time is pinned: nothing but one of these two moves it to a later one, and each is recorded as an event. The rule,
the calendar and the zones by which a start is reckoned again are the caller's to find.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from sla_monitor.domain.case import Case, Clock, ClockName, Start, Verdict
from sla_monitor.domain.decisions import Standing, standing
from sla_monitor.domain.due import Due
from sla_monitor.domain.recorded import KnownPause, pauses_of
from sla_monitor.domain.which_start import under, with_starts

DueOf = Callable[[ClockName, Start], Due | None]
"""When a start makes a clock due, without pauses; None where that cannot be said any more, and the clock stays as it is."""

Anew = Callable[[ClockName, Start], Start | None]
"""The same reason to run by what is in force now, with how it was reckoned; None where nothing promises it any more."""


def paused(case: Case, pause: KnownPause, due_of: DueOf) -> Case:
    """
    The case with a pause, whose clocks are due accordingly; a record that is not newer changes nothing.

    Also the promises that were told as broken are reckoned again: a stop may turn out to have been in time. Those that
    were kept stay as they are. Raises what `due_of` raises, and CalendarEnds.
    """
    known = case.pauses.get(pause.pause_id)
    if case.forgotten or (known is not None and known.sequence >= pause.sequence):
        return case
    case = replace(case, pauses={**case.pauses, pause.pause_id: pause})
    concerned = [each for each in (known, pause) if each is not None]
    clocks = {
        name: _under_pauses(case, clock, due_of)
        for name, clock in case.clocks.items()
        if _may_move(case, clock) and any(_matters(each, clock) for each in concerned)
    }
    return replace(case, clocks={**case.clocks, **clocks})


def recalculated(case: Case, at: datetime, anew: Anew) -> Case:
    """
    The case whose clocks are due by what is in force now, as far as something has yet to be decided about them.

    What was due by then stays: its promise was kept or broken, whether or not that was told. So does what would be
    reckoned by the same as before. Raises what `anew` raises, and CalendarEnds.
    """
    clocks = {
        name: _by_what_is_in_force(case, clock, anew) for name, clock in case.clocks.items() if _runs(case, clock, at)
    }
    return replace(case, clocks={**case.clocks, **clocks})


def recorded_last(case: Case) -> int:
    """The number of the last pause or recalculation in the case's count, 0 without: what was told before is another time's."""
    again = [start.recalculated for clock in case.clocks.values() for start in clock.started]
    numbers = [each.sequence for each in (*again, *case.pauses.values()) if each is not None]
    return max(numbers, default=0)


def _may_move(case: Case, clock: Clock) -> bool:
    is_kept = clock.verdict is Verdict.MET or clock.corrected
    return not is_kept and standing(case, clock) is not Standing.CANCELLED


def _matters(pause: KnownPause, clock: Clock) -> bool:
    """A pause that begins at or after the due time does not: then nobody need know by what that was reckoned."""
    start = clock.start
    return start is not None and pause.holds_for(clock.kind) and (start.suspended or pause.begins_at < start.due_at)


def _runs(case: Case, clock: Clock, at: datetime) -> bool:
    if clock.start is None or clock.verdict is not None or not (clock.start.suspended or at < clock.start.due_at):
        return False
    return case.stop_of(clock) is None and case.end_of(clock) is None


def _under_pauses(case: Case, clock: Clock, due_of: DueOf) -> Clock:
    pauses = pauses_of(case.pauses.values(), clock.kind)
    found = [(start, due_of(clock.name, start)) for start in clock.starts]
    paused = [under(pauses, start, due) for start, due in found if due is not None]
    return with_starts(clock, clock.starts, paused) if len(paused) == len(found) else clock


def _by_what_is_in_force(case: Case, clock: Clock, anew: Anew) -> Clock:
    found = [anew(clock.name, start) for start in clock.starts]
    starts = [start for start in found if start is not None]
    if len(starts) < len(found) or all(_is_same(*pair) for pair in zip(clock.starts, starts, strict=True)):
        return clock
    pauses = pauses_of(case.pauses.values(), clock.kind)
    return with_starts(clock, starts, [under(pauses, start, start.reckoned) for start in starts if start.reckoned])


def _is_same(pinned: Start, start: Start) -> bool:
    return is_pinned_to(pinned, start) and pinned.programme_digest == start.programme_digest


def is_pinned_to(pinned: Start, start: Start) -> bool:
    """Whether both were reckoned by the same days off and time zones, to the same due time."""
    if pinned.pinned is None or start.pinned is None:
        return False
    versions = [(each.calendar_version, each.tzdata) for each in (pinned.pinned, start.pinned)]
    return versions[0] == versions[1] and pinned.due_at == start.due_at
