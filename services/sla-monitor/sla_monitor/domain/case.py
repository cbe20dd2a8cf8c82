"""A case and its clocks: what is known of them, and what was decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from sla_monitor.domain.due import Due
from sla_monitor.domain.escalation import EscalationStep
from sla_monitor.domain.recorded import KnownPause, Recalculation

MATCH = "match"
FIRST_CONTACT = "first-contact"
RESPONSE = "response"

NEVER_BREACHED = frozenset({RESPONSE})
"""Clocks that are shown and nothing else: a physician who does not answer has broken no promise."""

WHOLE_CASE = 0
"""In place of the number of an attempt: a clock of the case, whatever becomes of its matches."""


class ClockName(NamedTuple):
    """One clock of a case: its kind, and the number of the attempt to match that it belongs to."""

    kind: str
    attempt: int = WHOLE_CASE


class Verdict(StrEnum):
    """What was decided about a clock, once."""

    MET = "met"
    BREACHED = "breached"


@dataclass(frozen=True)
class Pinned:
    """
    What a due time was reckoned by: neither other days off nor other time zones move it afterwards.

    `due_local` is the due time on the programme's wall then, None while a pause is open that leaves it undecided;
    `steps` is the JSON of the steps that add up to it.
    """

    zone: str
    due_local: str | None
    calendar_version: str | None
    tzdata: str | None
    steps: str


@dataclass(frozen=True, order=True)
class Start:
    """
    One reason for a clock to run, and what it makes due. The least of several counts: the earliest due.

    `starts_at` is when the request was received, or the step happened; `entered_at` is when that was
    recorded, which may be long after; `warn_at` is when the coordinator wants to know that the due time is near.
    `any_later` where an attempt has ended: what has to follow may be done by any attempt from the clock's own on.
    `escalation` is who is told after a breach, as the programme had it then.
    `suspended` while a pause is open that leaves the due time undecided; `due_at` is then what it is without that one.
    `reckoned` is the due time without pauses, for as long as the fact that brought it is taken in.
    `reported_within` is the class of hours within which a source reported what the request is about; 0 where it is
    not known, or nothing was reported.
    """

    due_at: datetime
    starts_at: datetime
    entered_at: datetime
    warn_at: datetime
    firmness: str
    programme_id: str
    programme_digest: str
    explanation: str
    pinned: Pinned | None = field(default=None, compare=False)  # the explanation says the same in words
    any_later: bool = False
    reported_within: int = 0
    escalation: tuple[EscalationStep, ...] = ()
    suspended: bool = False
    recalculated: Recalculation | None = field(default=None, compare=False)
    reckoned: Due | None = field(default=None, compare=False, repr=False)

    @property
    def late_entry(self) -> bool:
        """Whether it was already due when it was recorded."""
        return not self.suspended and self.due_at <= self.entered_at

    def kept_by(self, at: datetime | None) -> bool:
        """Whether what happened then, if it did, was in time."""
        return at is not None and (self.suspended or at <= self.due_at)


@dataclass(frozen=True)
class Clock:
    """
    One promise to one person: what is known about it, and (from `told_due_at` on) what was decided.

    `escalated` counts the steps of its start's escalation that were told; `acknowledged_by` names a token, where known.
    `start` is the one that counts, with its pauses. `started` are those of which it was found, each without pauses:
    empty where there is but one, and nothing has moved it.
    """

    kind: str
    attempt: int = WHOLE_CASE
    begun: bool = False
    start: Start | None = None
    started: tuple[Start, ...] = ()
    stopped_at: datetime | None = None
    released_at: datetime | None = None
    told_due_at: datetime | None = None
    approached: bool = False
    verdict: Verdict | None = None
    corrected: bool = False
    escalated: int = 0
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    noticed_at: datetime | None = None
    """When the breach was told, if it was."""

    @property
    def name(self) -> ClockName:
        """Which clock of its case it is."""
        return ClockName(self.kind, self.attempt)

    @property
    def starts(self) -> tuple[Start, ...]:
        """Every reason to run, each without pauses."""
        return self.started or (() if self.start is None else (self.start,))


@dataclass(frozen=True)
class Case:
    """
    One referral with its clocks.

    `sequence` counts the events published about it, `traceparent` is the trace that what time decides
    later belongs to. `reached_at` is when somebody first spoke with the physician: shown, and decides nothing.
    """

    referral_id: UUID
    sequence: int = 0
    closed_at: datetime | None = None
    withdrawn_at: datetime | None = None
    retraction_declined: bool = False
    forgotten: bool = False
    traceparent: str | None = None
    reached_at: datetime | None = None
    clocks: Mapping[ClockName, Clock] = field(default_factory=dict)
    pauses: Mapping[UUID, KnownPause] = field(default_factory=dict)

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

    def stop_of(self, clock: Clock) -> datetime | None:
        """When what a clock waits for happened, if it did: in an attempt that it may wait for, or for the whole case."""
        waits_on = clock.attempt == WHOLE_CASE or (clock.start is not None and clock.start.any_later)
        stops = [
            other.stopped_at
            for other in self.clocks.values()
            if other.kind == clock.kind
            and (other.attempt in (WHOLE_CASE, clock.attempt) or (waits_on and other.attempt > clock.attempt))
        ]
        return min((at for at in stops if at is not None), default=None)

    def end_of(self, clock: Clock) -> datetime | None:
        """When it ceased to matter whether a clock is stopped, if it did: its attempt was released, or the case ended."""
        return earliest(clock.released_at, self.ended_at)


def earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two instants, either of which may be unknown."""
    return min((at for at in (one, other) if at is not None), default=None)
