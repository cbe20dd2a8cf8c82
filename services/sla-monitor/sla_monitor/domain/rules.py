"""
What a promise is measured in: elapsed time, working days, or working hours.

Weekdays are ISO days, Monday is 1. Local times are wall times in the programme's zone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from itertools import pairwise
from typing import NamedTuple

MIDNIGHT = time(0)


class WeekTime(NamedTuple):
    """A point in a week: an ISO weekday and a wall time. Compares in the order of a week."""

    weekday: int
    at: time


@dataclass(frozen=True)
class Weekend:
    """From one point in the week, which belongs to it, to another, which does not. May pass Sunday's midnight."""

    begins: WeekTime
    ends: WeekTime

    def __post_init__(self) -> None:
        if self.begins == self.ends:
            raise ValueError("a weekend that begins where it ends is all of the week, or nothing of it")

    def holds(self, local: datetime) -> bool:
        """Whether a local time belongs to it, by what the clock on the wall shows."""
        at = WeekTime(local.isoweekday(), local.time())
        if self.begins < self.ends:
            return self.begins <= at < self.ends
        return at >= self.begins or at < self.ends


SATURDAY_AND_SUNDAY = Weekend(begins=WeekTime(6, MIDNIGHT), ends=WeekTime(1, MIDNIGHT))


@dataclass(frozen=True)
class Elapsed:
    """
    Due a fixed elapsed time after the start; another where the start falls into a weekend.

    Days off count as weekend, midnight to midnight, only with `holidays_as_weekend`. Raises ValueError for
    a negative time: nothing is due before it was asked for.
    """

    weekday: timedelta
    weekend: timedelta
    weekend_span: Weekend = SATURDAY_AND_SUNDAY
    holidays_as_weekend: bool = False

    def __post_init__(self) -> None:
        if min(self.weekday, self.weekend) < timedelta(0):
            raise ValueError("a waiting time must not be negative")

    @property
    def counts_days(self) -> bool:
        """Whether a calendar is asked."""
        return self.holidays_as_weekend


@dataclass(frozen=True)
class WorkingDays:
    """
    Due at a local time of the Nth working day strictly after the local date of the start.

    Raises ValueError where that can never be: no day, no weekday, or the midnight that begins a day.
    """

    days: int
    at: time
    weekdays: frozenset[int] = frozenset({1, 2, 3, 4, 5})

    def __post_init__(self) -> None:
        if self.days < 1 or not self.weekdays or self.at == MIDNIGHT:
            raise ValueError("a rule by working days needs a day, a weekday and a time after midnight")

    @property
    def counts_days(self) -> bool:
        """Whether a calendar is asked: always."""
        return True


class Shift(NamedTuple):
    """Working time between two wall times of a day; `ends` at midnight is the end of the day."""

    begins: time
    ends: time


@dataclass(frozen=True)
class WorkingHours:
    """
    Due when this much working time has passed since the start; `hours` are the shifts of each weekday.

    Raises ValueError where that can never be (no shift, no wait), and for shifts that are not one after another.
    """

    wait: timedelta
    hours: Mapping[int, tuple[Shift, ...]] = field(hash=False)

    def __post_init__(self) -> None:
        if self.wait <= timedelta(0) or not any(self.hours.values()):
            raise ValueError("a rule by working hours needs a wait and a shift")
        for shifts in self.hours.values():
            if any(shift.ends != MIDNIGHT and shift.ends <= shift.begins for shift in shifts):
                raise ValueError("a shift ends after it begins")
            if any(one.ends == MIDNIGHT or other.begins < one.ends for one, other in pairwise(shifts)):
                raise ValueError("the shifts of a day stand one after another")

    @property
    def counts_days(self) -> bool:
        """Whether a calendar is asked: always."""
        return True


Rule = Elapsed | WorkingDays | WorkingHours
"""Every kind of rule."""
