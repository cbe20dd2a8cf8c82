"""The real fold against a model of matcher, intake and people: every interleaving of the case protocol."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from notifier.domain import facts
from notifier.domain.decisions import Decisions, Log, Plan
from notifier.domain.fold import fold
from notifier.domain.people import BUTTONS
from notifier.domain.state import Case, Page

AT = datetime(2026, 6, 9, 14, 15, tzinfo=UTC)
WITHDRAWALS = (facts.Withdrawal.WITHDRAWN, facts.Withdrawal.RETRACTED)
SAID = {
    "supporter-accepted": "accepted",
    "supporter-declined": "declined",
    "other-supporter-requested": "other",
    "retraction-declined": "stands",
    "closed": "closed",
}
Events = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class World:
    """Matcher as the protocol has it, notifier's real case, and what is on its way between them."""

    case: Case = field(default_factory=Case)
    plans: frozenset[Plan] = frozenset()
    sent: frozenset[Plan] = frozenset()
    matching: str = "none"
    attempt: int = 0
    held: str = ""
    taken_back: bool = False
    matches: Events = ()
    outreach: Events = ()
    to_matcher: tuple[str, ...] = ("created",)
    to_notifier: tuple[str, ...] = ("created",)

    def knowing(self, fact: facts.Fact) -> "World":
        case, decisions = fold(self.case, fact)
        return replace(self, case=case, plans=self.plans | _plans(decisions), outreach=self.outreach + _said(decisions))


def _plans(decisions: Decisions) -> frozenset[Plan]:
    return frozenset(decision for decision in decisions if isinstance(decision, Plan))


def _said(decisions: Decisions) -> Events:
    logs = [decision for decision in decisions if isinstance(decision, Log)]
    return tuple((SAID[log.step], log.attempt or 0) for log in logs if log.step in SAID)


def moves(world: World, attempts: int) -> Iterator[tuple[str, World]]:
    yield from _intake(world)
    yield from _matcher(world, attempts)
    yield from _notifier_reads(world)
    yield from _messages(world)
    yield from _people(world)


def _intake(world: World) -> Iterator[tuple[str, World]]:
    if not world.taken_back:
        for kind in WITHDRAWALS:
            yield (
                f"intake:{kind}",
                replace(
                    world,
                    taken_back=True,
                    to_matcher=(*world.to_matcher, kind),
                    to_notifier=(*world.to_notifier, kind),
                ),
            )


def _matcher(world: World, attempts: int) -> Iterator[tuple[str, World]]:
    if world.to_matcher:
        first, after = world.to_matcher[0], replace(world, to_matcher=world.to_matcher[1:])
        if first == "created":
            yield "m:created", after if after.matching == "closed" else replace(after, matching="waiting")
        else:
            yield "m:held", after if after.held == "stands" else replace(after, held="held")
    if world.matching == "waiting" and world.held != "held":
        if world.attempt < attempts:
            number = world.attempt + 1
            proposed = replace(world, matching="proposed", attempt=number)
            yield "m:propose", replace(proposed, matches=(*world.matches, ("P", number)))
        else:
            yield "m:unavailable", replace(world, matching="worklist")
    if world.matching == "proposed":
        released = (*world.matches, ("R", world.attempt))
        yield "m:window", replace(world, matching="waiting", matches=released)
    if world.outreach:
        yield "m:reads", _matcher_reads(world)


def _matcher_reads(world: World) -> World:
    (said, number), world = world.outreach[0], replace(world, outreach=world.outreach[1:])
    current = number == world.attempt
    if said in ("closed", "stands"):
        return replace(world, matching="closed") if said == "closed" else replace(world, held="stands")
    if world.matching == "closed":
        return world
    if said == "accepted" and world.matching == "proposed" and current and world.held != "held":
        return replace(world, matching="confirmed", matches=(*world.matches, ("C", number)))
    if said == "accepted":
        waiting = "waiting" if world.matching == "proposed" and current else world.matching
        return replace(world, matching=waiting, matches=(*world.matches, ("R", number)))
    if current and world.matching in ("proposed", "confirmed"):
        return replace(world, matching="waiting", matches=(*world.matches, ("R", number)))
    return world


