"""
What facts, and time, decide about a clock: each decision is taken once and stays.

`settle` decides what the facts alone decide, `fire` what the passing of time adds. A due time is
inclusive: what happened at the very instant was in time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sla_monitor.domain.facts import Case, Clock, Start, Verdict


class Standing(StrEnum):
    """How a clock stands now, after every fact that has arrived."""

    WAITING = "waiting"
    RUNNING = "running"
    APPROACHING = "approaching"
    MET = "met"
    BREACHED = "breached"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Set:
    """A clock runs; `moved` where an earlier due time replaces one that was told."""

    moved: bool


@dataclass(frozen=True)
class Approaching:
    """The warning time has come."""


@dataclass(frozen=True)
class Met:
    """The clock stopped in time; `corrects` where a breach had been told before this was known."""

    met_at: datetime
    corrects: bool


@dataclass(frozen=True)
class Breached:
    """The due time has passed; `provisional` where not every fact up to then is known to have been taken."""

    provisional: bool = False


What = Set | Approaching | Met | Breached


@dataclass(frozen=True)
class Decision:
    """One decision about one clock, with the start that it was taken on."""

    what: What
    kind: str
    start: Start


Taken = tuple[Case, list[Decision]]
"""A case after decisions, and the decisions in the order in which they were taken."""

_Step = Callable[[Case, Clock, Start, datetime], tuple[Clock, What] | None]


def settle(case: Case, now: datetime) -> Taken:
    """
    Take what the facts decide: started or moved, kept, refuted, or already due when it was entered.

    Any other breach is left to `fire`: a fact that is still under way might refute it.
    """
    return _take(case, now, (_begin, _keep, _enter_late))


def fire(case: Case, horizon: datetime, certain: datetime | None = None) -> Taken:
    """
    Take what time decides up to the horizon.

    Every fact up to `certain` is known; a breach after it is provisional. Without it all facts up to the
    horizon are.
    """
    case, decisions = _take(case, horizon, (_breach, _warn))
    return case, [_doubted(decision, horizon if certain is None else certain) for decision in decisions]


def next_at(case: Case, clock: Clock) -> datetime | None:
    """The instant at which `fire` has something to decide about a clock, None if never."""
    start = clock.start
    if not clock.begun or start is None or not _undecided(case, clock, start):
        return None
    return start.due_at if clock.approached or clock.stopped_at else min(start.warn_at, start.due_at)


def standing(case: Case, clock: Clock) -> Standing:
    """How a clock stands."""
    if not clock.begun or clock.start is None:
        return Standing.WAITING
    if _in_time(clock.stopped_at, clock.start):
        return Standing.MET
    if _in_time(case.ended_at, clock.start):
        return Standing.CANCELLED
    if clock.verdict is Verdict.BREACHED:
        return Standing.BREACHED
    return Standing.APPROACHING if clock.approached else Standing.RUNNING


def _take(case: Case, now: datetime, steps: tuple[_Step, ...]) -> Taken:
    decisions = []
    for kind, start in _begun(case):
        for step in steps:
            taken = step(case, case.clocks[kind], start, now)
            if taken is not None:
                clock, what = taken
                case = replace(case, clocks={**case.clocks, kind: clock})
                decisions.append(Decision(what, kind, start))
    return case, decisions


def _begun(case: Case) -> Iterator[tuple[str, Start]]:
    for kind, clock in sorted(case.clocks.items()):
        if clock.begun and clock.start is not None:
            yield kind, clock.start


def _begin(_case: Case, clock: Clock, start: Start, _now: datetime) -> tuple[Clock, What] | None:
    if clock.told_due_at == start.due_at:
        return None
    return replace(clock, told_due_at=start.due_at), Set(moved=clock.told_due_at is not None)


def _keep(case: Case, clock: Clock, start: Start, _now: datetime) -> tuple[Clock, What] | None:
    """A stop in time keeps the promise; after a breach so does a case that had ended before."""
    if clock.verdict is None and clock.stopped_at is not None and _in_time(clock.stopped_at, start):
        return replace(clock, verdict=Verdict.MET), Met(clock.stopped_at, corrects=False)
    if clock.verdict is not Verdict.BREACHED or clock.corrected:
        return None
    for refuted_at in (clock.stopped_at, case.ended_at):
        if refuted_at is not None and _in_time(refuted_at, start):
            return replace(clock, corrected=True), Met(refuted_at, corrects=True)
    return None


def _enter_late(case: Case, clock: Clock, start: Start, now: datetime) -> tuple[Clock, What] | None:
    return _breach(case, clock, start, now) if start.late_entry else None


def _breach(case: Case, clock: Clock, start: Start, horizon: datetime) -> tuple[Clock, What] | None:
    if start.due_at > horizon or not _undecided(case, clock, start):
        return None
    return replace(clock, verdict=Verdict.BREACHED), Breached()


def _doubted(decision: Decision, certain: datetime) -> Decision:
    if isinstance(decision.what, Breached) and decision.start.due_at > certain:
        return replace(decision, what=Breached(provisional=True))
    return decision


def _warn(case: Case, clock: Clock, start: Start, horizon: datetime) -> tuple[Clock, What] | None:
    """Nobody is warned of what has happened already: not after the due time, not after a stop."""
    if clock.approached or clock.stopped_at or start.warn_at > horizon or start.due_at <= horizon:
        return None
    return (replace(clock, approached=True), Approaching()) if _undecided(case, clock, start) else None


def _undecided(case: Case, clock: Clock, start: Start) -> bool:
    decided = clock.verdict is not None
    return not (decided or _in_time(clock.stopped_at, start) or _in_time(case.ended_at, start))


def _in_time(at: datetime | None, start: Start) -> bool:
    return at is not None and at <= start.due_at
