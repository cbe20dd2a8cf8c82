"""
What is known of a case, in whatever order it became known.

Every fact folds by a minimum or a union, so that the same facts give the same state in any order and
with any repeats. Topics are not ordered against each other: a clock may be stopped before it is
started, and a case closed before it is created. Only one thing is not undone: once a clock has its
verdict, a further trigger no longer moves its due time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

MATCH = "match"
FIRST_CONTACT = "first-contact"
KINDS = (MATCH, FIRST_CONTACT)
"""The clocks that this service knows how to start and to stop."""


class Verdict(StrEnum):
    """What was decided about a clock, once."""

    MET = "met"
    BREACHED = "breached"


@dataclass(frozen=True, order=True)
class Start:
    """
    One reason for a clock to run, and what it makes due. The least of several counts: the earliest due.

    `entered_at` is when the request was recorded, which may be long after it was received; `warn_at`
    is when the coordinator wants to know that the due time is near.
    """

    due_at: datetime
    starts_at: datetime
    entered_at: datetime
    warn_at: datetime
    firmness: str
    programme_id: str
    programme_digest: str
    explanation: str

    @property
    def late_entry(self) -> bool:
        """Whether it was already due when it was recorded."""
        return self.due_at <= self.entered_at


@dataclass(frozen=True)
class Clock:
    """One promise to one person: what is known about it, and (from `told_due_at` on) what was decided."""

    kind: str
    begun: bool = False
    start: Start | None = None
    stopped_at: datetime | None = None
    told_due_at: datetime | None = None
    approached: bool = False
    verdict: Verdict | None = None
    corrected: bool = False


@dataclass(frozen=True)
class Case:
    """
    One referral with its clocks.

    `sequence` counts the events published about it, `traceparent` is the trace that what time decides
    later belongs to.
    """

    referral_id: UUID
    sequence: int = 0
    closed_at: datetime | None = None
    withdrawn_at: datetime | None = None
    retraction_declined: bool = False
    forgotten: bool = False
    traceparent: str | None = None
    clocks: Mapping[str, Clock] = field(default_factory=dict)

    @property
    def ended_at(self) -> datetime | None:
        """
        When the case ended for its clocks, if it did.

        A withdrawal counts from when it was made, but only once the case was closed for it: a source
        that takes its report back after somebody was contacted does not end the case.
        """
        if self.closed_at is None or self.retraction_declined:
            return self.closed_at
        return earliest(self.closed_at, self.withdrawn_at)


@dataclass(frozen=True)
class Requested:
    """Outreach was asked for, or became due: starts these clocks."""

    referral_id: UUID
    starts: Mapping[str, Start]


@dataclass(frozen=True)
class Joined:
    """A further trigger of a case: an earlier due time counts, but it starts no clock by itself."""

    referral_id: UUID
    starts: Mapping[str, Start]


@dataclass(frozen=True)
class Stopped:
    """What a clock waited for has happened."""

    referral_id: UUID
    kind: str
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


Fact = Requested | Joined | Stopped | Closed | Withdrawn | RetractionDeclined | Forgotten


def fold(case: Case, fact: Fact) -> Case:
    """Return the case with one more fact; a repeat, or anything about a forgotten case, changes nothing."""
    if case.forgotten:
        return case
    match fact:
        case Requested(starts=starts):
            folded = _with_starts(case, starts, begins=True)
        case Joined(starts=starts):
            folded = _with_starts(case, starts, begins=False)
        case Stopped(kind=kind, at=at):
            clock = case.clocks.get(kind, Clock(kind))
            folded = _with_clock(case, replace(clock, stopped_at=earliest(clock.stopped_at, at)))
        case Closed(at=at):
            folded = replace(case, closed_at=earliest(case.closed_at, at))
        case Withdrawn(at=at):
            folded = replace(case, withdrawn_at=earliest(case.withdrawn_at, at))
        case RetractionDeclined():
            folded = replace(case, retraction_declined=True)
        case Forgotten():
            folded = Case(case.referral_id, sequence=case.sequence, forgotten=True)
    return folded


def earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two instants, either of which may be unknown."""
    return min((at for at in (one, other) if at is not None), default=None)


def _with_starts(case: Case, starts: Mapping[str, Start], *, begins: bool) -> Case:
    for kind, start in starts.items():
        clock = case.clocks.get(kind, Clock(kind))
        if clock.verdict is None or clock.start is None:  # without a start: recalled after a restore
            least = start if clock.start is None else min(clock.start, start)
            case = _with_clock(case, replace(clock, begun=clock.begun or begins, start=least))
    return case


def _with_clock(case: Case, clock: Clock) -> Case:
    return replace(case, clocks={**case.clocks, clock.kind: clock})
