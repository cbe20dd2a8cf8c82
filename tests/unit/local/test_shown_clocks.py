"""What the demo shows of a clock: one that nothing has started waits, and says what would start it and when it would be due."""

from pathlib import Path

import pytest
from peerline.programme import read_programmes
from peerline_local.demo.clocks import in_lines, kinds_of, waiting

PROGRAMMES = read_programmes(Path(__file__).parents[3] / "deploy" / "programmes")


def test_every_kind_that_a_programme_has_is_named_once() -> None:
    assert kinds_of(PROGRAMMES) == ["match", "first-contact", "answer", "response", "follow-up", "resources"]


@pytest.mark.parametrize(
    ("kind", "programme", "beginning"),
    [
        ("match", "rcaps", "received "),
        ("answer", "rcaps", "started by supporter-notified "),
        ("follow-up", "shcp", "started by contact-made "),
        ("resources", "shcp", "started by resources-permitted "),
    ],
)
def test_a_clock_that_nothing_has_started_says_what_would(kind: str, programme: str, beginning: str) -> None:
    clock = waiting(kind, PROGRAMMES)

    assert (clock["clock"], clock["programme"], clock["state"], clock["due_local"]) == (
        kind,
        programme,
        "waiting",
        None,
    )
    assert clock["explanation"].startswith(f"nothing has started it; if that happened now: {beginning}")


def test_a_clock_is_two_lines_the_second_of_which_is_why() -> None:
    running = {
        "clock": "answer",
        "programme": "shcp",
        "firmness": "internal",
        "state": "running",
        "due_local": "2026-11-24T19:30:00-05:00",
        "explanation": "because",
    }

    shown = list(in_lines([running, waiting("resources", PROGRAMMES) | {"explanation": "why"}]))

    assert shown == [
        (2, "answer (internal): running, due Tue 24 Nov 19:30"),
        (4, "because"),
        (2, "resources (internal): waiting"),
        (4, "why"),
    ]
