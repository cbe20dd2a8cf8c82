"""What a match event of our own says, to a database that was set back and has lost it."""

from dataclasses import dataclass, replace
from enum import StrEnum

from matcher.domain.state import Attempt, Case, Stage


class Told(StrEnum):
    """What was decided about an attempt, and published."""

    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    RELEASE_REQUESTED = "release-requested"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Said:
    """An event that was published. `supporter` is None where it does not say, or cannot be read."""

    told: Told
    attempt: int
    supporter: str | None = None


def recalled(case: Case, said: Said) -> Case:
    """
    The case that knows what it once decided. Decides nothing, and any repeat changes nothing.

    Where we cannot tell whom we asked, nobody further is asked without a human: it might be the same one.
    """
    if said.told is Told.UNAVAILABLE:
        return replace(case, unavailable_for=max(case.unavailable_for, said.attempt))
    known = case.attempt(said.attempt) or Attempt(said.attempt, None, Stage.SUGGESTED)
    attempt = _with(known, said)
    if case.closed_at is not None:
        attempt = replace(attempt, stage=Stage.ENDED)
    if attempt.supporter is None:
        case = replace(case, allowance=min(case.allowance, attempt.number))
    others = [_ended_before(other, attempt) for other in case.attempts if other.number != attempt.number]
    return replace(case, attempts=tuple(sorted([*others, attempt], key=lambda each: each.number)))


def _with(attempt: Attempt, said: Said) -> Attempt:
    match said.told:
        case Told.PROPOSED if attempt.stage is Stage.SUGGESTED:
            return replace(attempt, supporter=said.supporter, stage=Stage.PROPOSED)
        case Told.CONFIRMED if attempt.stage is not Stage.ENDED:
            return replace(attempt, stage=Stage.CONFIRMED, confirmed=True)
        case Told.RELEASED:
            return replace(attempt, stage=Stage.ENDED)
        case Told.RELEASE_REQUESTED:
            return replace(attempt, release_requested=True)
        case _:
            return attempt


def _ended_before(other: Attempt, attempt: Attempt) -> Attempt:
    """One attempt is open at a time: whoever was asked before this one has been let go, or was only suggested."""
    return replace(other, stage=Stage.ENDED) if other.number < attempt.number else other
