"""
The steps by which a due time is found, as values that add up to it.

They are what is shown to whoever asks why a promise is due when it is, and they can be checked: `sum_of`
does the arithmetic again from the steps alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from itertools import pairwise

Json = dict[str, object]
"""What one step says in JSON."""

_NOTHING = timedelta(0)
_DAY = timedelta(days=1)


class Class(StrEnum):
    """What kind of day a request came in on, for a rule that has two waits."""

    WEEKDAY = "weekday"
    WEEKEND = "weekend"
    DAY_OFF = "day-off"


class Idle(StrEnum):
    """Why a day does not count."""

    WEEKDAY = "weekday-not-worked"
    DAY_OFF = "day-off"
    PAUSED = "paused"


@dataclass(frozen=True)
class Received:
    """Where it starts: an instant in UTC; `by` names what has happened where that is not the receipt of a request."""

    at: datetime
    by: str | None = None

    def as_json(self, zone: tzinfo) -> Json:
        """In UTC and local."""
        what: Json = {"step": "received"} if self.by is None else {"step": "started", "by": self.by}
        return what | {"at": written(self.at), "local": self.at.astimezone(zone).isoformat()}


@dataclass(frozen=True)
class Wait:
    """The elapsed time that is promised, by the class of the start."""

    elapsed: timedelta
    received_on: Class

    def as_json(self, _zone: tzinfo) -> Json:
        """The wait in seconds."""
        return {"step": "wait", "seconds": self.elapsed.total_seconds(), "received_on": self.received_on}


@dataclass(frozen=True)
class Paused:
    """Time that does not count, without its end while it is open."""

    begins: datetime
    ends: datetime | None
    codes: tuple[str, ...]

    def as_json(self, _zone: tzinfo) -> Json:
        """From (counted as paused) and to (not counted), in UTC."""
        ends = None if self.ends is None else written(self.ends)
        return {"step": "paused", "from": written(self.begins), "to": ends, "codes": list(self.codes)}


@dataclass(frozen=True)
class Day:
    """A date that was looked at: the nth that counts, or why it does not; `codes` are those of the pauses that touch it."""

    day: date
    nth: int | None = None
    idle: Idle | None = None
    codes: tuple[str, ...] = ()

    def as_json(self, _zone: tzinfo) -> Json:
        """`counts_as` is its number, null where it does not count; with the codes of a paused day that has any."""
        what: Json = {"step": "day", "date": self.day.isoformat(), "counts_as": self.nth, "idle": self.idle}
        return what | ({"codes": list(self.codes)} if self.codes else {})


@dataclass(frozen=True)
class LastDay:
    """The number of the day on which it is due, and the wall time."""

    nth: int
    at: time

    def as_json(self, _zone: tzinfo) -> Json:
        """Both."""
        return {"step": "last-day", "counts_as": self.nth, "at": self.at.isoformat()}


@dataclass(frozen=True)
class WorkOwed:
    """The working time that is promised."""

    wait: timedelta

    def as_json(self, _zone: tzinfo) -> Json:
        """The wait in seconds."""
        return {"step": "work-owed", "seconds": self.wait.total_seconds()}


@dataclass(frozen=True)
class Worked:
    """Working time that counts, from one instant to another."""

    begins: datetime
    ends: datetime

    def as_json(self, _zone: tzinfo) -> Json:
        """Both in UTC, and the seconds between them."""
        seconds = (self.ends - self.begins).total_seconds()
        return {"step": "worked", "from": written(self.begins), "to": written(self.ends), "seconds": seconds}


Step = Received | Wait | Paused | Day | LastDay | WorkOwed | Worked


def written(instant: datetime) -> str:
    """An instant as RFC 3339 in UTC."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def sum_of(steps: Sequence[Step], zone: tzinfo) -> datetime:
    """The instant (UTC) to which these steps add up; raises ValueError where they contradict themselves."""
    match steps:
        case (Received(at=start), Wait(elapsed=elapsed), *pauses):
            return _with_pauses(start, elapsed, pauses)
        case (Received(at=start), LastDay() as last, *days):
            return _on_the_last(start, last, days, zone)
        case (Received(at=start), WorkOwed(wait=wait), *spells):
            return _at_the_end_of(start, wait, spells)
        case _:
            raise ValueError("no such steps")


def _with_pauses(start: datetime, elapsed: timedelta, pauses: Sequence[Step]) -> datetime:
    due, free_from = start + elapsed, start
    for pause in pauses:
        if not isinstance(pause, Paused) or pause.ends is None or not free_from <= pause.begins < min(due, pause.ends):
            raise ValueError("a pause is open, or not between the start and the due time")
        due, free_from = due + (pause.ends - pause.begins), pause.ends
    return due


def _on_the_last(start: datetime, last: LastDay, days: Sequence[Step], zone: tzinfo) -> datetime:
    before, counted = start.astimezone(zone).date(), 0
    for step in days:
        if not isinstance(step, Day) or step.day != before + _DAY or (step.nth is None) == (step.idle is None):
            raise ValueError("a day is missing, or both counts and does not")
        before, counted = step.day, counted + (step.nth is not None)
        if step.nth not in (None, counted):
            raise ValueError("the days are counted wrongly")
    if counted != last.nth or not isinstance(days[-1], Day) or days[-1].nth != last.nth:
        raise ValueError("the last day is not the last")
    return datetime.combine(before, last.at, zone).astimezone(UTC)


def _at_the_end_of(start: datetime, wait: timedelta, steps: Sequence[Step]) -> datetime:
    spells = [step for step in steps if isinstance(step, Worked | Paused)]
    work = [step for step in spells if isinstance(step, Worked)]
    if not work or len(spells) != len(steps) or spells[-1] != work[-1] or spells[0].begins < start:
        raise ValueError("working time is missing")
    for spell, following in pairwise(spells):
        if spell.ends is None or spell.ends > following.begins:
            raise ValueError("working time counts twice, or in a pause")
    if sum((spell.ends - spell.begins for spell in work), _NOTHING) != wait:
        raise ValueError("the working time is not what was promised")
    return work[-1].ends
