"""What a scene of the samples is made of: what is handed in, and what must come of it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from peerline_local.demo.fhir import Facts
from peerline_local.demo.names import PHRASES
from peerline_local.demo.people import Person, Population

RISK, QUALITY = "shcp-risk", "shcp-quality"

_REPORTED_WITHIN = timedelta(hours=5)
"""Well below every promise, so that no clock of an ordinary incident runs out while the demo runs."""


class Way(StrEnum):
    """How a message is handed in."""

    WEBHOOK = "webhook"
    KAFKA = "kafka"
    IMPORT = "import"


class Stage(StrEnum):
    """When a message is handed in: with the first, or once the physician's contact was shown to somebody."""

    FIRST = "first"
    ONCE_CONTACTED = "once-contacted"


@dataclass(frozen=True)
class Delivery:
    """One message handed in, and how the door must answer."""

    name: str
    """Its file in the samples folder."""
    way: Way
    body: bytes
    source: str = RISK
    stage: Stage = Stage.FIRST
    status: int = 202
    """What HTTP must answer."""
    quarantined: bool = False
    """Whether the record must end in quarantine; only on Kafka."""
    key: str = ""
    """The Kafka record's key, the incident; for a webhook the message id, by which a repeat is known."""
    forged: bool = False
    """Signed with a secret that is not the source's."""


@dataclass(frozen=True)
class Offer:
    """One physician who must be offered a talk, for one incident or one request of their own."""

    person: Person
    programme: str
    door: str = "adverse-event"
    source: str | None = RISK
    incident: str | None = None
    known: bool = True
    """Whether the directory knew them when they were reported."""
    retracted: bool = False
    """Whether the source takes the report back at once: nobody need be asked any more."""

    @property
    def label(self) -> str:
        """How findings name it, without a name."""
        return f"{self.incident or self.door}/{self.person.id}"


@dataclass(frozen=True)
class Spared:
    """Somebody whom a report names and who must not be contacted for it."""

    person: Person
    incident: str
    not_eligible: bool = False
    """Involved, but no physician, or in a near miss; else the report itself gives no cause."""


@dataclass(frozen=True)
class Scene:
    """A few messages that belong together; `stranger` counts people whom no directory will ever know."""

    incidents: tuple[str, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    offers: tuple[Offer, ...] = ()
    spared: tuple[Spared, ...] = ()
    strangers: int = 0

    @property
    def goes_on_later(self) -> bool:
        """Whether something more is handed in once the physician's contact was shown."""
        return any(delivery.stage is Stage.ONCE_CONTACTED for delivery in self.deliveries)


class Cast:
    """Hands out physicians and facts of incidents in a seeded order, each physician once."""

    def __init__(self, rng: random.Random, now: datetime, people: Population) -> None:
        self.people = people
        self.now = now
        self._rng = rng
        self._waiting = list(people.of("shcp"))
        self._incidents = 0

    def physician(self) -> Person:
        """The next physician of the hospital who is in no incident yet."""
        return self._waiting.pop(0)

    def both(self) -> tuple[Person, Person]:
        """The next two."""
        return self.physician(), self.physician()

    def supporter_too(self) -> Person:
        """A physician who is also on the roster."""
        return self._waiting.pop()

    def facts(self, *, prefix: str = "EV", serious: bool = True, happened: bool = True) -> Facts:
        """A new incident of the last hours; its id holds `now`, so that each run has incidents of its own."""
        self._incidents += 1
        recorded = self.now.replace(second=0, microsecond=0) - self._within(_REPORTED_WITHIN)
        return Facts(
            id=f"{prefix}-{self.now:%y%m%d-%H%M%S}-{self._incidents:02}",
            occurred_at=recorded - self._within(timedelta(hours=20)),
            recorded_at=recorded,
            patient=self._rng.choice(self.people.patients).full,
            story=self._rng.choice(PHRASES),
            serious=serious,
            happened=happened,
        )

    def _within(self, span: timedelta) -> timedelta:
        """A time from ten minutes up to `span`, in whole minutes."""
        return timedelta(minutes=self._rng.randrange(10, span // timedelta(minutes=1)))


def offers(facts: Facts, people: Sequence[Person], source: str = RISK) -> tuple[Offer, ...]:
    """An offer for each of these people, for this incident."""
    return tuple(Offer(person, "shcp", source=source, incident=facts.id) for person in people)
