"""What may happen to a case. All instants are aware."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Message(StrEnum):
    """The kinds of message; no kind is sent twice about the same thing."""

    SUPPORTER_ASKED = "supporter-asked"
    SUPPORTER_REMINDED = "supporter-reminded"
    SUPPORTER_STOPPED = "supporter-stopped"
    PHYSICIAN_INVITED = "physician-invited"

    @property
    def recipient(self) -> "Recipient":
        """Who gets it."""
        return Recipient.PHYSICIAN if self is Message.PHYSICIAN_INVITED else Recipient.SUPPORTER

    @property
    def keeps_hours(self) -> bool:
        """Whether it waits for contact hours: telling a supporter to stop does not."""
        return self is not Message.SUPPORTER_STOPPED


class Recipient(StrEnum):
    """To whom a message goes."""

    SUPPORTER = "supporter"
    PHYSICIAN = "physician"


class Withdrawal(StrEnum):
    """Who took a referral back."""

    WITHDRAWN = "withdrawn"
    RETRACTED = "retracted"
    NOT_ELIGIBLE = "not-eligible"


class Button(StrEnum):
    """What a supporter may say on the private page."""

    YES = "yes"
    NO = "no"
    DECLINE = "decline"
    SHOW_CONTACT = "show-contact"
    ATTEMPTED = "contact-attempted"
    MADE = "contact-made"
    PERMITTED = "resources-permitted"
    SENT = "resources-sent"
    DOES_NOT_WANT = "does-not-want"
    CLOSE = "close"


class Answer(StrEnum):
    """What a physician may answer to the programme's own invitation."""

    WANTS_TO_TALK = "wants-to-talk"
    NOT_NOW = "not-now"
    DOES_NOT_WANT = "does-not-want"
    OTHER_SUPPORTER = "other-supporter"


@dataclass(frozen=True)
class Fact:
    """Something that happened, or became known, at an instant."""

    at: datetime


@dataclass(frozen=True)
class Created(Fact):
    """The referral exists; `invites`: its programme makes the first contact."""

    invites: bool = False


@dataclass(frozen=True)
class BecameReadable(Fact):
    """The physician's contact could be opened, in the referral or in an amendment of it."""


@dataclass(frozen=True)
class Withdrawn(Fact):
    """The referral was taken back."""

    kind: Withdrawal


@dataclass(frozen=True)
class JoinCameLate(Fact):
    """This referral was to join a case that is closed; `into` is that case."""

    into: UUID


@dataclass(frozen=True)
class Forgotten(Fact):
    """Everything about the referral is to be deleted."""


@dataclass(frozen=True)
class AboutAttempt(Fact):
    """A fact about one attempt."""

    attempt: int


@dataclass(frozen=True)
class Proposed(AboutAttempt):
    """Matcher proposes a supporter."""


@dataclass(frozen=True)
class Confirmed(AboutAttempt):
    """Matcher confirms the supporter who said yes."""


@dataclass(frozen=True)
class Released(AboutAttempt):
    """Matcher has ended the match."""


@dataclass(frozen=True)
class ReleaseRequested(AboutAttempt):
    """Matcher or a coordinator asks that the match should end."""

    event: str


@dataclass(frozen=True)
class Pressed(AboutAttempt):
    """A supporter pressed a button."""

    button: Button


@dataclass(frozen=True)
class Answered(Fact):
    """The physician answered the invitation."""

    answer: Answer


@dataclass(frozen=True)
class OtherRequested(Fact):
    """The physician asks for another supporter."""


@dataclass(frozen=True)
class ClosedByCoordinator(Fact):
    """A coordinator closes the case."""


@dataclass(frozen=True)
class WaitedOn(Fact):
    """A coordinator has seen that nothing is heard, and waits on."""


@dataclass(frozen=True)
class WindowPassed(AboutAttempt):
    """The time to look at the confirmed match is over."""


@dataclass(frozen=True)
class Quiet(Fact):
    """Nothing was heard for the programme's time of silence."""


@dataclass(frozen=True)
class Overdue(Fact):
    """A match was proposed long ago for a referral that cannot be read."""


@dataclass(frozen=True)
class Claimed(Fact):
    """A message is about to be handed over; it may arrive from now on."""

    message: Message


@dataclass(frozen=True)
class Handed(Fact):
    """A mail server took the message. `attempt` where it is about one."""

    message: Message
    attempt: int | None = None


@dataclass(frozen=True)
class Undelivered(Fact):
    """The message was refused for good, or nobody knows (`unknown`). `send` names the send."""

    message: Message
    send: str
    unknown: bool = False
    attempt: int | None = None


@dataclass(frozen=True)
class Recalled(Fact):
    """A step that we had logged, and that a database which was set back has lost; `into`: of a join that was refused."""

    step: str
    attempt: int | None = None
    into: UUID | None = None


@dataclass(frozen=True)
class Unreachable(AboutAttempt):
    """A coordinator decides that this supporter cannot be asked."""
