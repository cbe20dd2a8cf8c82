"""
What a case learns, and what it decides.

A fact is what another service, a person or a clock has made true; it may come late, early or twice. A
decision is what the fold then says to do; it is taken once. `attempt` counts from 1.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

# --- facts from intake -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Created:
    """A physician is to be offered a talk. `sequence` is intake's counter, by which profiles are ordered."""

    sequence: int
    readable: bool
    invites_first: bool
    attempts: int


@dataclass(frozen=True, slots=True)
class Amended:
    """The matching profile was replaced; `readable` says whether we could open it."""

    sequence: int
    readable: bool


@dataclass(frozen=True, slots=True)
class Joined:
    """This referral was taken into another case, and is not matched by itself."""

    sequence: int
    readable: bool


@dataclass(frozen=True, slots=True)
class JoinTaken:
    """Another referral was taken into this case: its excluded people are excluded here too."""

    join: UUID
    sequence: int
    readable: bool


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The physician withdrew or the source retracted: hold until notifier has said which it means."""


# --- facts from notifier -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stands:
    """A retraction was declined since somebody had been contacted: the hold is lifted, or never begins."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The physician said whether they want to talk; the latest word counts."""

    at: datetime
    wants: bool


@dataclass(frozen=True, slots=True)
class Notified:
    """The supporter was asked; an answer is awaited until `answer_by`."""

    attempt: int
    answer_by: datetime


@dataclass(frozen=True, slots=True)
class Accepted:
    """The supporter has room."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Declined:
    """The supporter declined, or was silent before the contact was shown."""

    attempt: int


@dataclass(frozen=True, slots=True)
class OtherRequested:
    """The physician asks for another supporter; the first has been told to stop."""

    attempt: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Undelivered:
    """The question could not be delivered to the supporter."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Closed:
    """The case is closed, or forgotten."""

    at: datetime


# --- facts of matcher's own: the clock, the round, the roster, the coordinator -----------------------


@dataclass(frozen=True, slots=True)
class WindowOver:
    """The answer window has passed."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """The round has found a supporter and taken a seat of theirs."""

    supporter: str
    needs_approval: bool


@dataclass(frozen=True, slots=True)
class NobodyFound:
    """The round has found nobody, or may ask nobody further."""


@dataclass(frozen=True, slots=True)
class Approved:
    """The coordinator agrees with the suggestion."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """The coordinator wants another suggestion."""

    attempt: int


@dataclass(frozen=True, slots=True)
class SupporterLeft:
    """The supporter paused or retired."""

    attempt: int


@dataclass(frozen=True, slots=True)
class ReleaseWanted:
    """A rule is newly broken, or the coordinator wants this match to end."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Renewed:
    """
    So many further attempts may be made than have been made by now.

    Who asks for it is told afresh if there is nobody (`by_human`); a new roster is not worth another alarm.
    """

    attempts: int
    by_human: bool


AttemptFact = (
    Notified
    | Accepted
    | Declined
    | OtherRequested
    | Undelivered
    | WindowOver
    | Approved
    | Rejected
    | SupporterLeft
    | ReleaseWanted
)
CaseFact = Created | Amended | Joined | JoinTaken | Withdrawn | Stands | Wish | Closed | Chosen | NobodyFound | Renewed
Fact = CaseFact | AttemptFact

# --- decisions ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Propose:
    """Publish `match-proposed`."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Confirm:
    """Publish `match-confirmed`."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Release:
    """Publish `match-released`, once for an attempt, whatever comes later."""

    attempt: int


@dataclass(frozen=True, slots=True)
class RequestRelease:
    """Publish `match-release-requested`: only notifier ends a confirmed match."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Publish `match-unavailable`, once for an attempt that is not yet made."""

    attempt: int


Decision = Propose | Confirm | Release | RequestRelease | Unavailable
