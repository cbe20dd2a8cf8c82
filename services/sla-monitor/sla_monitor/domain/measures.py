"""What is measured of clocks: how many stand how, and how long it took until they stopped."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from sla_monitor.domain.case import Case, Clock


@dataclass(frozen=True)
class Tally:
    """
    The open clocks of one kind and firmness: running, or past due with nobody who has come yet.

    `due_soon` counts those due within the hour; `oldest` is how long ago the oldest overdue one was due, `behind`
    for how long the sweep has had something to decide. Both are zero where there is nothing of the kind. `paused` are
    those that have no due time while a pause is open; they are not among the open ones. A clock that is never breached
    is open and nothing else, however long it was due.
    """

    kind: str
    firmness: str
    open: int = 0
    paused: int = 0
    due_soon: int = 0
    overdue: int = 0
    oldest: timedelta = timedelta(0)
    behind: timedelta = timedelta(0)


@dataclass(frozen=True)
class Wait:
    """How long somebody waited for what a clock waits for, counted from its start; in time or not."""

    kind: str
    firmness: str
    lasted: timedelta


def waits_ended(before: Case, after: Case) -> Iterator[Wait]:
    """
    The waits whose end has become known between two states of a case, each once.

    A stop may be known before its start; then the wait is known with the start. An earlier stop that becomes
    known later changes nothing: it was counted. What was done before it was asked for took no time.
    """
    for key, clock in after.clocks.items():
        wait = _wait(after, clock)
        known = before.clocks.get(key)
        if wait is not None and (known is None or _wait(before, known) is None):
            yield wait


def _wait(case: Case, clock: Clock) -> Wait | None:
    stopped_at = case.stop_of(clock)
    if not clock.begun or clock.start is None or stopped_at is None:
        return None
    lasted = max(stopped_at - clock.start.starts_at, timedelta(0))
    return Wait(clock.kind, clock.start.firmness, lasted)
