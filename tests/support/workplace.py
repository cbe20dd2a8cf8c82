"""What one test works in: topics, databases and keys of its own on the servers of the run."""

import asyncio
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from chassis import Service, ServiceSettings, Transactions
from chassis.service import build
from fastapi import FastAPI
from peerline.cloudevents import headers_of
from peerline.events import REGISTRY, Event, Topic, WorklistChanged
from peerline.ids import Ids
from peerline.sealing import Opener, Sealer, key_set, new_key

from tests.support.servers import Servers

S = TypeVar("S", bound=ServiceSettings)
T = TypeVar("T")
REPOSITORY = Path(__file__).parents[2]
PARTITIONS = 2  # of each topic; enough for two consumers
PROGRAMMES = REPOSITORY / "deploy" / "programmes"


@dataclass
class Running:
    """A service that runs inside the test's event loop, with real Kafka and PostgreSQL."""

    app: FastAPI
    client: httpx.AsyncClient
    transactions: Transactions

    async def fetch(self, query: str, *values: Any) -> list[asyncpg.Record]:
        """Rows of the service's database."""
        async with self.transactions.pool.acquire() as connection:
            return list(await connection.fetch(query, *values))


@dataclass
class Workplace:
    """Topics, databases and keys of one test."""

    servers: Servers
    folder: Path
    name: str = field(default_factory=lambda: f"t{secrets.token_hex(5)}")

    def __post_init__(self) -> None:
        now = datetime.now(UTC)
        self.prefix = f"{self.name}."
        keys = {audience: new_key(audience, now) for audience in ("matcher", "notifier", "desk", "intake")}
        self.sealer = Sealer(key_set(keys.values(), private=False))
        self.opener = Opener(key_set(keys.values(), private=True))
        self.ids = Ids(secrets.token_bytes(32))
        self._write("sealing.json", json.dumps(key_set(keys.values(), private=False)))
        for audience, key in keys.items():
            self._write(f"opening-{audience}.json", json.dumps(key_set([key], private=True)))
        self.tokens = {role: secrets.token_urlsafe(16) for role in ("operator", "coordinator")}
        entries = [
            {"name": role, "role": role, "sha256": hashlib.sha256(token.encode()).hexdigest()}
            for role, token in self.tokens.items()
        ]
        self._write("tokens.json", json.dumps(entries))
        self._keys = {name: secrets.token_hex(32) for name in ("id", "pseudonym", "store")}
        self._databases: dict[str, str] = {}

    def database(self, service: str) -> str:
        """The URL of this test's database for a service, made on first use."""
        if service not in self._databases:
            name = f"{self.name}_{service.replace('-', '_')}"
            self._databases[service] = self.servers.postgres.create_database(name)
        return self._databases[service]

    def settings(self, kind: type[S], service: str, **more: Any) -> S:
        """The settings of a service in this workplace; `more` adds or overrides."""
        opening = self.folder / f"opening-{service}.json"
        values: dict[str, Any] = {
            "database_url": self.database(service),
            "kafka_bootstrap": self.servers.bootstrap,
            "topic_prefix": self.prefix,
            "http_port": 9,
            "programmes": PROGRAMMES,
            "id_key": self._keys["id"],
            "pseudonym_key": self._keys["pseudonym"],
            "store_key": self._keys["store"],
            "sealing_keys": self.folder / "sealing.json",
            "opening_keys": opening if opening.exists() else None,
            "tokens_file": self.folder / "tokens.json",
        }
        return kind(**values | more)

    @asynccontextmanager
    async def running(
        self, service: Service, *, role: str = "coordinator", ready: bool = True
    ) -> AsyncIterator[Running]:
        """A service in this event loop, ready unless said otherwise, with a client that has a role's token."""
        app = build(service)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app=app)
            headers = {"authorization": f"Bearer {self.tokens[role]}"}
            async with httpx.AsyncClient(transport=transport, base_url="http://service", headers=headers) as client:
                if ready:
                    await until(lambda: _is_ready(client), what=f"{service.name} to be ready")
                yield Running(app, client, app.state.transactions)

    async def produce(self, topic: Topic, *records: tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]) -> None:
        """Write raw records (key, value, headers) to a topic, in order."""
        producer = AIOKafkaProducer(bootstrap_servers=self.servers.bootstrap)
        await producer.start()
        try:
            for key, value, headers in records:
                await producer.send_and_wait(f"{self.prefix}{topic}", value, key=key, headers=headers)
        finally:
            await producer.stop()

    async def publish(self, *events: Event, source: str = "/peerline/test", traceparent: str | None = None) -> None:
        """Write events to their topics as their owner would, in order."""
        for event in events:
            headers = headers_of(event, source=source, time=datetime.now(UTC), traceparent=traceparent)
            await self.produce(event.topic, (str(event.referral_id).encode(), event.body(), headers))

    async def records(self, topic: Topic) -> list[Any]:
        """Every record of a topic now, per partition in order."""
        # Earliest from the start: a seek to the beginning races with the first reset, and may lose.
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.servers.bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=50,
        )
        await consumer.start()
        try:
            partitions = [TopicPartition(f"{self.prefix}{topic}", number) for number in range(PARTITIONS)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            return [record async for record in _until_ends(consumer, ends)]
        finally:
            await consumer.stop()

    async def count(self, topic: Topic) -> int:
        """How many records a topic holds now."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.servers.bootstrap, enable_auto_commit=False)
        await consumer.start()
        try:
            partitions = [TopicPartition(f"{self.prefix}{topic}", number) for number in range(PARTITIONS)]
            consumer.assign(partitions)
            return sum((await consumer.end_offsets(partitions)).values())
        finally:
            await consumer.stop()

    async def events(self, topic: Topic) -> list[Event]:
        """Every event about a referral that a topic has now, per referral in order; not what is said of worklists."""
        return [event for event in await self._all_events(topic) if not isinstance(event, WorklistChanged)]

    async def worklist_changes(self, topic: Topic) -> list[WorklistChanged]:
        """What the writer of a topic has said of its worklist, per referral in order."""
        return [event for event in await self._all_events(topic) if isinstance(event, WorklistChanged)]

    async def _all_events(self, topic: Topic) -> list[Event]:
        records = await self.records(topic)
        return [REGISTRY[dict(record.headers)["ce_type"].decode()].read(record.value) for record in records]

    async def wait_for(
        self, topic: Topic, wanted: Callable[[list[Event]], bool], *, seconds: float = 20, what: str = "events"
    ) -> list[Event]:
        """The events of a topic, once they are as wanted; AssertionError after `seconds`."""
        found: list[Event] = []

        async def is_so() -> bool:
            found[:] = await self.events(topic)
            return wanted(found)

        await until(is_so, seconds=seconds, what=what)
        return found

    def _write(self, name: str, text: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 20, what: str = "a condition") -> None:
    """Wait until a condition holds; AssertionError naming it after `seconds`."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline, f"waited {seconds} s for {what}"
        await asyncio.sleep(0.1)


async def _is_ready(client: httpx.AsyncClient) -> bool:
    return (await client.get("/ready")).status_code == 200


async def _until_ends(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> AsyncIterator[Any]:
    waiting = {partition for partition, end in ends.items() if end}
    while waiting:
        batches = await consumer.getmany(*waiting, timeout_ms=500)
        for partition, records in batches.items():
            for record in records:
                if record.offset < ends[partition]:
                    yield record
        waiting = {partition for partition in waiting if await consumer.position(partition) < ends[partition]}
