"""Zones of the tzdata package whatever the machine has, local times in them, and the rules of the table of rows."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from importlib.resources import files
from zoneinfo import ZoneInfo

from sla_monitor.domain.calendar import Calendar
from sla_monitor.domain.due import Due, due_at
from sla_monitor.domain.pauses import Pause
from sla_monitor.domain.rules import Elapsed, Weekend, WeekTime, WorkingDays


def zone(name: str) -> ZoneInfo:
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


NEW_YORK = zone("America/New_York")
LOS_ANGELES = zone("America/Los_Angeles")

H = Elapsed(weekday=timedelta(hours=24), weekend=timedelta(hours=48))
H_FROM_FRIDAY_FIVE = Elapsed(
    weekday=timedelta(hours=24),
    weekend=timedelta(hours=48),
    weekend_span=Weekend(WeekTime(5, time(17)), WeekTime(1, time(0))),
)
H_WITH_HOLIDAYS = Elapsed(weekday=timedelta(hours=24), weekend=timedelta(hours=48), holidays_as_weekend=True)
W = WorkingDays(days=2, at=time(17))


def ny(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK, fold=fold)


def la(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LOS_ANGELES)


def days(*texts: str) -> frozenset[date]:
    return frozenset(date.fromisoformat(text) for text in texts)


def off(*texts: str, opened: Iterable[str] = ()) -> Calendar:
    return Calendar("by hand", 2023, 2032, days(*texts), days(*opened))


def h(received: datetime, rule: Elapsed = H, calendar: Calendar | None = None) -> Due:
    return due_at(rule, received, NEW_YORK, calendar)


def w(received: datetime, *days_off: str) -> Due:
    return due_at(W, received, LOS_ANGELES, off(*days_off))


def paused(begins: datetime, ends: datetime | None = None, *codes: str) -> Pause:
    return Pause(begins.astimezone(UTC), None if ends is None else ends.astimezone(UTC), codes)
