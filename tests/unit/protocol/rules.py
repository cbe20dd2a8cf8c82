"""The services' own rules, gathered so that a naive one can stand in for each. No tests here."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from intake.domain.cases import Cases
from intake.domain.outcomes import note_step
from intake.domain.people import Directory
from matcher.domain import facts as matching
from matcher.domain.fold import Outcome, apply
from matcher.domain.state import Case as Match
from notifier.domain import facts as outreach
from notifier.domain.decisions import Decisions
from notifier.domain.fold import fold
from notifier.domain.state import Case

Choice = Callable[[Match, int], str | None]
UNTOLD = frozenset({"planned", "sending", "unknown", "failed"})
"""States of a message that tells a supporter to stop in which they may not have been told."""


def whoever_was_not_asked(match: Match, supporters: int) -> str | None:
    """The first of so many supporters who has not been asked; the ranking itself is of no matter here."""
    return next((name for name in _names(supporters) if name not in match.asked), None)


def _names(supporters: int) -> list[str]:
    return [f"s{number}" for number in range(1, supporters + 1)]


@dataclass(frozen=True)
class Rules:
    """What each party does with what it learns."""

    note_step: Callable[[Cases, Directory, UUID, str, UUID | None], None] = note_step
    match: Callable[[Match, matching.Fact], Outcome] = apply
    reach_out: Callable[[Case, outreach.Fact], tuple[Case, Decisions]] = fold
    choose: Choice = whoever_was_not_asked
    waits_for_stop: frozenset[str] = UNTOLD
    """In which states of a message to stop nobody else of the case is asked; as `sends.claim` has it."""
