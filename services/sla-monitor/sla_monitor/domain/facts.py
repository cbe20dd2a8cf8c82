"""
What is known of a case, in whatever order it became known.

Every fact folds by a minimum or a union, so that the same facts give the same state in any order and
with any repeats. Topics are not ordered against each other: a clock may be stopped before it is
started, and a case closed before it is created. Of several starts the one counts that makes the clock
due the earliest, of several stops the first. Starts are kept where there are several, since a pause may
move one of them and not the other. Only one thing is not undone: once a clock has its verdict, a further
start no longer moves its due time.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sla_monitor.domain.case import (
    Case,
    Clock,
    ClockName,
    Start,
    earliest,
)
from sla_monitor.domain.recorded import pauses_of
from sla_monitor.domain.which_start import under, with_starts


@dataclass(frozen=True)
class Started:
    """Outreach was asked for or became due, or something has happened upon which something must follow."""

    referral_id: UUID
    starts: Mapping[ClockName, Start]


@dataclass(frozen=True)
class Joined:
    """A further trigger of a case: an earlier due time counts, but it starts no clock by itself."""

    referral_id: UUID
    starts: Mapping[ClockName, Start]


@dataclass(frozen=True)
class Stopped:
    """What these clocks waited for has happened."""

    referral_id: UUID
    clocks: Collection[ClockName]
    at: datetime


@dataclass(frozen=True)
class Released:
    """The attempt that these clocks belong to has ended: nobody waits for it any more."""

    referral_id: UUID
    clocks: Collection[ClockName]
    at: datetime


@dataclass(frozen=True)
class Reached:
    """The supporter spoke with the physician."""

    referral_id: UUID
    at: datetime


@dataclass(frozen=True)
class Closed:
    """The case was closed."""

    referral_id: UUID
    at: datetime


@dataclass(frozen=True)
class Withdrawn:
    """The physician or the source took the request back; whether the case ends is not decided here."""

    referral_id: UUID
    at: datetime


@dataclass(frozen=True)
class RetractionDeclined:
    """The source's retraction came too late: the offer stands."""

    referral_id: UUID


@dataclass(frozen=True)
class Forgotten:
    """Nothing of the case may be kept but that it was forgotten."""

    referral_id: UUID


Fact = Started | Joined | Stopped | Released | Reached | Closed | Withdrawn | RetractionDeclined | Forgotten


def fold(case: Case, fact: Fact) -> Case:
    """Return the case with one more fact; a repeat, or anything about a forgotten case, changes nothing."""
    if case.forgotten:
        return case
    match fact:
        case Started() | Joined() | Stopped() | Released():
            folded = replace(case, clocks={**case.clocks, **_changed(case, fact)})
        case Reached(at=at):
            folded = replace(case, reached_at=earliest(case.reached_at, at))
        case Closed(at=at):
            folded = replace(case, closed_at=earliest(case.closed_at, at))
        case Withdrawn(at=at):
            folded = replace(case, withdrawn_at=earliest(case.withdrawn_at, at))
        case RetractionDeclined():
            folded = replace(case, retraction_declined=True)
        case Forgotten():
            folded = Case(case.referral_id, sequence=case.sequence, forgotten=True)
    return folded


def _changed(case: Case, fact: Started | Joined | Stopped | Released) -> dict[ClockName, Clock]:
    """The clocks that a fact is about, with it."""
    names = fact.starts if isinstance(fact, Started | Joined) else fact.clocks
    return {name: _told(case, case.clocks.get(name, Clock(*name)), fact) for name in names}


def _told(case: Case, clock: Clock, fact: Started | Joined | Stopped | Released) -> Clock:
    match fact:
        case Started(starts=starts):
            return _with_start(replace(clock, begun=True), starts[clock.name], case)
        case Joined(starts=starts):
            return _with_start(clock, starts[clock.name], case)
        case Stopped(at=at):
            return replace(clock, stopped_at=earliest(clock.stopped_at, at))
        case Released(at=at):
            return replace(clock, released_at=earliest(clock.released_at, at))


def _with_start(clock: Clock, start: Start, case: Case) -> Clock:
    """The earlier due time, unless the verdict was given on a later one, here or before the database was set back."""
    if start in clock.starts:
        return clock
    pauses = pauses_of(case.pauses.values(), clock.kind)
    paused = under(pauses, start, start.reckoned) if pauses and start.reckoned else start
    decided_on = clock.told_due_at if clock.verdict else None
    if decided_on is not None and paused.due_at < decided_on:
        return clock
    return with_starts(clock, (*clock.starts, start), [paused] if clock.start is None else [paused, clock.start])
