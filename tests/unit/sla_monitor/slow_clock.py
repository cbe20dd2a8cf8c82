"""
A second opinion about due times: it goes from minute to minute and looks at the clock on the wall.

Nothing of it is taken from the monitor but the values that describe a rule, a calendar and a pause. All of
them must lie on whole minutes. Slow, and meant to be so plain that it is right.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import count

from sla_monitor.domain.calendar import Calendar
from sla_monitor.domain.pauses import Pause
from sla_monitor.domain.rules import Elapsed, Rule, WorkingDays, WorkingHours

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
WEEK = 7 * 24 * 60


class NeverDue(Exception):
    """An open pause was reached first."""


def slow_due(rule: Rule, start: datetime, zone: tzinfo, calendar: Calendar, pauses: Sequence[Pause]) -> datetime | None:
    start = start.astimezone(UTC)
    try:
        match rule:
            case Elapsed():
                return _elapsed(rule, start, zone, calendar, pauses)
            case WorkingDays():
                return _working_days(rule, start, zone, calendar, pauses)
            case WorkingHours():
                return _working_hours(rule, start, zone, calendar, pauses)
    except NeverDue:
        return None


def _elapsed(rule: Elapsed, start: datetime, zone: tzinfo, calendar: Calendar, pauses: Sequence[Pause]) -> datetime:
    wall = start.astimezone(zone)
    begins, ends = (
        point.weekday * 1440 + _minutes(point.at) for point in (rule.weekend_span.begins, rule.weekend_span.ends)
    )
    since_begin = (wall.isoweekday() * 1440 + _minutes(wall.time()) - begins) % WEEK
    is_weekend = since_begin < (ends - begins) % WEEK
    if rule.holidays_as_weekend and wall.date() in calendar.days_off:
        is_weekend = True
    left = (rule.weekend if is_weekend else rule.weekday) // MINUTE
    at = start
    while left:
        left -= not _is_paused(at, pauses)
        at += MINUTE
    return at


def _working_days(
    rule: WorkingDays, start: datetime, zone: tzinfo, calendar: Calendar, pauses: Sequence[Pause]
) -> datetime:
    receipt = today = _wall(start, zone).date()
    counted, is_touched, due = 0, False, None
    walls = (datetime.combine(receipt + DAY * number, rule.at) for number in count())
    upcoming = next(walls)
    at, before = start, _wall(start - MINUTE, zone)
    while True:
        wall = _wall(at, zone)
        if wall.date() != today:
            counted += today != receipt and not is_touched and _is_worked(today, rule.weekdays, calendar)
            today, is_touched, due = wall.date(), False, None
        while upcoming <= wall:
            if upcoming.date() == today and upcoming > before:
                due = _instant(upcoming, at, wall, before)
            upcoming = next(walls)
        is_last = counted == rule.days - 1 and today != receipt and _is_worked(today, rule.weekdays, calendar)
        if at == due and is_last and not is_touched:
            return at
        is_touched |= _is_paused(at, pauses)
        at, before = at + MINUTE, wall


def _working_hours(
    rule: WorkingHours, start: datetime, zone: tzinfo, calendar: Calendar, pauses: Sequence[Pause]
) -> datetime:
    left = rule.wait // MINUTE
    at = start - 30 * 60 * MINUTE  # so that every shift of today is seen to begin
    before = _wall(at - MINUTE, zone)
    edges = _edges(before.date(), rule, calendar)
    upcoming = next(edges)
    opened: dict[datetime, datetime] = {}
    closed: dict[datetime, datetime] = {}
    while left:
        wall = _wall(at, zone)
        while upcoming[0] <= wall:
            edge, shift, is_begin = upcoming
            (opened if is_begin else closed)[shift] = _instant(edge, at, wall, before)
            upcoming = next(edges)
        if at >= start:
            is_shift = any(since <= at and not closed.get(shift, at + MINUTE) <= at for shift, since in opened.items())
            left -= not _is_paused(at, pauses) and is_shift
        at, before = at + MINUTE, wall
        opened = {shift: since for shift, since in opened.items() if shift not in closed or closed[shift] > at}
    return at


def _instant(sought: datetime, at: datetime, wall: datetime, before: datetime) -> datetime:
    """When the wall shows what is sought: now, or if that was leapt over, as if it had gone on from a minute ago."""
    return at if wall == sought else at - MINUTE + (sought - before)


def _edges(day: date, rule: WorkingHours, calendar: Calendar) -> Iterator[tuple[datetime, datetime, bool]]:
    """Every begin and end of a shift on the wall, in order: when, of which shift, and whether it is a begin."""
    while True:
        if _is_worked(day, rule.hours, calendar):
            for begins, ends in rule.hours.get(day.isoweekday(), ()):
                shift = datetime.combine(day, begins)
                yield shift, shift, True
                yield datetime.combine(day + DAY if ends == time(0) else day, ends), shift, False
        day += DAY


def _is_worked(day: date, weekdays: Collection[int], calendar: Calendar) -> bool:
    if day in calendar.opened:
        return True
    return day not in calendar.days_off and day.isoweekday() in weekdays


def _is_paused(at: datetime, pauses: Sequence[Pause]) -> bool:
    if any(pause.ends is None and pause.begins <= at for pause in pauses):
        raise NeverDue
    return any(pause.ends is not None and pause.begins <= at < pause.ends for pause in pauses)


def _wall(at: datetime, zone: tzinfo) -> datetime:
    """What the clock on the wall shows, without knowing where the wall is."""
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def _minutes(at: time) -> int:
    return at.hour * 60 + at.minute
