"""
Who moves the case, matcher's half: a pure fold `apply(case, fact)` gives the case and what it decides.

What a case knows is the same in whatever order and however often the facts come; what it decided stays
decided, since a decision was published. The rules that keep two supporters from holding the contact: only
one attempt is open at a time, and a confirmed attempt ends only on notifier's word (declined, another
requested, closed), never by matcher itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, get_args

from matcher.domain import facts
from matcher.domain.facts import (
    Confirm,
    Decision,
    Fact,
    Propose,
    Release,
    RequestRelease,
    Unavailable,
)
from matcher.domain.state import Attempt, Case, Profile, Stage

ENDING: Mapping[Stage, tuple[type[Any], ...]] = {
    Stage.SUGGESTED: (facts.Rejected, facts.SupporterLeft, facts.ReleaseWanted),
    Stage.PROPOSED: (
        facts.Accepted,  # while the case is held
        facts.Declined,
        facts.OtherRequested,
        facts.Undelivered,
        facts.WindowOver,
        facts.SupporterLeft,
        facts.ReleaseWanted,
    ),
    Stage.CONFIRMED: (facts.Declined, facts.OtherRequested),
    Stage.ENDED: (),
}
"""What ends an attempt; a confirmed one only on notifier's word."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case after a fact, and what is to be done about it."""

    case: Case
    decisions: tuple[Decision, ...] = field(default=())


def apply(case: Case, fact: Fact) -> Outcome:
    """Return the case that knows this fact, with the decisions that it leads to, none of them ever twice."""
    if isinstance(fact, get_args(facts.AttemptFact)):
        return _about_attempt(case, fact)
    match fact:
        case facts.Created() | facts.Amended() | facts.Joined() | facts.JoinTaken() | facts.Withdrawn():
            return Outcome(_from_intake(case, fact))
        case facts.Closed():
            return Outcome(_closed(case, fact.at))
        case facts.Stands():
            return Outcome(replace(case, stands=True))
        case facts.Wish():
            return Outcome(replace(case, wish=_later(case.wish, fact)))
        case _:
            return _from_round(case, fact)


def _from_intake(case: Case, fact: Fact) -> Case:
    match fact:
        case facts.Created():
            return replace(
                case,
                created=True,
                invites_first=case.invites_first or fact.invites_first,
                allowance=max(case.allowance, fact.attempts),
                profile=_newer(case.profile, fact.sequence, fact.readable),
            )
        case facts.Joined():
            return replace(case, joined=True, profile=_newer(case.profile, fact.sequence, fact.readable))
        case facts.Amended():
            return replace(case, profile=_newer(case.profile, fact.sequence, fact.readable))
        case facts.JoinTaken():
            joins = dict(case.joins)
            joins[fact.join] = _newer(joins.get(fact.join), fact.sequence, fact.readable)
            return replace(case, joins=tuple(sorted(joins.items())))
        case _:
            return replace(case, withdrawn=True)


def _from_round(case: Case, fact: Fact) -> Outcome:
    number = case.next_number
    match fact:
        case facts.Renewed():
            allowance = max(case.allowance, number - 1 + fact.attempts)
            told = 0 if fact.by_human else case.unavailable_for
            return Outcome(replace(case, allowance=allowance, unavailable_for=told))
        case facts.Chosen() if case.seeking and not case.exhausted and fact.supporter not in case.asked:
            stage = Stage.SUGGESTED if fact.needs_approval else Stage.PROPOSED
            decisions = () if fact.needs_approval else (Propose(number),)
            return Outcome(_with(case, Attempt(number, fact.supporter, stage)), decisions)
        case facts.NobodyFound() if case.seeking and case.unavailable_for < number:
            return Outcome(replace(case, unavailable_for=number), (Unavailable(number),))
        case _:
            return Outcome(case)


def _about_attempt(case: Case, fact: facts.AttemptFact) -> Outcome:
    """
    A fact about an attempt, which only the open one can still turn.

    An attempt that we do not know was made by us and forgotten (a restored database): it is released, and
    its number is never used again.
    """
    attempt = case.attempt(fact.attempt)
    forgotten = attempt is None
    noted = _noted(attempt or Attempt(fact.attempt, None, Stage.ENDED), fact)
    if case.closed_at is not None:
        return Outcome(_with(case, noted))
    if forgotten:
        return Outcome(_with(case, noted), (Release(noted.number),))
    moved, decisions = _moved(noted, fact, held=case.held)
    return Outcome(_with(case, moved), decisions)


def _noted(attempt: Attempt, fact: facts.AttemptFact) -> Attempt:
    """What the attempt knows, whatever its stage: earliest times, and things that were once said."""
    match fact:
        case facts.Notified():
            return replace(attempt, answer_by=_earlier(attempt.answer_by, fact.answer_by))
        case facts.Declined():
            return replace(attempt, declined=True)
        case facts.OtherRequested():
            return replace(attempt, other_at=_earlier(attempt.other_at, fact.at))
        case facts.SupporterLeft():
            return replace(attempt, left=True)
        case _:
            return attempt


def _moved(attempt: Attempt, fact: facts.AttemptFact, *, held: bool) -> tuple[Attempt, tuple[Decision, ...]]:
    """The attempt after the fact. What is not listed changes nothing: it came too late, twice or too early."""
    number = attempt.number
    match attempt.stage, fact:
        case Stage.PROPOSED, facts.Accepted() if not held:
            return replace(attempt, stage=Stage.CONFIRMED, confirmed=True), (Confirm(number),)
        case Stage.CONFIRMED, facts.ReleaseWanted() if not attempt.release_requested:
            return replace(attempt, release_requested=True), (RequestRelease(number),)
        case Stage.SUGGESTED, facts.Approved() if not held:
            return replace(attempt, stage=Stage.PROPOSED), (Propose(number),)
    if not isinstance(fact, ENDING[attempt.stage]):
        return attempt, ()
    was_published = attempt.stage is not Stage.SUGGESTED
    return replace(attempt, stage=Stage.ENDED), (Release(number),) if was_published else ()


def _closed(case: Case, at: datetime) -> Case:
    """The case closed: its seat is free. Notifier, which closed it, voids its own links."""
    attempts = tuple(replace(attempt, stage=Stage.ENDED) for attempt in case.attempts)
    return replace(case, closed_at=_earlier(case.closed_at, at), attempts=attempts)


def _with(case: Case, attempt: Attempt) -> Case:
    others = [other for other in case.attempts if other.number != attempt.number]
    return replace(case, attempts=tuple(sorted([*others, attempt], key=lambda each: each.number)))


def _newer(known: Profile | None, sequence: int, readable: bool) -> Profile:
    said = Profile(sequence, readable)
    return said if known is None else max(known, said)


def _later(known: tuple[datetime, bool] | None, wish: facts.Wish) -> tuple[datetime, bool]:
    """The later wish; of two at one instant, not to be contacted."""
    said = (wish.at, wish.wants)
    return said if known is None else max(known, said, key=lambda each: (each[0], not each[1]))


def _earlier(known: datetime | None, at: datetime) -> datetime:
    return at if known is None else min(known, at)
