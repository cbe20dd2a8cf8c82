"""
The world of one physician: intake, matcher and notifier, and what is on its way between them. No tests here.

Everything that a party knows is kept once and named by a number, so that a state of the world is a few
numbers; what the real rules make of (a state, a fact) is worked out once.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from intake.domain.outcomes import STEPS as OUTREACH_STEPS
from matcher.domain import facts as matching
from matcher.domain.facts import Confirm, Decision, Propose, Release, RequestRelease
from matcher.domain.state import Case as Match
from notifier.domain import facts as outreach
from notifier.domain.facts import Button

from tests.unit.protocol import intake_party, notifier_party
from tests.unit.protocol.intake_party import AT, Command, Intake, Said
from tests.unit.protocol.notifier_party import Desk, Step
from tests.unit.protocol.rules import Rules

T = TypeVar("T")
PUBLISHED: dict[type[Decision], str] = {Propose: "P", Confirm: "C", Release: "R", RequestRelease: "Q"}
SHORTEST_WAY = frozenset({Button.YES, Button.NO, Button.DECLINE, Button.SHOW_CONTACT, Button.CLOSE})
"""The buttons that lead a supporter through a case or out of it."""
Queue = tuple[int, ...]
"""The numbers of what is on its way, the oldest first."""


class Numbers(Generic[T]):
    """Things by number, each kept once."""

    def __init__(self) -> None:
        self._numbers: dict[T, int] = {}
        self._things: list[T] = []

    def of(self, thing: T) -> int:
        """The number of a thing."""
        number = self._numbers.setdefault(thing, len(self._things))
        if number == len(self._things):
            self._things.append(thing)
        return number

    def __getitem__(self, number: int) -> T:
        return self._things[number]


class Part(NamedTuple):
    """
    One referral: the numbers of what matcher and notifier know, and what is on its way to each.

    Each topic keeps its order; no topic waits for another. `taken`: notifier took it into an open case.
    """

    match: int = 0
    desk: int = 0
    taken: bool = False
    referrals_to_matcher: Queue = ()
    referrals_to_notifier: Queue = ()
    matches: Queue = ()
    steps_to_matcher: Queue = ()
    steps_to_intake: Queue = ()


class World(NamedTuple):
    """A state: the number of what intake knows, the referrals, and what may yet happen from outside (tokens)."""

    intake: int
    parts: tuple[Part, ...]
    left: frozenset[str]


class Told(NamedTuple):
    """What a party is after a fact (its number), and what it says of it: to notifier, or to matcher and intake."""

    number: int
    verdicts: Queue = ()
    to_matcher: Queue = ()
    to_intake: Queue = ()


@dataclass(frozen=True)
class Scene:
    """What is explored: how many supporters and incidents there are, and what may happen from outside, once each."""

    supporters: int = 2
    incidents: int = 1
    tokens: frozenset[str] = frozenset()
    needs_approval: bool = False
    invites_first: bool = False
    buttons: frozenset[Button] = SHORTEST_WAY
    knows_person: bool = True


@dataclass
class Parties:
    """The parties with their real rules, remembering what each made of what."""

    scene: Scene
    rules: Rules = field(default_factory=Rules)
    intakes: Numbers[Intake] = field(default_factory=Numbers)
    matches: Numbers[Match] = field(default_factory=Numbers)
    desks: Numbers[Desk] = field(default_factory=Numbers)
    referral_events: Numbers[Said] = field(default_factory=Numbers)
    verdicts: Numbers[tuple[str, int]] = field(default_factory=Numbers)
    steps: Numbers[Step] = field(default_factory=Numbers)
    told_matcher: dict[tuple[int, matching.Fact], Told] = field(default_factory=dict)
    told_notifier: dict[tuple[int, outreach.Fact], Told] = field(default_factory=dict)
    became: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    """What each desk has become by an act; some of it is done beside the fold."""
    _obeyed: dict[tuple[int, Command], tuple[int, tuple[tuple[int, int], ...]]] = field(default_factory=dict)

    def start(self) -> World:
        """Nothing has happened yet."""
        self.matches.of(Match())
        self.desks.of(Desk())
        known = self.intakes.of(Intake(knows_person=self.scene.knows_person))
        return World(known, (Part(),) * self.scene.incidents, self.scene.tokens)

    def tell_matcher(self, number: int, fact: matching.Fact) -> Told:
        """What a matcher that knows so much makes of a fact."""
        key = number, fact
        if key not in self.told_matcher:
            outcome = self.rules.match(self.matches[number], fact)
            said = [(PUBLISHED[type(each)], each.attempt) for each in outcome.decisions if type(each) in PUBLISHED]
            verdicts = tuple(self.verdicts.of(each) for each in said)
            self.told_matcher[key] = Told(self.matches.of(outcome.case), verdicts)
        return self.told_matcher[key]

    def tell_notifier(self, number: int, *facts: outreach.Fact) -> Told:
        """What a notifier that knows so much makes of facts."""
        told = Told(number)
        for fact in facts:
            key = told.number, fact
            if key not in self.told_notifier:
                desk, said = notifier_party.fold_in(self.desks[told.number], fact, self.rules)
                to_matcher = [each for each in said if each.name in STEPS and not _is_about_none(each)]
                to_intake = [each for each in said if each.name in OUTREACH_STEPS]
                self.told_notifier[key] = Told(
                    self.desks.of(desk),
                    to_matcher=tuple(self.steps.of(each) for each in to_matcher),
                    to_intake=tuple(self.steps.of(each) for each in to_intake),
                )
            new = self.told_notifier[key]
            told = Told(new.number, (), told.to_matcher + new.to_matcher, told.to_intake + new.to_intake)
        return told

    def command(self, world: World, command: Command) -> World:
        """The world after intake obeyed; what it publishes goes to both readers."""
        key = world.intake, command
        if key not in self._obeyed:
            after, said = intake_party.obey(self.intakes[world.intake], command, self.rules)
            numbered = tuple((number, self.referral_events.of(each)) for number, each in said)
            self._obeyed[key] = self.intakes.of(after), numbered
        known, published = self._obeyed[key]
        parts = list(world.parts)
        for number, event in published:
            part = parts[number]
            parts[number] = part._replace(
                referrals_to_matcher=(*part.referrals_to_matcher, event),
                referrals_to_notifier=(*part.referrals_to_notifier, event),
            )
        return World(known, tuple(parts), world.left)


STEPS: Mapping[str, Callable[[int], matching.Fact]] = {
    "supporter-notified": lambda attempt: matching.Notified(attempt, AT),
    "supporter-accepted": matching.Accepted,
    "supporter-declined": matching.Declined,
    "other-supporter-requested": lambda attempt: matching.OtherRequested(attempt, AT),
    "delivery-failed": matching.Undelivered,
    "retraction-declined": lambda _attempt: matching.Stands(),
    "closed": lambda _attempt: matching.Closed(AT),
    "wants-to-talk": lambda _attempt: matching.Wish(AT, wants=True),
    "does-not-want": lambda _attempt: matching.Wish(AT, wants=False),
}
"""What each step tells matcher; the steps that it does not act on are left out on their way."""

VERDICTS: Mapping[str, Callable[[int], outreach.Fact]] = {
    "P": lambda attempt: outreach.Proposed(AT, attempt),
    "C": lambda attempt: outreach.Confirmed(AT, attempt),
    "R": lambda attempt: outreach.Released(AT, attempt),
    "Q": lambda attempt: outreach.ReleaseRequested(AT, attempt, f"q{attempt}"),
}
"""What each of matcher's events tells notifier."""


def _is_about_none(step: Step) -> bool:
    return step.name == "delivery-failed" and not step.attempt


def facts_for_matcher(said: Said, scene: Scene) -> tuple[matching.Fact, ...]:
    """What an event of intake tells matcher of its own referral."""
    match said.kind:
        case "created":
            return (matching.Created(said.sequence, True, scene.invites_first, scene.supporters),)
        case "joined":
            return (matching.Joined(said.sequence, True),)
        case "amended":
            return (matching.Amended(said.sequence, True),)
        case "withdrawn":
            return (matching.Withdrawn(),)
    return ()


def facts_for_notifier(said: Said, scene: Scene) -> tuple[outreach.Fact, ...]:
    """What an event of intake tells notifier of its own referral."""
    match said.kind:
        case "created":
            return outreach.Created(AT, scene.invites_first), outreach.BecameReadable(AT)
        case "amended":
            return (outreach.BecameReadable(AT),)
        case "withdrawn":
            return (outreach.Withdrawn(AT, outreach.Withdrawal(said.withdrawal)),)
    return ()
