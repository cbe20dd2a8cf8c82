"""What is known of a case. Facts only grow, so that they give the same state in any order."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from notifier.domain.facts import Message


class Page(StrEnum):
    """What the private page of one attempt shows to its supporter."""

    NONE = "none"
    ASKED = "asked"
    WISH = "wish"
    NAME = "name"
    CONTACT = "contact"
    DONE = "done"
    TOLD_TO_STOP = "told-to-stop"
    VOID = "void"


class Phase(StrEnum):
    """Where a case stands, as every outreach event says it."""

    OPEN = "open"
    CONTACTED = "contacted"
    CLOSED = "closed"
    EXCEPTION = "exception"


@dataclass(frozen=True)
class Attempt:
    """One supporter who is, was or may be asked: when each thing first became known, or None."""

    number: int
    proposed_at: datetime | None = None
    confirmed_at: datetime | None = None
    released_at: datetime | None = None
    notified_at: datetime | None = None
    accepted_at: datetime | None = None
    declined_at: datetime | None = None
    shown_at: datetime | None = None
    attempted_at: datetime | None = None
    made_at: datetime | None = None
    reminded_at: datetime | None = None
    silent_at: datetime | None = None
    stopped_at: datetime | None = None
    done_at: datetime | None = None
    permitted_at: datetime | None = None
    sent_at: datetime | None = None

    @property
    def owes_resources(self) -> bool:
        """Whether the physician agreed to be sent resources, and waits for them."""
        return self.permitted_at is not None and self.sent_at is None

    @property
    def heard_at(self) -> datetime | None:
        """When the supporter last said what came of it."""
        return _latest((self.attempted_at, self.made_at, self.permitted_at, self.sent_at))


@dataclass(frozen=True)
class Case:
    """
    One referral, as notifier knows it.

    `readable` says that the physician's contact could be opened; without it nothing is sent.
    `invites` says that the programme makes the first contact. `refused_into` are the closed cases that it came
    too late to join. Attempts are sorted by number.
    """

    invites: bool = False
    created_at: datetime | None = None
    readable: bool = False
    invited_at: datetime | None = None
    wanted_at: datetime | None = None
    not_now_at: datetime | None = None
    stands_at: datetime | None = None
    silent_at: datetime | None = None
    unread_at: datetime | None = None
    refused_into: frozenset[UUID] = frozenset()
    waited_at: datetime | None = None
    closed_at: datetime | None = None
    forgotten_at: datetime | None = None
    attempts: tuple[Attempt, ...] = ()

    def attempt(self, number: int) -> Attempt:
        """The attempt of this number, empty where nothing is known of it."""
        return next((attempt for attempt in self.attempts if attempt.number == number), Attempt(number))

    def having(self, changed: Attempt) -> "Case":
        """The case with one attempt replaced or added."""
        others = [attempt for attempt in self.attempts if attempt.number != changed.number]
        return replace(self, attempts=tuple(sorted([*others, changed], key=lambda attempt: attempt.number)))

    def page(self, number: int) -> Page:
        """What the page of this attempt shows."""
        attempt = self.attempt(number)
        if ended := _ended(attempt):
            return ended
        if attempt.shown_at:
            return Page.CONTACT
        if attempt.declined_at or attempt.released_at or self.closed_at:
            return Page.VOID
        if attempt.accepted_at:
            return Page.NAME if attempt.confirmed_at else Page.WISH
        return Page.ASKED if attempt.proposed_at else Page.NONE

    @property
    def holders(self) -> list[int]:
        """The attempts whose supporter holds the physician's contact; never more than one."""
        return [attempt.number for attempt in self.attempts if self.page(attempt.number) is Page.CONTACT]

    @property
    def is_silent(self) -> bool:
        """Whether a human was told that nothing is heard, and nothing has been heard since."""
        holds = any(self.attempt(number).silent_at for number in self.holders)
        return self.closed_at is None and (holds or self.silent_at is not None)

    @property
    def unanswered(self) -> frozenset[tuple[Message, int | None]]:
        """The messages of which it matters whether they arrived: nobody has answered them yet, and somebody may."""
        if self.closed_at:
            return frozenset()
        found: set[tuple[Message, int | None]] = set()
        if self.invites and not (self.wanted_at or self.not_now_at):
            found.add((Message.PHYSICIAN_INVITED, None))
        for attempt in self.attempts:
            page = self.page(attempt.number)
            if page is Page.ASKED:
                found.add((Message.SUPPORTER_ASKED, attempt.number))
            if page is Page.CONTACT and attempt.reminded_at and not _has_spoken(attempt):
                found.add((Message.SUPPORTER_REMINDED, attempt.number))
        return frozenset(found)

    @property
    def physician_reached_out_to(self) -> bool:
        """Whether the physician may have been contacted; an invitation claimed for sending counts."""
        return self.invited_at is not None or any(attempt.shown_at for attempt in self.attempts)

    @property
    def phase(self) -> Phase:
        """Where the case stands."""
        if self.closed_at:
            return Phase.CLOSED
        contacted = any(attempt.attempted_at or attempt.made_at for attempt in self.attempts)
        return Phase.CONTACTED if contacted else Phase.OPEN

    @property
    def quiet_since(self) -> datetime | None:
        """Since when we wait for a word of the one whose turn it is, or None where nobody's silence is watched."""
        if self.closed_at:
            return None
        for number in self.holders:
            holder = self.attempt(number)
            since = _latest((holder.shown_at, holder.heard_at, holder.reminded_at, self.waited_at))
            return None if holder.silent_at else since
        if self.wanted_at or self.silent_at:
            return None
        return _latest((self.invited_at, self.not_now_at, self.waited_at))


def _ended(attempt: Attempt) -> Page | None:
    if attempt.done_at:
        return Page.DONE
    return Page.TOLD_TO_STOP if attempt.stopped_at else None


def _has_spoken(attempt: Attempt) -> bool:
    """Whether the supporter has said what came of it since the reminder."""
    said = attempt.heard_at
    return said is not None and (attempt.reminded_at is None or said >= attempt.reminded_at)


def _latest(instants: tuple[datetime | None, ...]) -> datetime | None:
    return max((instant for instant in instants if instant), default=None)
