"""What stands on Kafka: followed while the campaign runs, and read from the beginning at its end."""

import asyncio
import contextlib
import hashlib
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from peerline.compartments import ContactProfile, Origin, SupporterContact
from peerline.events import (
    REGISTRY,
    Audience,
    Event,
    MatchProposed,
    MatchUnavailable,
    OutreachLogged,
    ReferralCreated,
    ReferralWithdrawn,
    Topic,
    WorklistChanged,
)
from peerline.events.base import Part
from peerline.sealing import Opener, Unreadable
from peerline_local import keys
from peerline_local.home import Home, read_json
from pydantic import ValidationError

from tests.faults.campaign.ground import PARTITIONS

E = TypeVar("E", bound=Event)
P = TypeVar("P", bound=Part)
Place = tuple[str, int, int]
EVENT_TOPICS = tuple(topic for topic in Topic if topic is not Topic.ADVERSE_EVENTS)
ALL = [TopicPartition(topic, number) for topic in EVENT_TOPICS for number in range(PARTITIONS)]


OURS = "campaign"
"""The header of a record that the campaign wrote; its value says what it is."""
SET_ASIDE = ("later-type", "contradiction")
"""Records of ours that services must set aside."""


@dataclass(frozen=True)
class Logged:
    """An event, and when and where its record was appended."""

    event: Event
    place: Place
    appended_at: datetime


def ours(record: Any) -> str | None:
    """What a record of ours is; None for one that a service wrote."""
    what = dict(record.headers).get(OURS)
    return what.decode() if what else None


def place_of(record: Any) -> Place:
    """Topic, partition and offset."""
    return (record.topic, record.partition, record.offset)


def event_of(record: Any) -> Event | None:
    """The event in a record; None for one that is none of ours."""
    model = REGISTRY.get((dict(record.headers).get("ce_type") or b"").decode("ascii", "replace"))
    try:
        return model.read(record.value or b"") if model else None
    except ValidationError:
        return None


class Seals:
    """Opens compartments under the keys of a home."""

    def __init__(self, home: Home) -> None:
        self._openers = {
            audience: Opener(read_json(keys.opening_keys(home, audience)))
            for audience in (Audience.DESK, Audience.NOTIFIER)
        }

    def origin(self, event: Event) -> Origin | None:
        """Where a referral came from."""
        return self._open(event, Audience.DESK, Origin)

    def person(self, event: Event) -> ContactProfile | None:
        """Whom a referral is for."""
        return self._open(event, Audience.NOTIFIER, ContactProfile)

    def supporter(self, event: Event) -> SupporterContact | None:
        """Who is to be asked."""
        return self._open(event, Audience.NOTIFIER, SupporterContact)

    def _open(self, event: Event, audience: Audience, model: type[P]) -> P | None:
        sealed = getattr(event.sealed, audience.value, None) if event.sealed else None
        with contextlib.suppress(Unreadable):
            if sealed:
                return self._openers[audience].open(sealed, model, referral_id=event.referral_id, event_type=event.name)
        return None


@dataclass
class Topics:
    """Every event that the services wrote, by referral in the order of its writer; what we wrote is left out."""

    by_referral: dict[UUID, list[Logged]] = field(default_factory=lambda: defaultdict(list))
    repeated: list[Logged] = field(default_factory=list)
    """Events that stand on a topic again, though nobody but their writer wrote them."""
    unreadable: list[Place] = field(default_factory=list)
    contradicted: list[UUID] = field(default_factory=list)
    """Ids that stand on a topic with two bodies."""
    ours: dict[Place, tuple[str, str]] = field(default_factory=dict)
    """What each record of ours is, and the type it claims."""
    records: int = 0
    _digests: dict[UUID, bytes] = field(default_factory=dict)

    def about(self, referral_id: UUID, kind: type[E]) -> list[E]:
        """A referral's events of a type, in order."""
        return [each.event for each in self.by_referral.get(referral_id, []) if isinstance(each.event, kind)]

    def all(self, kind: type[E]) -> list[E]:
        """Every event of a type."""
        return [event for referral_id in self.by_referral for event in self.about(referral_id, kind)]

    def add(self, records: Iterable[Any]) -> None:
        """Take in records."""
        for record in records:
            place = place_of(record)
            if what := ours(record):
                self.ours[place] = (what, dict(record.headers)["ce_type"].decode())
                continue
            self.records += 1
            event = event_of(record)
            if event is None:
                self.unreadable.append(place)
                continue
            logged = Logged(event, place, datetime.fromtimestamp(record.timestamp / 1000, UTC))
            digest = hashlib.sha256(record.value or b"").digest()
            if event.event_id in self._digests:
                self.repeated.append(logged)
                if self._digests[event.event_id] != digest:
                    self.contradicted.append(event.event_id)
                continue
            self._digests[event.event_id] = digest
            if not isinstance(event, WorklistChanged):  # it counts for itself, and may be about no referral
                self.by_referral[event.referral_id].append(logged)

    def sort(self) -> None:
        """Order each referral's events by writer and the writer's counter."""
        for logged in self.by_referral.values():
            logged.sort(key=lambda each: (each.event.topic, each.event.sequence))


