"""What a fact makes notifier do."""

from dataclasses import dataclass
from uuid import UUID

from notifier.domain.facts import Message
from notifier.domain.state import Phase


@dataclass(frozen=True)
class Log:
    """
    Log a step. `codes` go with it, sealed; `to_matcher` where matching depends on the step.

    `into`: the case that a join was refused into.
    """

    step: str
    phase: Phase
    attempt: int | None = None
    codes: tuple[tuple[str, str], ...] = ()
    to_matcher: bool = False
    into: UUID | None = None


@dataclass(frozen=True)
class Plan:
    """Plan a message, once for each (case, message, about), however often this is decided."""

    message: Message
    about: str
    attempt: int | None = None


@dataclass(frozen=True)
class Open:
    """Put the case on the worklist, under `subject` where the case is not subject enough."""

    kind: str
    subject: str = ""
    reason: str = ""
    urgent: bool = False


@dataclass(frozen=True)
class Resolve:
    """Take the case off the worklist."""

    kind: str


@dataclass(frozen=True)
class Moot:
    """Whether this message arrived no longer matters: nobody need find out what became of it."""

    message: Message
    attempt: int | None = None


Decision = Log | Plan | Open | Resolve | Moot
Decisions = tuple[Decision, ...]
