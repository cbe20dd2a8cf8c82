"""
When a promise is due.

A rule turns the instant at which a request was received into the instant at which its answer is due,
together with the steps of the arithmetic in words. The programme's zone decides what a weekend is;
waiting times are elapsed time, so that a change of the clocks neither adds to a promise nor takes from
it. A further rule is a further class here and one more case in `due_at`; whatever changes an instant
afterwards (a pause) is a function from Due to Due.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

LocalTest = Callable[[datetime], bool]
"""A question about a local time, for example whether it belongs to a weekend."""

_SATURDAY = 6
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def saturday_or_sunday(local: datetime) -> bool:
    """Whether a local time falls on one of these two days, midnight to midnight."""
    return local.isoweekday() >= _SATURDAY


@dataclass(frozen=True)
class Elapsed:
    """
    Due a fixed elapsed time after the start; another where the start falls into a weekend.

    Raises ValueError for a negative time: nothing is due before it was asked for.
    """

    weekday: timedelta
    weekend: timedelta
    is_weekend: LocalTest = saturday_or_sunday

    def __post_init__(self) -> None:
        if min(self.weekday, self.weekend) < timedelta(0):
            raise ValueError("a waiting time must not be negative")


Rule = Elapsed
"""Every kind of rule."""


@dataclass(frozen=True)
class Due:
    """An instant (UTC), inclusive, and the steps that led to it, in words."""

    instant: datetime
    steps: tuple[str, ...]

    @property
    def explanation(self) -> str:
        """The steps as one sentence."""
        return f"{'; '.join(self.steps)}."


def due_at(rule: Rule, received_at: datetime, zone: tzinfo) -> Due:
    """
    Return when the answer to a request received at this instant (aware, else ValueError) is due.

    A wall time that a change of the clocks leaves out is read with the offset before the gap, as the
    standard library does; one that comes twice is told apart by the offset or fold it was given with.
    """
    if received_at.utcoffset() is None:
        raise ValueError("received_at needs an offset from UTC")
    match rule:
        case Elapsed():
            return _elapsed(rule, received_at.astimezone(UTC), zone)


def _elapsed(rule: Elapsed, received_at: datetime, zone: tzinfo) -> Due:
    local = received_at.astimezone(zone)
    at_weekend = rule.is_weekend(local)
    wait = rule.weekend if at_weekend else rule.weekday
    instant = received_at + wait
    steps = (
        f"received {in_words(local)} ({zone}), {'at a weekend' if at_weekend else 'on a weekday'}",
        f"due {_hours(wait)} of elapsed time later, {in_words(instant.astimezone(zone))}",
    )
    return Due(instant, steps)


def in_words(local: datetime) -> str:
    """A local time as people write it, for example `Tue 9 Jun 2026 10:15 EDT`; the same in every locale."""
    day = f"{_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]} {local.year}"
    seconds = f":{local:%S}" if local.second else ""
    return f"{day} {local:%H:%M}{seconds} {local:%Z}"


def _hours(wait: timedelta) -> str:
    seconds = wait.total_seconds()
    return f"{seconds / 3600:g} h" if seconds >= 3600 else f"{seconds:g} s"