def _notifier_reads(world: World) -> Iterator[tuple[str, World]]:
    if world.to_notifier:
        first, after = world.to_notifier[0], replace(world, to_notifier=world.to_notifier[1:])
        if first == "created":
            yield "n:created", after.knowing(facts.Created(AT)).knowing(facts.BecameReadable(AT))
        else:
            yield "n:taken-back", after.knowing(facts.Withdrawn(AT, facts.Withdrawal(first)))
    if world.matches:
        (kind, number), after = world.matches[0], replace(world, matches=world.matches[1:])
        fact = {"P": facts.Proposed, "C": facts.Confirmed, "R": facts.Released}[kind]
        yield f"n:{kind}", after.knowing(fact(AT, number))


def _messages(world: World) -> Iterator[tuple[str, World]]:
    for plan in world.plans - world.sent:
        asked = plan.message is facts.Message.SUPPORTER_ASKED
        wanted = not asked or world.case.page(plan.attempt or 0) is Page.ASKED
        done = replace(world, sent=world.sent | {plan})
        yield "n:send", done.knowing(facts.Handed(AT, plan.message, plan.attempt)) if wanted else done


def _people(world: World) -> Iterator[tuple[str, World]]:
    asked = {plan.attempt for plan in world.sent}
    for attempt in world.case.attempts:
        page = world.case.page(attempt.number)
        if attempt.number in asked:
            for where, button in BUTTONS:
                if where is page:
                    yield f"s:{button}", world.knowing(facts.Pressed(AT, attempt.number, button))
        if page is Page.NAME:
            yield "n:silent", world.knowing(facts.WindowPassed(AT, attempt.number))
        if page is Page.CONTACT:
            yield "p:other", world.knowing(facts.OtherRequested(AT))


def fault(world: World, onward: list[tuple[str, World]]) -> str | None:
    if len(world.case.holders) > 1:
        return "two supporters hold the contact"
    on_its_way = world.matches or world.outreach or world.to_matcher or world.to_notifier
    if not on_its_way and (world.matching == "closed") != (world.case.closed_at is not None):
        return "matcher and notifier disagree about the end"
    mine = [name for name, _ in onward if not name.startswith("intake:")]
    return None if mine or world.matching in ("closed", "worklist") else "nobody moves the case"


def naive_releases(world: World) -> Iterator[tuple[str, World]]:
    """A matcher that breaks the protocol: it releases a confirmed match by itself and asks the next."""
    if world.matching == "confirmed":
        released = (*world.matches, ("R", world.attempt))
        yield "m:release-confirmed", replace(world, matching="waiting", matches=released)


def explore(attempts: int, *, naive: bool = False) -> tuple[int, str | None]:
    """Number of states, and the first fault with the moves that lead to it."""
    start = World()
    came_from: dict[World, tuple[World, str] | None] = {start: None}
    queue = deque([start])
    while queue:
        world = queue.popleft()
        onward = [*moves(world, attempts), *(naive_releases(world) if naive else ())]
        if wrong := fault(world, onward):
            return len(came_from), f"{wrong} after {' > '.join(_path(world, came_from))}"
        for name, reached in onward:
            if reached not in came_from:
                came_from[reached] = (world, name)
                queue.append(reached)
    return len(came_from), None


def _path(world: World, came_from: dict[World, tuple[World, str] | None]) -> list[str]:
    names: list[str] = []
    while step := came_from[world]:
        world, name = step
        names.insert(0, name)
    return names


def test_with_one_supporter_no_interleaving_shows_a_fault() -> None:
    states, wrong = explore(attempts=1)

    assert wrong is None
    assert states > 300


def test_with_two_supporters_no_interleaving_shows_two_holders_or_a_case_that_nobody_moves() -> None:
    states, wrong = explore(attempts=2)

    assert wrong is None
    assert states > 10_000


@pytest.mark.long
@pytest.mark.timeout(600)
def test_even_a_matcher_that_releases_confirmed_matches_gets_no_second_supporter_the_contact() -> None:
    _, wrong = explore(attempts=2, naive=True)

    assert wrong is None or not wrong.startswith("two supporters")


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_with_three_supporters_no_interleaving_shows_a_fault() -> None:
    states, wrong = explore(attempts=3)

    assert wrong is None
    assert states > 100_000
