"""What the scripted mail server does with each connection and message."""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Act(StrEnum):
    """What the server does with a connection, or with one message."""

    ACCEPT = "accept"

    # with a connection
    RESET = "reset"  # accepted by the kernel, ended before a greeting
    NEVER_GREET = "never-greet"
    GREET_421 = "greet-421"
    TRICKLE = "trickle"  # every answer one byte a second

    # with a message; only those of KEEPING deliver it
    RCPT_451 = "rcpt-451"
    RCPT_550 = "rcpt-550"
    DATA_451 = "data-451"  # after the content, as the next
    DATA_550 = "data-550"
    CUT_IN_DATA = "cut-in-data"
    CUT_BEFORE_250 = "cut-before-250"  # delivered, and never said
    CUT_AFTER_250 = "cut-after-250"
    HANG_AFTER_DATA = "hang-after-data"  # delivered, and never said
    TRICKLE_AFTER_DATA = "trickle-after-data"
    SLOW = "slow"  # accepts after a while


OF_CONNECTIONS = frozenset({Act.RESET, Act.NEVER_GREET, Act.GREET_421, Act.TRICKLE})
OF_MESSAGES = frozenset(Act) - OF_CONNECTIONS - {Act.ACCEPT}
REFUSALS = {
    Act.RCPT_451: "451 4.3.0 not now",
    Act.RCPT_550: "550 5.1.1 nobody of that name",
    Act.DATA_451: "451 4.3.0 not now",
    Act.DATA_550: "550 5.7.1 not this",
}


@dataclass
class Script:
    """
    What is done with each connection and message: first what is planned, in turn; then by chance; else accepted.

    A chance is a probability between 0 and 1. What falls to the n-th connection, or to the n-th message for a
    recipient, depends on the seed only, not on how connections interleave.
    """

    connections: list[Act] = field(default_factory=list)
    messages: dict[str, list[Act]] = field(default_factory=dict)  # by recipient; under "" for anybody
    always: dict[str, Act] = field(default_factory=dict)  # by recipient
    chances: dict[Act, float] = field(default_factory=dict)
    seed: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def connection(self) -> Act:
        """What is done with the next connection."""
        self.counts["connection"] += 1
        if self.connections:
            return self.connections.pop(0)
        return self._by_chance(OF_CONNECTIONS, f"connection/{self.counts['connection']}")

    def message(self, recipient: str) -> Act:
        """What is done with the next message for a recipient."""
        self.counts[recipient] += 1
        for planned in (self.messages.get(recipient), self.messages.get("")):
            if planned:
                return planned.pop(0)
        if recipient in self.always:
            return self.always[recipient]
        return self._by_chance(OF_MESSAGES, f"{recipient}/{self.counts[recipient]}")

    def _by_chance(self, acts: frozenset[Act], what: str) -> Act:
        point = random.Random(f"{self.seed}/{what}").random()
        for act, chance in self.chances.items():
            if act in acts:
                point -= chance
                if point < 0:
                    return act
        return Act.ACCEPT


def chances_of(given: Mapping[str, Any]) -> dict[Act, float]:
    """Chances by the names of acts; ValueError for what is no act."""
    return {Act(name): float(chance) for name, chance in given.items()}
