"""What the checks look at, and what they find."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from uuid import UUID

from tests.faults.campaign.faults import Done
from tests.faults.campaign.people import Listed, Play
from tests.faults.campaign.stream import Accepted
from tests.faults.campaign.topics import Place, Seals, Topics
from tests.support.scripted_smtp import Delivery


class Is(StrEnum):
    """What a finding is."""

    MISSING = "missing"
    DOUBLED = "doubled"
    UNHANDLED = "unhandled"
    """Against a rule, or a failure that no fault explains."""


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it must be: by which invariant, about what, and in words that name nobody."""

    invariant: str
    found: Is
    about: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.about}: {self.what}"


@dataclass(frozen=True)
class Clocks:
    """
    What sla-monitor answered about the clocks of a referral, and when it was asked.

    The state of each by its kind and the attempt it belongs to, None for a clock of the whole case.
    """

    states: dict[tuple[str, int | None], str]
    asked_at: datetime


@dataclass
class Evidence:
    """All there is to look at."""

    accepted: Mapping[str, Accepted]
    topics: Topics
    raw: Sequence[bytes]
    seals: Seals
    deliveries: Sequence[Delivery]
    plays: Mapping[str, Play]
    open_items: Sequence[Listed]
    seen_items: Mapping[tuple[str, str, str], set[str]]
    acted: Mapping[tuple[str, str, str], str]
    set_aside_by: Mapping[Place, Sequence[str]]
    """The services that must set each contradicting or later record of ours aside."""
    clocks: Mapping[UUID, "Clocks"]
    """What sla-monitor says of the clocks of some referrals."""
    metrics: str
    logs: Sequence[Path]
    done: Sequence[Done]
    disturbed: Sequence[tuple[float, float]]
    """From when to when (seconds since 1970) faults were at work, or being recovered from."""
    ended_by_itself: Sequence[tuple[float, str, int]]
    """When (seconds since 1970), which program, with what code."""
    wrong: Sequence[str]
    looked_at: Counter[str] = field(default_factory=Counter)
    """How many things each invariant was checked on."""

    def was_disturbed(self, at: float) -> bool:
        """Whether a fault was at work at an instant."""
        return any(began <= at <= over for began, over in self.disturbed)

    def items_of(self, referral_id: UUID) -> list[Listed]:
        """The open items about a referral."""
        if not hasattr(self, "_items"):
            self._items: dict[UUID | None, list[Listed]] = {}
            for item in self.open_items:
                self._items.setdefault(item.referral_id, []).append(item)
        return self._items.get(referral_id, [])
