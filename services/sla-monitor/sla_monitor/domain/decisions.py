"""
What facts, and time, decide about a clock: each decision is taken once and stays.

`settle` decides what the facts alone decide, `fire` what the passing of time adds. A due time is
inclusive: what happened at the very instant was in time.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sla_monitor.domain.case import NEVER_BREACHED, WHOLE_CASE, Case, Clock, ClockName, Start, Verdict
from sla_monitor.domain.escalation import EscalationStep

LATE_NOTICED_AFTER = timedelta(minutes=5)
"""
How long after it could be told a breach was noticed late: the monitor was away or behind.

Two seconds are usual, and after three minutes somebody is paged because the sweep stands: this was no mere restart.
"""


class Standing(StrEnum):
    """How a clock stands now, after every fact that has arrived."""

    WAITING = "waiting"
    RUNNING = "running"
    APPROACHING = "approaching"
    PAUSED = "paused"  # a pause is open that began before the due time, so that there is none
    MET = "met"
    LATE = "late"  # stopped after the due time, which breaks no promise for this kind of clock
    BREACHED = "breached"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Set:
    """A clock runs; `moved` where another due time replaces one that was told."""

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


@dataclass(frozen=True)
class Escalated:
    """Nobody has come and nobody has acknowledged a breach: as the `level`th step the role `to` is told."""

    level: int
    to: str


@dataclass(frozen=True)
class Acknowledged:
    """Somebody has taken note that the clock approaches, or is breached."""


What = Set | Approaching | Met | Breached | Escalated | Acknowledged


@dataclass(frozen=True)
class Decision:
    """One decision about one clock, with the start that it was taken on."""

    what: What
    kind: str
    start: Start
    attempt: int = WHOLE_CASE


Taken = tuple[Case, list[Decision]]
"""A case after decisions, and the decisions in the order in which they were taken."""

_Step = Callable[[Case, Clock, Start, datetime], tuple[Clock, What] | None]


def settle(case: Case, now: datetime) -> Taken:
    """
    Take what the facts decide: started or moved, kept, refuted, or already due when it was entered.

    Any other breach is left to `fire`: a fact that is still under way might refute it.
    """
    return _noted(_take(case, now, (_begin, _keep, _enter_late)), now)


def settle_recorded(case: Case, now: datetime) -> Taken:
    """The same where somebody has just recorded a pause or a recalculation, which may move a due time to a later one."""
    return _noted(_take(case, now, (_begin_anew, _keep, _enter_late)), now)


def fire(case: Case, horizon: datetime, certain: datetime | None = None, now: datetime | None = None) -> Taken:
    """
    Take what time decides up to the horizon, the longest due first.

    Every fact up to `certain` is known; a breach after it is provisional. Without it all facts up to the
    horizon are. It is `now` that this is told, the horizon where it is not given.
    """
    case, decisions = _noted(_take(case, horizon, (_breach, _warn, _escalate)), now or horizon)
    decisions.sort(key=lambda decision: decision.start.due_at)
    return case, [_doubted(decision, horizon if certain is None else certain) for decision in decisions]


def late_noticed(start: Start, noticed_at: datetime) -> bool:
    """Whether a breach was told notably later than it could be: when it was due, or entered where that was later."""
    return noticed_at - max(start.due_at, start.entered_at) > LATE_NOTICED_AFTER


def next_at(case: Case, clock: Clock) -> datetime | None:
    """The instant at which `fire` has something to decide about a clock, None if never."""
    start = clock.start
    if not clock.begun or start is None:
        return None
    if _undecided(case, clock, start):
        return start.due_at if clock.approached or case.stop_of(clock) else min(start.warn_at, start.due_at)
    step = _next_step(case, clock, start)
    return None if step is None else start.due_at + step.after


def earliest(cases: Iterable[Case]) -> datetime | None:
    """The first instant at which `fire` has something to decide about any clock of these cases, None if never."""
    instants = (next_at(case, clock) for case in cases for clock in case.clocks.values())
    return min((each for each in instants if each is not None), default=None)


def standing(case: Case, clock: Clock) -> Standing:
    """How a clock stands."""
    if not clock.begun or clock.start is None:
        return Standing.WAITING
    if clock.start.kept_by(case.stop_of(clock)):
        return Standing.MET
    if clock.start.kept_by(case.end_of(clock)):
        return Standing.CANCELLED
    if clock.kind in NEVER_BREACHED and case.stop_of(clock) is not None:
        return Standing.LATE
    if clock.verdict is Verdict.BREACHED:
        return Standing.BREACHED
    return _waited_for(clock, clock.start)


def _waited_for(clock: Clock, start: Start) -> Standing:
    if start.suspended:
        return Standing.PAUSED
    return Standing.APPROACHING if clock.approached else Standing.RUNNING


def _take(case: Case, now: datetime, steps: tuple[_Step, ...]) -> Taken:
    decisions = []
    for name, start in _begun(case):
        for step in steps:
            # More than once only where several steps of an escalation are past: every other decision is taken once.
            while (taken := step(case, case.clocks[name], start, now)) is not None:
                clock, what = taken
                case = replace(case, clocks={**case.clocks, name: clock})
                decisions.append(Decision(what, name.kind, start, name.attempt))
    return case, decisions


def _noted(taken: Taken, now: datetime) -> Taken:
    """Note when breaches were told."""
    case, decisions = taken
    told = [ClockName(each.kind, each.attempt) for each in decisions if isinstance(each.what, Breached)]
    noted = {name: replace(case.clocks[name], noticed_at=now) for name in told}
    return (replace(case, clocks={**case.clocks, **noted}) if noted else case), decisions


def _begun(case: Case) -> Iterator[tuple[ClockName, Start]]:
    for name in sorted(case.clocks):
        clock = case.clocks[name]
        if clock.begun and clock.start is not None:
            yield name, clock.start


def _begin(_case: Case, clock: Clock, start: Start, _now: datetime) -> tuple[Clock, What] | None:
    """A due time is told once, and moved only to an earlier one: a later one is what a restored database fell back to."""
    if clock.told_due_at is not None and (start.suspended or clock.told_due_at <= start.due_at):
        return None
    return replace(clock, told_due_at=start.due_at), Set(moved=clock.told_due_at is not None)


def _begin_anew(_case: Case, clock: Clock, start: Start, _now: datetime) -> tuple[Clock, What] | None:
    """Whatever the due time is now, unless it was told or there is none; of a promise that was kept it is no news."""
    has_news = clock.told_due_at != start.due_at and not start.suspended and clock.verdict is not Verdict.MET
    return (replace(clock, told_due_at=start.due_at), Set(moved=clock.told_due_at is not None)) if has_news else None


def _keep(case: Case, clock: Clock, start: Start, _now: datetime) -> tuple[Clock, What] | None:
    """A stop in time keeps the promise; after a breach so does a case or an attempt that had ended before."""
    stopped_at = case.stop_of(clock)
    if clock.verdict is None and stopped_at is not None and start.kept_by(stopped_at):
        return replace(clock, verdict=Verdict.MET), Met(stopped_at, corrects=False)
    if clock.verdict is not Verdict.BREACHED or clock.corrected:
        return None
    for refuted_at in (stopped_at, case.end_of(clock)):
        if refuted_at is not None and start.kept_by(refuted_at):
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
    if clock.approached or case.stop_of(clock) or start.warn_at > horizon or start.due_at <= horizon:
        return None
    return (replace(clock, approached=True), Approaching()) if _undecided(case, clock, start) else None


def _escalate(case: Case, clock: Clock, start: Start, horizon: datetime) -> tuple[Clock, What] | None:
    step = _next_step(case, clock, start)
    if step is None or start.due_at + step.after > horizon:
        return None
    level = clock.escalated + 1
    return replace(clock, escalated=level), Escalated(level, step.to)


def _next_step(case: Case, clock: Clock, start: Start) -> EscalationStep | None:
    """Who is to be told next of a breach: nobody once it was acknowledged, somebody came, or nobody waits any more."""
    if clock.verdict is not Verdict.BREACHED or clock.corrected or clock.acknowledged_at:
        return None
    if start.suspended or case.stop_of(clock) or case.end_of(clock):
        return None
    return next(iter(start.escalation[clock.escalated :]), None)


def _undecided(case: Case, clock: Clock, start: Start) -> bool:
    """Whether time has anything to decide about a clock."""
    decided = clock.verdict is not None or clock.kind in NEVER_BREACHED
    return not (decided or start.suspended or start.kept_by(case.stop_of(clock)) or start.kept_by(case.end_of(clock)))
