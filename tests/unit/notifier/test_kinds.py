"""Every kind of worklist item has words that a coordinator can read."""

import re
from pathlib import Path

from intake.domain import settling
from matcher.domain.state import Kind
from notifier.sends.coordinators import WORDS

SERVICES = Path(__file__).parents[3] / "services"
LITERAL = re.compile(r"(?:open_item\(|\bOpen\()\s*\"([a-z-]+)\"")
NAMED = re.compile(r"^(?:STUCK|ITEM|BEYOND_END|NOT_RECALLED|UNREACHABLE) = \"([a-z-]+)\"", re.MULTILINE)


def test_every_kind_that_a_service_opens_has_words() -> None:
    texts = [path.read_text() for path in SERVICES.rglob("*.py")]
    opened = {kind for text in texts for kind in (*LITERAL.findall(text), *NAMED.findall(text))}
    opened |= {*Kind, *settling.ABOUT_PEOPLE, settling.CONFLICTING_REPORT, settling.PARTICIPANT_REMOVED}

    assert {
        "quarantined",
        "halted",
        "position-beyond-end",
        "records-lost",
        "stuck",
        "silent",
        "restored",
        "coordinator-unreachable",
    } <= opened
    assert opened - WORDS.keys() == set()
