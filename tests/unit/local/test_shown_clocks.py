"""What the demo shows of clocks."""

from pathlib import Path

from peerline.programme import read_programmes
from peerline_local.demo.clocks import in_lines, kinds_of

PROGRAMMES = read_programmes(Path(__file__).parents[3] / "deploy" / "programmes")


def test_every_kind_that_a_programme_has_is_named_once() -> None:
    assert kinds_of(PROGRAMMES) == ["match", "first-contact", "answer", "response", "follow-up", "resources"]


def test_a_clock_is_two_lines_the_second_of_which_is_why() -> None:
    running = {
        "clock": "answer",
        "programme": "shcp",
        "firmness": "internal",
        "state": "running",
        "due_local": "2026-11-24T19:30:00-05:00",
        "explanation": "because",
    }

    paused = running | {"clock": "resources", "state": "paused", "due_local": None, "explanation": "why"}

    shown = list(in_lines([running, paused]))

    assert shown == [
        (2, "answer (internal): running, due Tue 24 Nov 19:30"),
        (4, "because"),
        (2, "resources (internal): paused"),
        (4, "why"),
    ]
