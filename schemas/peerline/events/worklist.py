"""What waits for a human, as each service says it on its own topic, so that coordinators can be told."""

from collections.abc import Mapping
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from peerline.events.base import Event, ProgrammeRef, Topic

ItemKind = Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)*$", description="unresolved, unmatched, quarantined, …")]


class WorklistChanged(Event):
    """
    An item was opened or resolved at `occurred_at`. The same matter has the same `item_id` whenever it is opened.

    `referral_id` is the item's own id where it is about no referral. `sequence` counts within one opening.
    `programme` is absent where the item concerns the whole installation. Of each item the latest change holds.
    """

    item_id: UUID
    kind: ItemKind
    urgent: Annotated[bool, Field(description="Told at once; the rest is told once a day.")]
    is_open: bool
    programme: ProgrammeRef | None = None  # type: ignore[assignment]  # the only event that may be nobody's own


class IntakeWorklistChanged(WorklistChanged):
    """Intake opened or resolved an item for a human."""

    name: ClassVar[str] = "intake-worklist-changed"
    topic: ClassVar[Topic] = Topic.REFERRALS


class MatcherWorklistChanged(WorklistChanged):
    """Matcher opened or resolved an item for a human."""

    name: ClassVar[str] = "matcher-worklist-changed"
    topic: ClassVar[Topic] = Topic.MATCHES


class MonitorWorklistChanged(WorklistChanged):
    """The monitor of deadlines opened or resolved an item for a human."""

    name: ClassVar[str] = "monitor-worklist-changed"
    topic: ClassVar[Topic] = Topic.DEADLINES


WORKLIST_CHANGED: Mapping[Topic, type[WorklistChanged]] = {
    event.topic: event for event in (IntakeWorklistChanged, MatcherWorklistChanged, MonitorWorklistChanged)
}
"""How the writer of a topic says it. Notifier, which tells coordinators, need not tell itself."""
