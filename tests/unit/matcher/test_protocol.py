"""
Every interleaving of matcher's real fold with a sketch of notifier, over topics that keep their order.

The sketch is the notifier's half of the protocol in the design ("who moves the case"). Three supporters at
most; the physician may withdraw, or the source retract, once; the coordinator or a newly broken rule may want
one match to end.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from matcher.domain import facts
from matcher.domain.facts import Confirm, Decision, Fact, Propose, Release, RequestRelease
from matcher.domain.fold import Outcome, apply
from matcher.domain.state import Case, Stage, Turn

AT = datetime(2026, 11, 18, 15, tzinfo=UTC)
Fold = Callable[[Case, Fact], Outcome]
Topic = tuple[tuple[str, int], ...]
OUTREACH: dict[str, Callable[[int], Fact]] = {
    "notified": lambda attempt: facts.Notified(attempt, AT),
    "accepted": facts.Accepted,
    "declined": facts.Declined,
    "other": lambda attempt: facts.OtherRequested(attempt, AT),
    "stands": lambda _attempt: facts.Stands(),
    "closed": lambda _attempt: facts.Closed(AT),
}
PUBLISHED: dict[type[Decision], str] = {Propose: "P", Confirm: "C", Release: "R", RequestRelease: "Q"}


@dataclass(frozen=True)
class World:
    """Matcher's case, notifier's pages, and what is on its way between them and from intake to each."""

    case: Case
    pages: tuple[str, ...]
    closed: bool = False
    matches: Topic = ()
    outreach: Topic = ()
    to_matcher: tuple[str, ...] = ("created",)
    to_notifier: tuple[str, ...] = ("created",)
    taken_back: bool = False
    broken: bool = False


class Protocol:
    """All moves of all parties."""

    def __init__(self, supporters: int, fold: Fold = apply, *, needs_approval: bool = False) -> None:
        self.supporters, self.fold, self.needs_approval = supporters, fold, needs_approval

    def start(self) -> World:
        return World(Case(), ("-",) * (self.supporters + 1))

    def moves(self, world: World) -> Iterator[tuple[str, World]]:
        yield from self.intake(world)
        yield from self.matcher(world)
        yield from self.notifier(world)
        if not world.closed:
            for attempt, page in enumerate(world.pages):
                yield from self.people(world, attempt, page)

    def intake(self, world: World) -> Iterator[tuple[str, World]]:
        for kind in ("withdrawn", "retracted") if not world.taken_back else ():
            sent = replace(world, to_matcher=(*world.to_matcher, kind), to_notifier=(*world.to_notifier, kind))
            yield kind, replace(sent, taken_back=True)

    def matcher(self, world: World) -> Iterator[tuple[str, World]]:
        if world.to_matcher:
            kind, rest = world.to_matcher[0], replace(world, to_matcher=world.to_matcher[1:])
            created = facts.Created(1, readable=True, invites_first=False, attempts=self.supporters)
            yield f"m:{kind}", self.tell(rest, created if kind == "created" else facts.Withdrawn())
        if world.outreach:
            (step, attempt), rest = world.outreach[0], replace(world, outreach=world.outreach[1:])
            yield f"m:{step}", self.tell(rest, OUTREACH[step](attempt))
        if world.case.turn() is Turn.ROUND:
            chosen = facts.Chosen(f"s{world.case.next_number}", self.needs_approval)
            yield "m:round", self.tell(world, facts.NobodyFound() if world.case.exhausted else chosen)
        current = world.case.current
        if current is None:
            return
        if current.stage is Stage.SUGGESTED and not world.case.held:
            yield "m:approved", self.tell(world, facts.Approved(current.number))
        if current.answer_by is not None:
            yield "m:window", self.tell(world, facts.WindowOver(current.number))
        if not world.broken:
            yield "m:broken", self.tell(replace(world, broken=True), facts.ReleaseWanted(current.number))

    def tell(self, world: World, fact: Fact) -> World:
        outcome = self.fold(world.case, fact)
        said = [(PUBLISHED[type(each)], each.attempt) for each in outcome.decisions if type(each) in PUBLISHED]
        return replace(world, case=outcome.case, matches=(*world.matches, *said))

    def notifier(self, world: World) -> Iterator[tuple[str, World]]:
        if world.to_notifier:
            kind, rest = world.to_notifier[0], replace(world, to_notifier=world.to_notifier[1:])
            yield f"n:{kind}", rest if kind == "created" or world.closed else self.taken_back(rest, kind)
        if world.matches:
            (kind, attempt), rest = world.matches[0], replace(world, matches=world.matches[1:])
            yield f"n:{kind}", rest if world.closed else self.matched(rest, kind, attempt)

    def taken_back(self, world: World, kind: str) -> World:
        met = any(page in ("contact", "told-to-stop") for page in world.pages)
        if kind == "retracted" and met:
            return log(world, "stands", 0)
        ends = {"asked": "void", "wish": "void", "name": "void", "contact": "told-to-stop"}
        return log(replace(world, closed=True, pages=tuple(ends.get(page, page) for page in world.pages)), "closed", 0)

    def matched(self, world: World, kind: str, attempt: int) -> World:
        page = world.pages[attempt]
        if kind == "P" and page == "-":
            return log(turn_page(world, attempt, "asked"), "notified", attempt)
        if kind == "C" and page == "wish":
            return turn_page(world, attempt, "name")
        if kind == "R" and page in ("-", "asked", "wish", "name"):
            return turn_page(world, attempt, "void")
        if kind == "Q" and page in ("wish", "name"):  # asked back before the contact was shown: the link is void
            return log(turn_page(world, attempt, "void"), "declined", attempt)
        return world  # asked back after it: the coordinator is told

    def people(self, world: World, attempt: int, page: str) -> Iterator[tuple[str, World]]:
        if page == "asked":
            yield "s:yes", log(turn_page(world, attempt, "wish"), "accepted", attempt)
        if page in ("asked", "name"):
            yield "s:no", log(turn_page(world, attempt, "void"), "declined", attempt)
        if page == "name":
            yield "s:contact", turn_page(world, attempt, "contact")
        if page == "contact":
            yield "p:other", log(turn_page(world, attempt, "told-to-stop"), "other", attempt)
            yield "s:close", log(replace(turn_page(world, attempt, "done"), closed=True), "closed", attempt)


def log(world: World, step: str, attempt: int) -> World:
    return replace(world, outreach=(*world.outreach, (step, attempt)))


def turn_page(world: World, attempt: int, page: str) -> World:
    return replace(world, pages=(*world.pages[:attempt], page, *world.pages[attempt + 1 :]))


def violation(world: World, moves: list[tuple[str, World]]) -> str | None:
    """What is wrong with a state, if anything."""
    if world.pages.count("contact") > 1:
        return "two supporters hold the contact"
    if any(name not in ("withdrawn", "retracted", "m:broken") for name, _ in moves):
        return None
    if (world.case.closed_at is not None) != world.closed:
        return "one thinks the case closed, the other open"
    if world.case.turn() not in (Turn.NOBODY, Turn.COORDINATOR):
        return f"nobody moves the case, though it is the turn of {world.case.turn()}"
    return None if world.closed or world.case.items() else "not on the worklist"


def explore(protocol: Protocol) -> tuple[int, str | None]:
    """Every reachable state; gives how many there are and the first violation with its path."""
    came_from: dict[World, tuple[World, str] | None] = {protocol.start(): None}
    queue = deque(came_from)
    while queue:
        world = queue.popleft()
        moves = [(name, after) for name, after in protocol.moves(world) if after != world]
        if wrong := violation(world, moves):
            return len(came_from), f"{wrong}: {' > '.join(path(came_from, world))}"
        for name, after in moves:
            if after not in came_from:
                came_from[after] = (world, name)
                queue.append(after)
    return len(came_from), None


def path(came_from: dict[World, tuple[World, str] | None], world: World) -> list[str]:
    names = []
    while (step := came_from[world]) is not None:
        world, name = step
        names.append(name)
    return names[::-1]


@pytest.mark.parametrize("needs_approval", [False, True])
def test_in_no_interleaving_do_two_hold_the_contact_or_does_nobody_move_the_case(needs_approval: bool) -> None:
    states, wrong = explore(Protocol(2, needs_approval=needs_approval))

    assert wrong is None
    assert states > 1000


@pytest.mark.long
def test_nor_with_three_supporters() -> None:
    states, wrong = explore(Protocol(3))

    assert wrong is None
    assert states > 20_000


def releasing_a_confirmed_match(case: Case, fact: Fact) -> Outcome:
    """A matcher that ends a confirmed match by itself, as it must not."""
    attempt = case.current
    if isinstance(fact, facts.WindowOver) and attempt is not None and attempt.stage is Stage.CONFIRMED:
        ended = replace(case, attempts=(*case.attempts[:-1], replace(attempt, stage=Stage.ENDED)))
        return Outcome(ended, (Release(attempt.number),))
    return apply(case, fact)


def confirming_while_held(case: Case, fact: Fact) -> Outcome:
    """A matcher that forgets the answer of notifier when it comes before the question."""
    if isinstance(fact, facts.Stands) and not case.withdrawn:
        return Outcome(case)
    return apply(case, fact)


@pytest.mark.parametrize(
    ("fold", "wrong"),
    [
        (releasing_a_confirmed_match, "two supporters hold the contact"),
        (confirming_while_held, "nobody moves the case"),
    ],
)
def test_the_exploration_finds_a_matcher_that_is_wrong(fold: Fold, wrong: str) -> None:
    _, found = explore(Protocol(2, fold))

    assert found is not None
    assert found.startswith(wrong)
