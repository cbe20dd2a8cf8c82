"""Records that a test writer puts on the topics: repeats, contradictions, and what a later version would write."""

import asyncio
import contextlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaProducer
from chassis import outbox
from chassis.topics import OWN_TOPIC
from chassis.work import OUTBOX_BELL
from intake.handlers import consumer as of_intake
from matcher.handlers import consumer as of_matcher
from notifier.handlers import consumer as of_notifier
from peerline.events import REGISTRY, Topic
from sla_monitor.handlers import consumer as of_sla_monitor

from tests.faults.campaign.ground import Ground
from tests.faults.campaign.people import Desk
from tests.faults.campaign.topics import OURS, SET_ASIDE, Tail, event_of, ours

CONSUMERS = {"intake": of_intake, "matcher": of_matcher, "notifier": of_notifier, "sla-monitor": of_sla_monitor}
MOST_SET_ASIDE = 2
"""Of one topic at a time: a service halts a topic at the sixth, and a person needs a moment to decide."""


class Writer:
    """Writes to the topics of others, and keeps what it wrote."""

    def __init__(self, ground: Ground, tail: Tail, desk: Desk) -> None:
        self._ground = ground
        self._tail = tail
        self._desk = desk

    async def repeat(self, dice: random.Random, count: int, topics: tuple[str, ...] = ()) -> None:
        """Some recent records once more, byte by byte."""
        found = [record for record in self._records() if not topics or record.topic in topics]
        chosen = dice.sample(found, min(count, len(found)))
        await self._write([(_place(record), record.value, list(record.headers), "repeat") for record in chosen])

    async def strange(self, dice: random.Random) -> None:
        """What later versions and faulty writers would write: a field more, a type more, another body under an id."""
        records = [record for record in self._records() if event_of(record)]
        if not records:
            return
        made = [
            self._with_a_field_more(dice),
            self._of_a_later_type(dice.choice(records), dice),
            self._contradicting(dice.choice(records)),
        ]
        fitting = [each for each in made if each and (each[3] not in SET_ASIDE or self._has_room(each[0].topic))]
        await self._write([each for each in fitting if each[3] == "contradiction"])
        for each in fitting:
            if each[3] != "contradiction":
                await self._leave(each)

    async def parked(self, dice: random.Random, topics: tuple[str, ...]) -> None:
        """One record of a later type on each of these topics; returns once the first stands there."""
        before = len(self._tail.ours)
        for topic in topics:
            found = [record for record in self._records() if record.topic == topic]
            if found and self._has_room(topic):
                await self._leave(self._of_a_later_type(dice.choice(found), dice))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                while len(self._tail.ours) == before:
                    await asyncio.sleep(0.01)

    def _records(self) -> list[Any]:
        """What services wrote of late."""
        return [record for record in self._tail.recent if ours(record) is None]

    def _has_room(self, topic: str) -> bool:
        return self._desk.to_decide(topic) < MOST_SET_ASIDE

    def _with_a_field_more(self, dice: random.Random) -> "Made | None":
        """A step of a later minor version, about a referral that nobody knows; None while no step was logged."""
        known = next((record for record in reversed(self._records()) if record.topic == Topic.OUTREACH), None)
        if known is None:
            return None
        referral_id, event_id = _uuid(dice), _uuid(dice)
        said = json.loads(known.value) | {"event_id": str(event_id), "referral_id": str(referral_id), "sequence": 1}
        said |= {"step": "meeting-scheduled", "phase": "open", "mood": "a field of a later version"}
        headers = _headers(known.headers, ce_id=str(event_id), ce_subject=str(referral_id))
        place = Place(known.topic, known.partition, str(referral_id).encode())
        return place, json.dumps(said).encode(), headers, "later-field"

    def _of_a_later_type(self, record: Any, dice: random.Random) -> "Made":
        kind = dict(record.headers)["ce_type"].decode().rpartition(".")[0]
        headers = _headers(record.headers, ce_id=str(_uuid(dice)), ce_type=f"{kind}.v9")
        return _place(record), record.value, headers, "later-type"

    def _contradicting(self, record: Any) -> "Made":
        said = json.loads(record.value) | {"occurred_at": "2026-01-01T00:00:00Z"}
        return _place(record), json.dumps(said).encode(), list(record.headers), "contradiction"

    async def _leave(self, made: "Made") -> None:
        """To the outbox of the topic's owner, as its neighbour of a later version would: one service writes a topic."""
        place, value, headers, what = made
        owner = next(service for service, topic in OWN_TOPIC.items() if str(topic) == place.topic)
        event_id = dict(headers)["ce_id"].decode()
        record = outbox.Record(place.topic, place.key, [*headers, (OURS, what.encode())], value, event_id)
        connection = await asyncpg.connect(self._ground.database(owner), timeout=3)
        try:
            async with connection.transaction():
                await outbox.append(connection, [record], bells=OUTBOX_BELL)
        finally:
            connection.terminate()

    async def _write(self, made: "Sequence[Made]") -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._ground.bootstrap, acks="all", request_timeout_ms=8_000)
        try:
            await producer.start()
            for place, value, headers, what in made:
                marked = [*headers, (OURS, what.encode())]
                await producer.send_and_wait(
                    place.topic, value, key=place.key, headers=marked, partition=place.partition
                )
        finally:
            await producer.stop()


@dataclass(frozen=True)
class Place:
    """Where a record goes."""

    topic: str
    partition: int
    key: bytes


Headers = list[tuple[str, bytes]]
Made = tuple[Place, bytes, Headers, str]
"""Where to, body, headers, and what it is."""


def readers(topic: str, ce_type: str) -> tuple[str, ...]:
    """The services that take events of a type; of a type that nobody knows, all that read the topic."""
    model = REGISTRY.get(ce_type)
    wants = {service: consumer.handler_of(model) if model else True for service, consumer in CONSUMERS.items()}
    return tuple(each for each, consumer in CONSUMERS.items() if topic in map(str, consumer.topics) and wants[each])


def _place(record: Any) -> Place:
    return Place(record.topic, record.partition, record.key)


def _uuid(dice: random.Random) -> UUID:
    return UUID(int=dice.getrandbits(128), version=4)


def _headers(headers: Sequence[tuple[str, bytes]], **changed: str) -> Headers:
    return [(name, changed[name].encode() if name in changed else value) for name, value in headers]
