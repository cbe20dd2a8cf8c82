"""What became of a clock, in the few words that lists and reports need of it."""

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sla_monitor.domain.case import NEVER_BREACHED, Case, Clock, Start, Verdict
from sla_monitor.domain.decisions import Standing, late_noticed, standing

_MINUTE = timedelta(minutes=1)

NEVER = datetime(9999, 12, 31, tzinfo=UTC)
"""In place of the due time of an open clock that has none while it is paused: it comes after all others."""


class Outcome(StrEnum):
    """
    What was decided about a clock; each has at most one.

    A breach that was told and then refuted is `corrected`, whatever refuted it. `late` is a clock that stopped
    after its due time without breaking a promise.
    """

    MET = "met"
    BREACHED = "breached"
    CORRECTED = "corrected"
    LATE = "late"


def outcomes_of(kind: str) -> tuple[Outcome, ...]:
    """The outcomes that a clock of this kind can have."""
    if kind in NEVER_BREACHED:
        return Outcome.MET, Outcome.LATE
    return Outcome.MET, Outcome.BREACHED, Outcome.CORRECTED


class Account(NamedTuple):
    """
    A clock as lists and reports know it; the fields are columns, in their order.

    `open_due_at` is the due time while what it waits for may still happen, NEVER while a pause leaves it undecided.
    `month` is the first day of the month in which it started, by the wall of the programme. `waited` and `entered_after` are whole minutes from the start to
    the stop, and to when the start was entered. `late_noticed` is of a breach that was told.
    """

    open_due_at: datetime | None = None
    month: date | None = None
    outcome: Outcome | None = None
    waited: int | None = None
    entered_after: int | None = None
    late_noticed: bool | None = None


def account_of(case: Case, clock: Clock) -> Account:
    """What there is to tell of a clock; nothing of one that does not run yet."""
    start, stopped_at = clock.start, case.stop_of(clock)
    if not clock.begun or start is None:
        return Account()
    is_open = stopped_at is None and case.end_of(clock) is None
    return Account(
        open_due_at=(NEVER if start.suspended else start.due_at) if is_open else None,
        month=_month_of(start),
        outcome=_outcome(case, clock),
        waited=None if stopped_at is None else _minutes(stopped_at - start.starts_at),
        entered_after=_minutes(start.entered_at - start.starts_at),
        late_noticed=None if clock.noticed_at is None else late_noticed(start, clock.noticed_at),
    )


def _outcome(case: Case, clock: Clock) -> Outcome | None:
    if clock.corrected:
        return Outcome.CORRECTED
    if clock.verdict is not None:
        return Outcome.MET if clock.verdict is Verdict.MET else Outcome.BREACHED
    return Outcome.LATE if standing(case, clock) is Standing.LATE else None


def _month_of(start: Start) -> date:
    zone = ZoneInfo(start.pinned.zone) if start.pinned else UTC
    return start.starts_at.astimezone(zone).date().replace(day=1)


def _minutes(lasted: timedelta) -> int:
    """What was done before it was asked for took no time."""
    return max(lasted // _MINUTE, 0)
