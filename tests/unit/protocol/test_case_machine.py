"""
One physician's cases under anything that may happen, step by step and at random, on the services' real rules.

Here is what is too much to look at in every order: three incidents, three supporters, everything that people,
sources, coordinators, the directory and the mail server may do, and any event that comes again. It holds at
every step: the case is moving, closed, or on a worklist; never two supporters with a name; never two cases.
"""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from notifier.domain.facts import Button

from tests.unit.protocol.invariants import Invariants
from tests.unit.protocol.rules import Rules
from tests.unit.protocol.steps import QUEUES, Move, Steps
from tests.unit.protocol.variants import LOSES_A_LATE_JOIN, SHOWS_THE_NAME_EARLY
from tests.unit.protocol.world import Parties, Scene, World

INCIDENTS, SUPPORTERS = 3, 3
OF_EACH_INCIDENT = ("report", "again", "retract", "wish", "dismiss")
ONCE = ("load", "retry", "leave", "break", "close", "other", "wait", "unknown", "failed", "refused", "resend")
TOKENS = frozenset({f"{verb}-{number}" for verb in OF_EACH_INCIDENT for number in range(INCIDENTS)} | set(ONCE))
FROM_OUTSIDE = (*OF_EACH_INCIDENT, "load")
picks = st.integers(0, 2**16)


class Cases(RuleBasedStateMachine):
    """Chooses among the steps that are possible; every kind of step has its rule, so that none crowds out another."""

    rules_of_parties = Rules()

    def __init__(self) -> None:
        super().__init__()
        self.world: World | None = None
        self.moves: list[Move] = []
        self.read: list[tuple[int, str, int]] = []

    @initialize(knows=st.booleans(), approval=st.booleans(), invites=st.booleans())
    def begin(self, knows: bool, approval: bool, invites: bool) -> None:
        scene = Scene(SUPPORTERS, INCIDENTS, TOKENS, approval, invites, frozenset(Button), knows)
        self.parties = Parties(scene, self.rules_of_parties)
        self.steps, self.watch = Steps(self.parties), Invariants(self.parties)
        self._reach(self.parties.start())

    @rule(pick=picks)
    def somebody_else_says_something(self, pick: int) -> None:
        """A source, the directory, or a coordinator at intake."""
        self._take(pick, FROM_OUTSIDE)

    @rule(pick=picks)
    def something_arrives(self, pick: int) -> None:
        """An event is read, or a message is handed over: what is sure to happen at some time."""
        self._take(pick, ("m:", "n:", "i:"), sure=True)

    @rule(pick=picks)
    def a_person_says_something(self, pick: int) -> None:
        """A supporter or the physician, on their page."""
        self._take(pick, ("s:", "p:"))

    @rule(pick=picks)
    def a_coordinator_or_the_roster_changes_something(self, pick: int) -> None:
        """An act on an item, a suggestion, or a supporter who leaves."""
        self._take(pick, ("c:", "m:"), sure=False)

    @rule(times=st.integers(2, 12))
    def all_goes_its_way(self, times: int) -> None:
        """For a while nobody does anything: events arrive, time passes."""
        for _ in range(times):
            self._take(0, ("m:", "n:", "i:"), sure=True)

    @rule(pick=picks)
    def an_event_comes_again(self, pick: int) -> None:
        """After a restart, a restore or a replay: of what was read before nothing follows a second time."""
        if not self.read:
            return
        number, queue, event = self.read[pick % len(self.read)]
        assert self.world is not None
        waiting = getattr(self.world.parts[number], queue)
        parts = list(self.world.parts)
        parts[number] = parts[number]._replace(**{queue: (event, *waiting)})  # type: ignore[arg-type]  # a queue, by its name

        again = self.steps.read(self.world._replace(parts=tuple(parts)), number, queue)

        assert again.world == self.world

    @precondition(lambda self: self.world is not None)
    @invariant()
    def nothing_is_wrong(self) -> None:
        assert self.world is not None
        assert list(self.watch.broken(self.world, self.moves)) == []

    def _take(self, pick: int, kinds: tuple[str, ...], *, sure: bool | None = None) -> None:
        possible = [
            move
            for move in self.moves
            if move.name.startswith(kinds) and (sure is None or move.sure is sure or move.idle)
        ]
        if not possible:
            return
        move = possible[pick % len(possible)]
        assert self.world is not None
        assert list(self.watch.broken_by(self.world, move)) == []
        self._note_what_was_read(move)
        self._reach(move.world)

    def _note_what_was_read(self, move: Move) -> None:
        assert self.world is not None
        before, after = self.world.parts[move.number], move.world.parts[move.number]
        for queue in QUEUES:
            was, is_now = getattr(before, queue), getattr(after, queue)
            if (
                was
                and is_now[: len(was) - 1] == was[1:]
                and len(is_now) < len(was)
                and self._may_come_again(queue, was[0])
            ):
                self.read.append((move.number, queue, was[0]))

    def _may_come_again(self, queue: str, event: int) -> bool:
        """A join is told from a repeat by the inbox alone: the case that took it may have closed since."""
        return queue != "referrals_to_notifier" or self.parties.referral_events[event].kind != "joined"

    def _reach(self, world: World) -> None:
        self.world, self.moves = world, self.steps.of(world)


BRISK = settings(
    max_examples=120,
    stateful_step_count=60,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
Cases.TestCase.settings = BRISK
TestCases = Cases.TestCase


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_nor_is_anything_wrong_after_longer_and_random_lives() -> None:
    run_state_machine_as_test(
        Cases, settings=settings(BRISK, max_examples=20_000, stateful_step_count=120, derandomize=False)
    )


@pytest.mark.parametrize("naive", [SHOWS_THE_NAME_EARLY, LOSES_A_LATE_JOIN])
def test_a_naive_party_is_found_out_by_chance_too(naive: Rules) -> None:
    class Naive(Cases):
        rules_of_parties = naive

    with pytest.raises(AssertionError):
        # The order of sets, and so the moves that are drawn, differ from process to process: it ends at the first find.
        run_state_machine_as_test(Naive, settings=settings(BRISK, max_examples=5_000, phases=[Phase.generate]))
