"""The schedule of a campaign and the choices of its people, drawn from the seed and nothing else."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

SERVICES = ("intake", "matcher", "notifier", "sla-monitor")
REFERRALS = 5_100
"""Handed in, so that 5,000 and more come of it: some of the reports are near misses."""


class Kind(StrEnum):
    """What can be done to the system."""

    KILL = "kill"  # kill -9 of a service
    RESTART = "restart"  # a service is asked to stop, as in a rolling restart
    FREEZE = "freeze"  # SIGSTOP beyond the session timeout, then SIGCONT
    BROKER = "broker"  # kill -9 of Kafka
    DATABASE = "database"  # immediate shutdown of PostgreSQL
    CUT = "cut"  # every connection to PostgreSQL or Kafka ends
    DELAY = "delay"  # each answer of PostgreSQL or Kafka comes late
    MAIL = "mail"  # the mail server refuses, hangs, cuts
    MAIL_AWAY = "mail-away"  # the mail server takes no connection
    JOIN = "join"  # a second process of a service comes, and goes
    ZOMBIE = "zombie"  # the first freezes with a batch in hand, and wakes when the second has taken it
    RECORDS = "records"  # repeats, contradictions, fields and types of a later version appear on a topic


WEIGHTS = {
    Kind.KILL: 30,
    Kind.RESTART: 8,
    Kind.FREEZE: 5,
    Kind.BROKER: 4,
    Kind.DATABASE: 7,
    Kind.CUT: 8,
    Kind.DELAY: 5,
    Kind.MAIL: 9,
    Kind.MAIL_AWAY: 3,
    Kind.JOIN: 4,
    Kind.ZOMBIE: 4,
    Kind.RECORDS: 13,
}
"""How often each kind is drawn."""

ONCE_A_VOLLEY = (Kind.BROKER, Kind.DATABASE, Kind.JOIN, Kind.ZOMBIE, Kind.FREEZE, Kind.DELAY, Kind.MAIL, Kind.MAIL_AWAY)
FROZEN = (12.0, 15.0)  # seconds; a consumer is out of its group after 10
ZOMBIE = (16.0, 20.0)  # seconds; time for a coordinator to decide about what the second has set aside


@dataclass(frozen=True)
class Fault:
    """One fault: what, to which service, when (seconds after its volley began), and for how long (seconds)."""

    number: int
    kind: Kind
    service: str
    at: float
    seconds: float


@dataclass(frozen=True)
class Plan:
    """A whole campaign. Volleys overlap in themselves; after each the system is left alone until it has recovered."""

    seed: int
    referrals: int
    volleys: tuple[tuple[Fault, ...], ...]
    rate: float = 9.0  # referrals handed in a second, at most
    coming: int = 400  # of those handed in, so many may have nobody proposed yet: a source that is not answered waits
    pause: float = 4.0  # seconds that a supporter takes before each press, at most

    @property
    def faults(self) -> int:
        """How many faults there are."""
        return sum(map(len, self.volleys))

    def dice(self, *what: object) -> random.Random:
        """The dice for one decision, whenever it is taken."""
        return random.Random("/".join(map(str, (self.seed, *what))))


def plan(
    seed: int, *, faults: int = 200, referrals: int = REFERRALS, size: tuple[int, int] = (6, 11), pause: float = 4.0
) -> Plan:
    """The plan of a seed: `faults` in volleys of `size`."""
    dice = random.Random(seed)
    return Plan(seed, referrals, tuple(_volleys(dice, faults, size)), pause=pause)


def _volleys(dice: random.Random, faults: int, size: tuple[int, int]) -> Iterator[tuple[Fault, ...]]:
    number = 0
    while number < faults:
        count = min(dice.randint(*size), faults - number)
        kinds = _kinds(dice, count)
        yield tuple(sorted((_fault(dice, number + n, kind) for n, kind in enumerate(kinds)), key=lambda each: each.at))
        number += count


def _kinds(dice: random.Random, count: int) -> list[Kind]:
    kinds: list[Kind] = []
    while len(kinds) < count:
        kind = dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if kind not in ONCE_A_VOLLEY or kind not in kinds:
            kinds.append(kind)
    return kinds


def _fault(dice: random.Random, number: int, kind: Kind) -> Fault:
    service = dice.choice(SERVICES)
    if kind is Kind.FREEZE:
        return Fault(number, kind, service, dice.uniform(0, 1), dice.uniform(*FROZEN))
    if kind is Kind.ZOMBIE:  # those whose events carry cases
        return Fault(number, kind, dice.choice(SERVICES[1:]), 0.0, dice.uniform(*ZOMBIE))
    return Fault(number, kind, service, dice.uniform(0, 8), dice.uniform(1, 5))
