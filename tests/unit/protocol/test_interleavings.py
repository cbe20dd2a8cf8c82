"""
Who moves the case (design, section 4): every interleaving of the real rules of intake, matcher and notifier.

Whatever is on its way arrives in any order but its own topic's; anybody may act at any time. A scene says what
may happen at all, so that every state of it can be looked at. What is wrong in a state is in `invariants`.
"""

import pytest
from notifier.domain.facts import Button

from tests.unit.protocol import variants
from tests.unit.protocol.exploring import explore
from tests.unit.protocol.redelivery import changed_by_a_repeat
from tests.unit.protocol.rules import Rules
from tests.unit.protocol.world import Scene

ALL_BUTTONS = frozenset(Button)
ON = frozenset({Button.YES, Button.SHOW_CONTACT})


def scene(*tokens: str, **more: object) -> Scene:
    """A scene in which one incident is reported and these things may happen besides, each once."""
    return Scene(tokens=frozenset({"report-0", *tokens}), **more)  # type: ignore[arg-type]


def joining(*tokens: str, incidents: int = 2) -> Scene:
    """Several incidents of one physician whose cases only a coordinator closes: nobody is there to be asked."""
    reports = [f"report-{number}" for number in range(1, incidents)]
    return scene(*reports, "close", *tokens, supporters=0, incidents=incidents)


SCENES = {
    "the source retracts": (scene("retract-0", buttons=ON | {Button.DECLINE}), 10_000),
    "the physician withdraws after the source has retracted or not": (
        scene("wish-0", "retract-0", supporters=1),
        20_000,
    ),
    "a rule is newly broken": (scene("break", buttons=ON), 5_000),
    "a supporter leaves": (scene("leave", buttons=ON), 5_000),
    "all that a supporter may say, and silence": (scene("wait", supporters=1, buttons=ALL_BUTTONS), 1_000),
    "the physician asks for another": (scene("other", buttons=ON), 4_000),
    "nobody knows whether the first was told to stop": (scene("other", "unknown-supporter-stopped", buttons=ON), 3_000),
    "a message may have arrived": (scene("unknown", "resend", supporters=1), 1_000),
    "a message cannot be delivered": (scene("failed", "refused", supporters=1), 1_000),
    "the programme approves": (scene("wish-0", "retry", supporters=1, needs_approval=True), 5_000),
    "the programme invites": (
        scene("retract-0", supporters=1, invites_first=True, buttons=frozenset({Button.YES})),
        5_000,
    ),
    "an invitation may have arrived": (scene("unknown", supporters=0, invites_first=True), 300),
    "somebody whom the directory learns of late": (
        scene("load", "dismiss-0", "retract-0", "wish-0", supporters=1, knows_person=False, buttons=ON),
        10_000,
    ),
    "a further trigger joins": (joining("wish-1", "retract-0", "again-0"), 10_000),
    "both triggers are retracted": (joining("retract-0", "retract-1"), 10_000),
    "a third trigger comes": (joining(incidents=3), 10_000),
    "a further trigger joins a case that a supporter has": (
        scene("report-1", supporters=1, incidents=2, buttons=ON - {Button.SHOW_CONTACT}),
        500,
    ),
}
"""What may happen, and how many states there are at least: an exploration that goes nowhere proves nothing."""


@pytest.mark.parametrize("name", SCENES)
def test_in_no_interleaving_is_a_rule_broken_or_a_case_left_lying(name: str) -> None:
    explored, at_least = explore(SCENES[name][0]), SCENES[name][1]

    repeats = changed_by_a_repeat(explored.parties)

    assert explored.wrong is None
    assert repeats == []
    assert explored.states > at_least


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("longer", "at_least"),
    [
        (scene("retract-0", supporters=3), 500_000),
        (scene("wish-0", "break", "other"), 300_000),
        (scene("break", "leave", supporters=3, buttons=ON | {Button.DECLINE}), 300_000),
        (scene("other", "close", "wait"), 200_000),
        (scene("other", "failed", "resend"), 100_000),
        (scene("retract-0", "unknown", supporters=1, invites_first=True), 200_000),
        (scene("report-1", supporters=1, incidents=2), 500_000),
        (joining("wish-0", incidents=3), 300_000),
        (joining("retract-0", "retract-1", incidents=3), 300_000),
    ],
)
def test_nor_in_longer_ones(longer: Scene, at_least: int) -> None:
    explored = explore(longer)

    repeats = changed_by_a_repeat(explored.parties)

    assert explored.wrong is None
    assert repeats == []
    assert explored.states > at_least


@pytest.mark.parametrize(
    ("naive", "where", "wrong"),
    [
        (variants.RELEASES_A_CONFIRMED_MATCH, scene("break"), "another supporter is sought while one has the name"),
        (variants.FORGETS_AN_EARLY_ANSWER, scene("retract-0", "other"), "nobody moves the case"),
        (variants.ASKS_THE_SAME_AGAIN, scene(), "the same supporter is asked again"),
        (variants.SHOWS_THE_NAME_EARLY, scene(), "a name is shown before the match is confirmed"),
        (variants.CLOSES_AT_EACH_RETRACTION, scene("retract-0"), "a retraction closes a case"),
        (variants.CLOSES_AT_EACH_RETRACTION, scene("retract-0", invites_first=True), "a retraction closes a case"),
        (variants.DECLINES_IN_SILENCE, scene("retract-0", "other"), "nobody moves the case"),
        (variants.LOSES_A_LATE_JOIN, joining(), "nobody moves the case"),
        (variants.STOPS_IN_SILENCE, scene("other"), "a supporter who holds the contact is not told to stop"),
        (variants.ENDS_A_HOLDER_ON_REQUEST, scene("break"), "nobody moves the case"),
        (variants.WAITS_FOR_EVER, scene(supporters=1), "nobody moves the case"),
        (variants.LEAVES_QUESTIONS_OPEN, scene("unknown"), "a delivery is asked about that no longer matters"),
        (variants.ASKS_BEFORE_STOPPED, scene("other", buttons=ON), "the next supporter is asked before"),
        (variants.ASKS_WHEN_STOP_IS_IN_DOUBT, scene("other", "unknown", buttons=ON), "the next supporter is asked"),
        (variants.OPENS_FOR_EACH_REFUSED_JOIN, joining(incidents=3), "one physician has two open cases"),
        (variants.FORGETS_WHO_WAITS, joining("wish-0"), "nobody moves the case"),
    ],
)
def test_a_naive_party_is_found_out(naive: Rules, where: Scene, wrong: str) -> None:
    found = explore(where, naive).wrong

    assert found is not None
    assert found.startswith(wrong)


def test_a_party_that_answers_a_repeat_is_found_out() -> None:
    explored = explore(scene(supporters=1), variants.CONFIRMS_AGAIN)

    assert changed_by_a_repeat(explored.parties)
