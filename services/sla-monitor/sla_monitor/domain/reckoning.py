"""
How each rule gets from a start to a due time.

Elapsed and working time are real time, so that a change of the clocks neither adds to a promise nor takes
from it. A wall time (the end of a working day, the edges of a shift) that comes twice means the first; one
that a change of the clocks leaves out is read with the offset before the gap, as the standard library does.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from sla_monitor.domain.calendar import Calendar
from sla_monitor.domain.pauses import Pause, told_apart
from sla_monitor.domain.recorded import Recalculation
from sla_monitor.domain.rules import MIDNIGHT, Elapsed, Rule, WorkingDays, WorkingHours
from sla_monitor.domain.steps import Class, Day, Idle, LastDay, Paused, Received, Step, Wait, Worked, WorkOwed

_NOTHING = timedelta(0)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Terms:
    """
    All that a due time depends on, pinned: `received_at` in UTC, a calendar where the rule asks one.

    `tzdata` names the release of the time zones, `started_by` a moment that is later than any request, `recalculated`
    says that it was not reckoned so at first. Raises ValueError for a start without offset from UTC and for a rule that
    counts days without a calendar.
    """

    rule: Rule
    received_at: datetime
    zone: tzinfo
    calendar: Calendar | None = None
    tzdata: str | None = None
    pauses: tuple[Pause, ...] = ()
    started_by: str | None = None
    recalculated: Recalculation | None = None

    def __post_init__(self) -> None:
        if self.received_at.utcoffset() is None:
            raise ValueError("received_at needs an offset from UTC")
        if self.rule.counts_days and self.calendar is None:
            raise ValueError("a rule that counts days needs a calendar")
        object.__setattr__(self, "received_at", self.received_at.astimezone(UTC))

    @property
    def days(self) -> Calendar:
        """The calendar of a rule that counts days."""
        assert self.calendar is not None
        return self.calendar

    def at(self, day: date, at: time) -> datetime:
        """The instant (UTC) of a wall time."""
        return datetime.combine(day, at, self.zone).astimezone(UTC)


Reckoned = tuple[datetime | None, tuple[Step, ...]]
"""When it is due (UTC), None where an open pause leaves that undecided, and the steps that led there."""


def reckon(terms: Terms) -> Reckoned:
    """
    When it is due and why; raises CalendarEnds where that is in a year that the calendar does not know.

    A pause that begins at or after the due time changes nothing: the promise was broken or kept by then.
    One that begins before it counts, also where an earlier pause had to move the due time so far.
    """
    pauses = told_apart(terms.pauses, terms.received_at)
    match terms.rule:
        case Elapsed() as rule:
            return _elapsed(rule, terms, pauses)
        case WorkingDays() as rule:
            return _working_days(rule, terms, pauses)
        case WorkingHours() as rule:
            return _working_hours(rule, terms, pauses)


def _elapsed(rule: Elapsed, terms: Terms, pauses: Sequence[Pause]) -> Reckoned:
    received_on = _class(rule, terms)
    wait = rule.weekday if received_on is Class.WEEKDAY else rule.weekend
    steps: list[Step] = [Received(terms.received_at, terms.started_by), Wait(wait, received_on)]
    due = terms.received_at + wait
    for pause in pauses:
        if pause.begins >= due:
            break
        steps.append(_paused(pause))
        if pause.ends is None:
            return None, tuple(steps)
        due += pause.ends - pause.begins
    return due, tuple(steps)


def _class(rule: Elapsed, terms: Terms) -> Class:
    """By the start alone, even where that lies in a pause. The evening before a day off is none of it."""
    local = terms.received_at.astimezone(terms.zone)
    if rule.weekend_span.holds(local):
        return Class.WEEKEND
    if rule.holidays_as_weekend and terms.days.is_off(local.date()):
        return Class.DAY_OFF
    return Class.WEEKDAY


def _working_days(rule: WorkingDays, terms: Terms, pauses: Sequence[Pause]) -> Reckoned:
    """A day that a pause touches does not count; on the last day only a pause before the due time touches it."""
    steps: list[Step] = [Received(terms.received_at, terms.started_by), LastDay(rule.days, rule.at)]
    nth, day = 0, terms.received_at.astimezone(terms.zone).date()
    while nth < rule.days:
        day += _DAY
        ends = terms.at(day, rule.at) if nth + 1 == rule.days else terms.at(day + _DAY, MIDNIGHT)
        if not terms.days.is_worked(day, rule.weekdays):
            is_off = day.isoweekday() in rule.weekdays
            steps.append(Day(day, idle=Idle.DAY_OFF if is_off else Idle.WEEKDAY))
        elif touching := _touching(terms.at(day, MIDNIGHT), ends, pauses):
            if touching[-1].ends is None:
                return None, (*steps, _paused(touching[-1]))
            codes = dict.fromkeys(code for pause in touching for code in pause.codes)
            steps.append(Day(day, idle=Idle.PAUSED, codes=tuple(codes)))
        else:
            nth += 1
            steps.append(Day(day, nth))
    return terms.at(day, rule.at), tuple(steps)


def _touching(begins: datetime, ends: datetime, pauses: Sequence[Pause]) -> list[Pause]:
    """Those pauses that have an instant in [begins, ends); only the last can be open."""
    return [pause for pause in pauses if pause.begins < ends and (pause.ends is None or pause.ends > begins)]


def _working_hours(rule: WorkingHours, terms: Terms, pauses: Sequence[Pause]) -> Reckoned:
    steps: list[Step] = [Received(terms.received_at, terms.started_by), WorkOwed(rule.wait)]
    owed = rule.wait
    for spell in _spells(_shifts(rule, terms), pauses):
        if isinstance(spell, Paused):
            steps.append(spell)
            continue
        worked = replace(spell, ends=min(spell.ends, spell.begins + owed))
        owed -= worked.ends - worked.begins
        _add(steps, worked)
        if not owed:
            return worked.ends, tuple(steps)
    return None, tuple(steps)  # working time comes to an end in an open pause only


def _add(steps: list[Step], worked: Worked) -> None:
    """Append working time; what goes on from the shift before (over midnight) is one spell with it."""
    if isinstance(before := steps[-1], Worked) and before.ends == worked.begins:
        steps[-1] = replace(before, ends=worked.ends)
    else:
        steps.append(worked)


def _spells(shifts: Iterable[tuple[datetime, datetime]], pauses: Sequence[Pause]) -> Iterator[Worked | Paused]:
    """Working time that is not paused, and the pauses, in their order; nothing comes after an open pause."""
    coming, free_from = deque(pauses), datetime.min.replace(tzinfo=UTC)
    for shift_begins, ends in shifts:
        begins = max(shift_begins, free_from)
        while coming and coming[0].begins < ends:
            pause = coming.popleft()
            if begins < pause.begins:
                yield Worked(begins, pause.begins)
            yield _paused(pause)
            if pause.ends is None:
                return
            begins = free_from = max(begins, pause.ends)
        if begins < ends:
            yield Worked(begins, ends)


def _shifts(rule: WorkingHours, terms: Terms) -> Iterator[tuple[datetime, datetime]]:
    """The shifts after the start, in UTC; none begins before the one before it has ended, whatever the clocks do."""
    free_from, day = terms.received_at, terms.received_at.astimezone(terms.zone).date()
    while True:
        shifts = rule.hours.get(day.isoweekday(), ()) if terms.days.is_worked(day, rule.hours) else ()
        for shift in shifts:
            begins = max(free_from, terms.at(day, shift.begins))
            ends = terms.at(day + _DAY if shift.ends == MIDNIGHT else day, shift.ends)
            if begins < ends:
                yield begins, ends
                free_from = ends
        day += _DAY


def _paused(pause: Pause) -> Paused:
    return Paused(pause.begins, pause.ends, pause.codes)
