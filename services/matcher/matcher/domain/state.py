"""One referral's case as matcher sees it: what is known, what was decided, and whose turn it is."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class Stage(StrEnum):
    """Where an attempt stands; every attempt that has not ended holds a seat of its supporter."""

    SUGGESTED = "suggested"
    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    ENDED = "ended"


class Turn(StrEnum):
    """Who moves the case next."""

    INTAKE = "intake"  # facts came before the referral itself
    OTHER_CASE = "other-case"  # joined into another
    ROUND = "round"
    SUPPORTER = "supporter"
    NOTIFIER = "notifier"
    PHYSICIAN = "physician"
    COORDINATOR = "coordinator"
    NOBODY = "nobody"  # closed


class Kind(StrEnum):
    """Kinds of worklist item that a case can be on."""

    APPROVAL = "approval"
    UNMATCHED = "unmatched"
    UNREADABLE = "unreadable"
    SUPPORTER_LEFT = "supporter-left"


class Item(NamedTuple):
    """A worklist item of a case; `join` is the joined referral that it is about, if not the case's own."""

    kind: Kind
    join: UUID | None = None


class Profile(NamedTuple):
    """Whether the latest matching profile (by intake's sequence) could be opened."""

    sequence: int
    readable: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """One supporter asked for a referral; `supporter` is None where we no longer know whom we asked."""

    number: int
    supporter: str | None
    stage: Stage
    confirmed: bool = False
    declined: bool = False
    other_at: datetime | None = None
    answer_by: datetime | None = None
    release_requested: bool = False
    left: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of a referral, and what was decided. A fact for an unknown referral leaves a tombstone."""

    created: bool = False
    invites_first: bool = False
    joined: bool = False
    profile: Profile | None = None
    joins: tuple[tuple[UUID, Profile], ...] = ()
    withdrawn: bool = False
    stands: bool = False
    wish: tuple[datetime, bool] | None = None
    closed_at: datetime | None = None
    attempts: tuple[Attempt, ...] = ()
    allowance: int = 0
    unavailable_for: int = 0

    @property
    def held(self) -> bool:
        """Whether a withdrawal waits for notifier's answer; the answer may have come before the question."""
        return self.withdrawn and not self.stands

    @property
    def readable(self) -> bool:
        """Whether every profile of the case, and of what it took in, could be opened."""
        own = self.profile is not None and self.profile.readable
        return own and all(profile.readable for _, profile in self.joins)

    @property
    def current(self) -> Attempt | None:
        """The one attempt that has not ended."""
        return next((attempt for attempt in self.attempts if attempt.stage is not Stage.ENDED), None)

    @property
    def next_number(self) -> int:
        """The number that the next attempt will have."""
        return self.attempts[-1].number + 1 if self.attempts else 1

    @property
    def exhausted(self) -> bool:
        """Whether as many supporters were asked as may be without a human or a new roster."""
        return self.next_number > self.allowance

    @property
    def asked(self) -> frozenset[str]:
        """Supporters who were asked or suggested before; none is asked twice."""
        return frozenset(attempt.supporter for attempt in self.attempts if attempt.supporter is not None)

    @property
    def seeking(self) -> bool:
        """Whether the round is to look for a supporter now."""
        waits = self.created and self.closed_at is None and self.current is None
        return waits and not self.held and self.readable and self._wanted

    @property
    def _wanted(self) -> bool:
        return not self.invites_first if self.wish is None else self.wish[1]

    def attempt(self, number: int) -> Attempt | None:
        """The attempt of this number, if it was ever made."""
        return next((attempt for attempt in self.attempts if attempt.number == number), None)

    def turn(self) -> Turn:
        """Who moves the case: there is always somebody unless it is closed."""
        if self.closed_at is not None:
            return Turn.NOBODY
        if not self.created:
            return Turn.OTHER_CASE if self.joined else Turn.INTAKE
        if self.current is not None:
            return _turn_of(self.current)
        if self.held:
            return Turn.NOTIFIER
        if self.readable and not self._wanted:
            return Turn.PHYSICIAN
        is_listed = not self.readable or self.unavailable_for == self.next_number
        return Turn.COORDINATOR if is_listed else Turn.ROUND

    def items(self) -> frozenset[Item]:
        """The worklist items that the case should be on."""
        if not self.created or self.closed_at is not None:
            return frozenset()
        found = {Item(Kind.UNREADABLE, join) for join, profile in self.joins if not profile.readable}
        if self.profile is not None and not self.profile.readable:
            found.add(Item(Kind.UNREADABLE))
        if self.seeking and self.unavailable_for == self.next_number:
            found.add(Item(Kind.UNMATCHED))
        if self.current is not None and self.current.stage is Stage.SUGGESTED:
            found.add(Item(Kind.APPROVAL))
        if self.current is not None and self.current.left:
            found.add(Item(Kind.SUPPORTER_LEFT))
        return frozenset(found)

    def rest_from(self, attempt: Attempt) -> datetime | None:
        """When the supporter's cool-off begins: the end of a talk, or of one that the physician broke off."""
        if not attempt.confirmed or attempt.stage is not Stage.ENDED:
            return None
        if attempt.other_at is not None or attempt.declined:
            return attempt.other_at
        return self.closed_at


def _turn_of(attempt: Attempt) -> Turn:
    if attempt.stage is Stage.SUGGESTED:
        return Turn.COORDINATOR
    if attempt.stage is Stage.PROPOSED and attempt.answer_by is not None:
        return Turn.SUPPORTER
    return Turn.NOTIFIER
