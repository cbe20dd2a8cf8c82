"""Random promises: rules, calendars, zones, starts near changes of the clocks and elsewhere, and pauses."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

from hypothesis import strategies as st
from sla_monitor.domain.calendar import Calendar
from sla_monitor.domain.due import Due, due_at
from sla_monitor.domain.pauses import Pause
from sla_monitor.domain.rules import Elapsed, Rule, Shift, Weekend, WeekTime, WorkingDays, WorkingHours

from tests.unit.sla_monitor.places import zone

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
FIRST = datetime(2024, 1, 1, tzinfo=UTC)
LAST = datetime(2030, 12, 31, tzinfo=UTC)

ZONES = [
    zone(name)
    for name in (
        "America/New_York",
        "America/Los_Angeles",
        "America/Vancouver",  # changes its clocks for the last time in 2026
        "America/St_Johns",
        "America/Havana",  # at midnight and at 01:00 of a Sunday
        "America/Santiago",  # southern, at midnight of a Saturday
        "Australia/Adelaide",  # southern, with half an hour
        "Australia/Lord_Howe",  # southern, changes by half an hour
        "Pacific/Chatham",  # southern, with three quarters of an hour
        "Asia/Kathmandu",
        "Asia/Jerusalem",  # forward on a Friday
        "Africa/Cairo",  # forward on a Friday, back on a Thursday, at midnight
        "Africa/Casablanca",  # back for the month of fasting
        "Europe/London",
    )
]


def _changes(place: tzinfo) -> list[datetime]:
    """The days (UTC) on which the clocks of a place are changed."""
    days = [FIRST + DAY * number for number in range((LAST - FIRST).days)]
    return [day for day in days if day.astimezone(place).utcoffset() != (day + DAY).astimezone(place).utcoffset()]


CHANGES = {str(place): _changes(place) for place in ZONES}

AT_NIGHT = [time(0, 1), time(0, 30), time(1, 15), time(1, 30), time(2, 15), time(2, 30), time(23, 30)]
"""Where clocks are changed, besides the usual end of a working day."""

WALL = st.integers(0, 24 * 60 - 1).map(lambda minute: time(minute // 60, minute % 60))
WEEK_TIMES = st.builds(WeekTime, st.integers(1, 7), st.sampled_from([time(0), time(17), time(23, 30)]) | WALL)
WEEKENDS = st.tuples(WEEK_TIMES, WEEK_TIMES).filter(lambda ends: ends[0] != ends[1]).map(lambda ends: Weekend(*ends))
WAITS = st.integers(0, 72 * 60).map(lambda minutes: minutes * MINUTE)
WEEKDAYS = st.frozensets(st.integers(1, 7), min_size=1)


@dataclass(frozen=True)
class Promise:
    """What a due time is made of."""

    rule: Rule
    start: datetime
    zone: tzinfo
    calendar: Calendar
    pauses: tuple[Pause, ...]

    @property
    def due(self) -> Due:
        return due_at(self.rule, self.start, self.zone, self.calendar)


@st.composite
def elapsed(draw: st.DrawFn) -> Elapsed:
    usual = st.just(Weekend(WeekTime(6, time(0)), WeekTime(1, time(0))))
    return Elapsed(draw(WAITS), draw(WAITS), draw(usual | WEEKENDS), draw(st.booleans()))


@st.composite
def working_days(draw: st.DrawFn) -> WorkingDays:
    weekdays = draw(st.just(frozenset(range(1, 6))) | WEEKDAYS)
    at = draw(st.sampled_from(AT_NIGHT) | WALL.filter(lambda at: at != time(0)))
    return WorkingDays(draw(st.integers(1, min(4, len(weekdays)))), at, weekdays)


@st.composite
def shifts(draw: st.DrawFn) -> tuple[Shift, ...]:
    """One to three shifts of a day, between half hours; the last one may end with the day."""
    edges = sorted(draw(st.sets(st.integers(0, 48), min_size=2, max_size=6)))
    walls = [time(edge // 2 % 24, edge % 2 * 30) for edge in edges]
    return tuple(Shift(begins, ends) for begins, ends in zip(walls[::2], walls[1::2], strict=False))


@st.composite
def working_hours(draw: st.DrawFn) -> WorkingHours:
    always = {weekday: (Shift(time(0), time(0)),) for weekday in range(1, 8)}
    hours = draw(st.just(always) | st.dictionaries(st.integers(1, 7), shifts(), min_size=2))
    return WorkingHours(draw(st.integers(1, 20 * 60)) * MINUTE, hours)


def _at_wall(instant: datetime, place: tzinfo, wall: time) -> datetime:
    return datetime.combine(instant.astimezone(place).date(), wall, place).astimezone(UTC)


@st.composite
def starts(draw: st.DrawFn, place: tzinfo) -> datetime:
    """A minute of the years 2024–2030; about every second one within days of a change of the clocks."""
    span = int((LAST - FIRST) / MINUTE)
    start = FIRST + draw(st.integers(0, span)) * MINUTE
    if draw(st.booleans()) and CHANGES[str(place)]:
        start = draw(st.sampled_from(CHANGES[str(place)])) + draw(st.integers(-4 * 1440, 2 * 1440)) * MINUTE
    if draw(st.integers(0, 3)) == 0:
        start = _at_wall(start, place, draw(st.sampled_from([time(0), time(17), time(23, 30)])))
    return start


def _at_edge(rule: Elapsed, start: datetime, place: tzinfo, *, of_its_begin: bool) -> datetime:
    """The start moved to where the weekend of that week begins or ends."""
    edge = rule.weekend_span.begins if of_its_begin else rule.weekend_span.ends
    return _at_wall(start + (edge.weekday - start.astimezone(place).isoweekday()) * DAY, place, edge.at)


@st.composite
def pauses(draw: st.DrawFn, due: Due) -> tuple[Pause, ...]:
    """Up to four, from two days before the start on, also from the due time or to a midnight; one may be open."""
    start, place = due.terms.received_at, due.terms.zone
    anywhere = st.integers(-2 * 1440, 5 * 1440).map(lambda minutes: start + minutes * MINUTE)
    running = st.integers(0, int((due.instant - start) / MINUTE)).map(lambda minutes: start + minutes * MINUTE)
    midnight = anywhere.map(lambda at: _at_wall(at, place, time(0)))
    about_due = st.integers(-1, 1).map(lambda minutes: due.instant + minutes * MINUTE)
    found = []
    for _ in range(draw(st.integers(0, 4))):
        begins = draw(anywhere | running | running | midnight | about_due)
        length = draw(st.integers(0, 180) | st.integers(0, 2 * 1440)) * MINUTE
        ends = begins + length if draw(st.booleans()) else _at_wall(begins + length, place, time(0))
        found.append(Pause(begins, max(begins, ends)))
    if draw(st.integers(0, 9)) == 0:
        found.append(Pause(draw(anywhere | running | about_due)))
    return tuple(found)


@st.composite
def calendars(draw: st.DrawFn, start: datetime) -> Calendar:
    near = st.integers(-1, 12).map(lambda days: (start + days * DAY).date())
    days_off, opened = draw(st.frozensets(near, max_size=4)), draw(st.frozensets(near, max_size=2))
    return Calendar("drawn", 2023, 2033, days_off, opened - days_off)


@st.composite
def promises(draw: st.DrawFn, rules: st.SearchStrategy[Rule] | None = None) -> Promise:
    place = draw(st.sampled_from(ZONES))
    start = draw(starts(place))
    rule = draw(st.one_of(elapsed(), working_days(), working_hours()) if rules is None else rules)
    if isinstance(rule, Elapsed) and draw(st.integers(0, 2)) == 0:
        start = _at_edge(rule, start, place, of_its_begin=draw(st.booleans()))
    calendar = draw(calendars(start))
    return Promise(rule, start, place, calendar, draw(pauses(due_at(rule, start, place, calendar))))