async def read_all(bootstrap: str) -> tuple[Topics, list[bytes]]:
    """Every event there is, and the records as bytes with keys and headers."""
    topics, raw = Topics(), []
    consumer = _consumer(bootstrap)
    await consumer.start()
    try:
        consumer.assign(ALL)
        ends = await consumer.end_offsets(ALL)
        waiting = {partition for partition, end in ends.items() if end}
        while waiting:
            batches = await consumer.getmany(*waiting, timeout_ms=500)
            for records in batches.values():
                topics.add(records)
                raw += [_bytes_of(record) for record in records]
            waiting = {each for each in waiting if await consumer.position(each) < ends[each]}
    finally:
        await consumer.stop()
    topics.sort()
    return topics, raw


def _bytes_of(record: Any) -> bytes:
    return b"\0".join([record.key or b"", record.value or b"", *[value or b"" for _, value in record.headers]])


def _consumer(bootstrap: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,
        request_timeout_ms=10_000,
    )


def _is_closing(event: Event) -> bool:
    return isinstance(event, OutreachLogged) and event.step == "closed"


class Tail:
    """Follows the topics while the campaign runs: who waits for a supporter, and what came of a probe."""

    def __init__(self, bootstrap: str, seals: Seals) -> None:
        self._bootstrap = bootstrap
        self._seals = seals
        self._positions: dict[TopicPartition, int] = {}
        self.created: dict[UUID, str] = {}
        """Referrals by their incident."""
        self.answered: set[UUID] = set()
        """Referrals for which somebody was proposed, or nobody found, or which were taken back."""
        self.counts: Counter[str] = Counter()
        self.recent: deque[Any] = deque(maxlen=400)
        """Some records, to be written again."""
        self.ours: dict[Place, str] = {}
        """Records that the campaign wrote, and what they are."""
        self.last_at = 0.0

    async def follow(self) -> None:
        """Read on, through every failure, until cancelled."""
        while True:
            with contextlib.suppress(KafkaError, OSError):
                async for record in self._records():
                    self._note(record)
            await asyncio.sleep(0.5)

    async def _records(self) -> AsyncIterator[Any]:
        consumer = _consumer(self._bootstrap)
        await consumer.start()
        try:
            consumer.assign(ALL)
            for partition, position in self._positions.items():
                consumer.seek(partition, position)
            while True:
                for partition, records in (await consumer.getmany(timeout_ms=200)).items():
                    for record in records:
                        self._positions[partition] = record.offset + 1
                        yield record
        finally:
            await consumer.stop()

    def _note(self, record: Any) -> None:
        if what := ours(record):
            self.ours[place_of(record)] = what
            return
        event = event_of(record)
        if event is None:
            return
        self.last_at = asyncio.get_running_loop().time()
        self.counts[event.name] += 1
        self.recent.append(record)
        if isinstance(event, ReferralCreated) and event.referral_id not in self.created:
            origin = self._seals.origin(event)
            self.created[event.referral_id] = (origin.incident if origin else None) or ""
        elif isinstance(event, MatchProposed | MatchUnavailable | ReferralWithdrawn) or _is_closing(event):
            self.answered.add(event.referral_id)

    @property
    def waiting(self) -> int:
        """How many referrals wait for a first supporter."""
        return len(self.created.keys() - self.answered)

    def is_answered(self, incident: str) -> bool:
        """Whether somebody was proposed for an incident."""
        return any(self.created[each] == incident for each in self.answered if each in self.created)
