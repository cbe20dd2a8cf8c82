"""`peerline.deadlines.v1`, written by sla-monitor: the promises, and whether they were kept."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from peerline.events.base import Event, Topic

ClockKind = Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)*$", description="match, first-contact, …")]


ReasonCode = Annotated[
    str,
    Field(
        pattern=r"^[a-z]+(-[a-z]+)*$",
        max_length=40,
        description="Why; never free text, and names nobody. Of pauses: physician-away, physician-asked-to-wait, legal-hold, "
        "service-closed, entered-wrongly, …; of recalculations: calendar-changed, programme-changed, time-zones-changed, …",
    ),
]


class Firmness(StrEnum):
    """Whether a missed deadline is a broken promise; every kind alarms."""

    PROMISED = "promised"
    USUAL = "usual"
    INTERNAL = "internal"


class DeadlineEvent(Event):
    """A fact about one deadline of a referral."""

    topic: ClassVar[Topic] = Topic.DEADLINES

    deadline_id: UUID
    clock: ClockKind
    firmness: Firmness
    due_at: AwareDatetime
    attempt: Annotated[int, Field(ge=1)] | None = None


class DeadlineSet(DeadlineEvent):
    """A clock was started at `starts_at`; `late_entry` where it was already due when it was entered."""

    name: ClassVar[str] = "deadline-set"

    starts_at: AwareDatetime
    late_entry: bool = False


class DeadlineApproaching(DeadlineEvent):
    """The warning time before a deadline has come."""

    name: ClassVar[str] = "deadline-approaching"


class DeadlineMet(DeadlineEvent):
    """The clock stopped in time; `corrects` names the breach that this fact refutes."""

    name: ClassVar[str] = "deadline-met"

    met_at: AwareDatetime
    corrects: UUID | None = None


class DeadlineBreached(DeadlineEvent):
    """
    The deadline has passed; `provisional` where the monitor knew that its inputs were behind.

    `late_noticed` where it was told minutes after it could be, since the monitor was away or behind: due at `due_at`,
    noticed at `occurred_at`.
    """

    name: ClassVar[str] = "deadline-breached"

    late_entry: bool = False
    provisional: bool = False
    late_noticed: bool = False


class DeadlineEscalated(DeadlineEvent):
    """
    The deadline has passed so long ago that another person is told: the `level`th step, for whoever has the role `to`.

    It comes after a breach that nobody has acknowledged, and for which nobody has come.
    """

    name: ClassVar[str] = "deadline-escalated"

    level: Annotated[int, Field(ge=1)]
    to: Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)*$", description="coordinator, deputy, director, …")]


class DeadlineAcknowledged(DeadlineEvent):
    """At `occurred_at` somebody has taken note that the deadline approaches or was breached: no further steps follow."""

    name: ClassVar[str] = "deadline-acknowledged"


class ClockPaused(Event):
    """
    The clocks of a case do not count from `begins_at` on, up to but without `ends_at`; open where that is absent.

    `clock` names a kind where only that is paused. Of several with the same `pause_id` the one of the highest
    `sequence` holds: it ends a pause that was open, or corrects a wrong one; one that ends where it begins is withdrawn.
    Due times that it moves are told by `deadline-set`.
    """

    name: ClassVar[str] = "clock-paused"
    topic: ClassVar[Topic] = Topic.DEADLINES

    pause_id: UUID
    begins_at: AwareDatetime
    ends_at: AwareDatetime | None = None
    code: ReasonCode
    clock: ClockKind | None = None


class ClockRecalculated(Event):
    """
    The clocks of a case that had yet to be decided were reckoned again by the programme's file that `programme` names.

    Nothing else moves a due time for another calendar. Those that it moves are told by `deadline-set`.
    """

    name: ClassVar[str] = "clock-recalculated"
    topic: ClassVar[Topic] = Topic.DEADLINES

    code: ReasonCode
