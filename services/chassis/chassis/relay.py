"""
The relay: one process per service publishes the outbox, in order.

Elected by an advisory lock on a connection of its own, through which it also reads and deletes: when the
connection is gone, so is the right to delete. It deletes exactly what the broker acknowledged. Events of
one referral go out one after the other: the next only when the one before is acknowledged.

A leader that was killed between the broker's answer and the deletion leaves rows that are published
already. The topic has no other writer, so whoever leads next finds them at its end and deletes them.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Sequence

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from chassis import metrics, outbox
from chassis.bell import Bell
from chassis.database import Connection
from chassis.failures import THE_WORLD
from chassis.log import logger
from chassis.outbox import Record
from chassis.work import OUTBOX_BELL

LOCK = 0x6F75_7462_6F78  # "outbox"
BATCH = 500
STANDBY = 1.0  # seconds between a standby's attempts to become leader
log = logger("chassis")


class Relay:
    """Publishes a service's outbox while it is the leader."""

    def __init__(self, url: str, bootstrap: str, service: str, bell: Bell, prefix: str = "") -> None:
        self._url = url
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._client_id = f"peerline-{service}-relay"
        self._rung = bell.hear(OUTBOX_BELL)

    async def run(self) -> None:
        """Stand by, lead, and start over after any failure, until cancelled."""
        while True:
            try:
                await self._stand_by()
            except (*THE_WORLD, KafkaError, asyncpg.PostgresError) as error:
                metrics.RELAY_FAILURES.inc()
                log.warning("relay_failed", error=type(error).__name__)
            finally:
                metrics.RELAY_LEADER.set(0)
            await asyncio.sleep(STANDBY)

    async def _stand_by(self) -> None:
        connection = await asyncpg.connect(self._url, command_timeout=30)
        try:
            while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
                await asyncio.sleep(STANDBY)
            metrics.RELAY_LEADER.set(1)
            await self._lead(connection)
        finally:
            connection.terminate()  # a close would wait for a server that may be frozen

    async def _lead(self, connection: Connection) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, client_id=self._client_id, enable_idempotence=True,
            linger_ms=2, max_batch_size=131_072, request_timeout_ms=20_000,
        )  # fmt: skip
        try:
            await producer.start()
            await self._settle(connection)
            while True:
                self._rung.clear()
                records = await outbox.oldest(connection, BATCH)
                if records:
                    await self._publish(producer, connection, records)
                else:
                    await _until(self._rung, STANDBY)
        finally:
            await producer.stop()

    async def _settle(self, connection: Connection) -> None:
        """Delete the first rows of the outbox that a former leader has published already."""
        records = await outbox.oldest(connection, BATCH)
        for topic in dict.fromkeys(record.topic for record in records):
            published = await _last_ids(self._bootstrap, f"{self._prefix}{topic}", BATCH)
            await outbox.delete(connection, [each.id for each in records if dict(each.headers)["ce_id"] in published])

    async def _publish(self, producer: AIOKafkaProducer, connection: Connection, records: Sequence[Record]) -> None:
        """Publish in waves, the next record of each referral in each; raises after deleting what went."""
        queues: defaultdict[bytes, deque[Record]] = defaultdict(deque)
        for record in records:
            queues[record.key].append(record)
        gone: list[int] = []
        failure: BaseException | None = None
        while queues:
            wave = [queue.popleft() for queue in queues.values()]
            results = await asyncio.gather(*[self._send(producer, record) for record in wave], return_exceptions=True)
            for record, result in zip(wave, results, strict=True):
                if isinstance(result, BaseException):
                    failure = result
                    queues.pop(record.key)
                    continue
                gone.append(record.id)
                metrics.EVENTS_PUBLISHED.labels(record.topic).inc()
                if not queues[record.key]:
                    queues.pop(record.key)
        await outbox.delete(connection, gone)
        if failure:
            raise failure

    async def _send(self, producer: AIOKafkaProducer, record: Record) -> None:
        await producer.send_and_wait(
            f"{self._prefix}{record.topic}", record.body, key=record.key, headers=record.headers
        )


async def _last_ids(bootstrap: str, topic: str, count: int) -> set[bytes]:
    """The `ce_id` of the last `count` records of each partition of a topic."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # a first reset may win over the seek below; too much is better than too little
        fetch_max_wait_ms=50,
    )
    await consumer.start()
    try:
        ends = {partition: end for partition, end in (await consumer.end_offsets(consumer.assignment())).items() if end}
        starts = await consumer.beginning_offsets(list(ends))
        for partition, end in ends.items():
            consumer.seek(partition, max(end - count, starts[partition]))
        found: set[bytes] = set()
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            batches = await consumer.getmany(*ends, timeout_ms=500)
            found |= {dict(record.headers).get("ce_id", b"") for records in batches.values() for record in records}
        return found
    finally:
        await consumer.stop()


async def _until(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
