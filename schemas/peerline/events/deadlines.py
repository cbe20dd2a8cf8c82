"""`peerline.deadlines.v1`, written by sla-monitor: the promises, and whether they were kept."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from peerline.events.base import Event, Topic

ClockKind = Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)*$", description="match, first-contact, …")]


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
    """The deadline has passed; `provisional` where the monitor knew that its inputs were behind."""

    name: ClassVar[str] = "deadline-breached"

    late_entry: bool = False
    provisional: bool = False
