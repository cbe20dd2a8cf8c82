"""Every fault that the delivery path must survive has tests named for it, `test_fault_<number>_<sentence>`."""

import re
from pathlib import Path

FAULTS = {
    1: "intake dies after its commit, before it has answered",
    2: "the relay dies between publishing and deleting",
    3: "matcher dies inside a transaction",
    4: "matcher dies before Kafka knows its position",
    5: "notifier dies after it has claimed a message, before it connects",
    6: "notifier dies after the mail server has taken a message",
    7: "sla-monitor dies between deciding a breach and publishing it",
    8: "two sla-monitors",
    9: "a notifier that is frozen while it sends",
    10: "the broker crashes",
    11: "the broker is away for long",
    12: "PostgreSQL crashes",
    13: "a table is locked",
    14: "a database is older than its topics",
    15: "the mail server refuses for now",
    16: "the mail server refuses for good",
    17: "the mail server trickles",
    18: "the mail server cuts the connection after the content",
    19: "several recipients",
    21: "an event twice",
    22: "the same event id with another body",
    23: "events out of order",
    24: "a record that nobody can read",
    25: "an event from the future",
    26: "old and new versions of an event together",
    27: "a storm of rebalances",
    28: "all topics read again from the beginning",
    29: "the group's offsets are lost",
    30: "clocks that are an hour wrong",
    33: "a slow consumer under a burst",
}
TESTS = Path(__file__).parents[1]


def test_every_fault_has_a_test_that_is_named_for_it() -> None:
    named = {
        int(number)
        for path in TESTS.rglob("test_*.py")
        for number in re.findall(r"def test_fault_(\d\d)_\w+\(", path.read_text())
    }

    assert named == FAULTS.keys()
