"""
The relay: one process per service publishes the outbox, in order.

Elected by an advisory lock on a connection of its own, through which it also reads and deletes: when the
connection is gone, so is the right to delete. It deletes exactly what the broker acknowledged, and moves its
position on the topic with it. Of each partition one batch is under way, so that what fails leaves nothing behind
it on the topic.

A leader that stands still loses its connection, and with it its lock, to LEASE; while it waits for Kafka it
keeps the connection awake. When it goes on it finds that out before it sends anything more.

What the broker refuses fails its neighbours in the same batch too. So after a failure records go one by one,
until the one that is refused is found; its referral then waits, and the others go on.

Before it publishes, and after every failure, it compares the database with the topic (own_topic.py): what
stands there already is not published again, and what the database has lost is taken in.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerClosed

from chassis import metrics, outbox, own_topic, restored
from chassis.bell import Bell
from chassis.clients import CLIENT_FAULTS, are_we_cancelled, disconnected, stopped
from chassis.database import Connection
from chassis.failures import THE_WORLD
from chassis.log import logger
from chassis.outbox import Record
from chassis.own_topic import Recall, nothing_recalled
from chassis.pace import SMALL, Pace
from chassis.publisher import LARGEST_BATCH, Batch, batches
from chassis.topics import OWN_TOPIC
from chassis.work import OUTBOX_BELL

LOCK = 0x6F75_7462_6F78  # "outbox"
BATCH = 500
STANDBY = 1.0  # seconds between a standby's attempts to become leader
LEASE = {
    "idle_session_timeout": "30s",
    "idle_in_transaction_session_timeout": "30s",
    "transaction_timeout": "30s",  # a statement that was parsed and not run yet is neither idle nor idle in transaction
    "tcp_user_timeout": "30s",  # of a leader that does not take an answer off its socket
}
"""How long PostgreSQL keeps the connection, and so the lock, of a leader that says nothing."""
PULSE = 5.0  # seconds between signs of life while Kafka is waited for
PATIENCE = 60.0  # seconds for Kafka; a send gives up after 20, unless the producer has failed for good
REFUSED = 30.0  # seconds for which the referral of a refused record waits
log = logger("chassis")


class Relay:
    """Publishes a service's outbox while it is the leader; `recall` takes in what its database has lost."""

    def __init__(
        self, url: str, bootstrap: str, service: str, bell: Bell, prefix: str = "", *, recall: Recall = nothing_recalled
    ) -> None:
        self._url = url
        self._bootstrap = bootstrap
        self._topic = OWN_TOPIC[service]
        self._own_topic = f"{prefix}{self._topic}"
        self._client_id = f"peerline-{service}-relay"
        self._rung = bell.hear(OUTBOX_BELL)
        self._recall = recall
        self._has_lost = False
        self._positions: dict[int, int] = {}
        self._one_by_one = False
        self._refused: dict[bytes, float] = {}

    async def run(self) -> None:
        """Stand by, lead, and start over after any failure, until cancelled."""
        while True:
            try:
                await self._stand_by()
            except (*THE_WORLD, asyncpg.PostgresError) as error:
                _failed(error)
            except asyncio.CancelledError as error:
                if are_we_cancelled():
                    raise
                _failed(error)
            finally:
                metrics.RELAY_LEADER.set(0)
            await asyncio.sleep(STANDBY)

    async def _stand_by(self) -> None:
        connection = await asyncpg.connect(self._url, command_timeout=30, server_settings=LEASE)
        try:
            while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
                await asyncio.sleep(STANDBY)
            metrics.RELAY_LEADER.set(1)
            await self._lead(connection)
        finally:
            connection.terminate()  # a close would wait for a server that may be frozen

    async def _lead(self, connection: Connection) -> None:
        """Publish for as long as the connection lasts: a broker that is away ends the producer, not the leading."""
        vouched = False
        while True:
            try:
                async with self._producing(connection) as producer:
                    await self._compare(connection, producer)
                    if not vouched:
                        await restored.vouch(connection)
                        vouched = True
                    await self._publish_all(producer, connection)
            except CLIENT_FAULTS as error:
                _failed(error)
            await connection.execute("SELECT 1")
            await asyncio.sleep(STANDBY)

    @asynccontextmanager
    async def _producing(self, connection: Connection) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, client_id=self._client_id, enable_idempotence=True,
            max_batch_size=LARGEST_BATCH, request_timeout_ms=20_000,
        )  # fmt: skip
        try:
            await _awake(connection, producer.start())
            yield producer
        finally:
            await _drop(producer)

    async def _compare(self, connection: Connection, producer: AIOKafkaProducer) -> None:
        """Compare the database with its topic; what it had lost halts the sending (restored.py)."""
        partitions = await _awake(connection, producer.partitions_for(self._own_topic))
        found = await own_topic.compare(connection, self._bootstrap, self._own_topic, partitions, self._recall)
        if found:
            metrics.LOST_EVENTS.inc(found)
            log.error("database_was_restored", topic=self._own_topic, count=found)
        self._has_lost = await restored.has_lost(connection)
        self._positions = await restored.positions(connection)

    async def _publish_all(self, producer: AIOKafkaProducer, connection: Connection) -> None:
        pace = Pace()
        while True:
            await pace.rest()
            self._rung.clear()
            records = await outbox.oldest(connection, BATCH, besides=self._waiting())
            if records:
                await self._publish(producer, connection, records)
                self._one_by_one = False
                if len(records) < SMALL:
                    pace.ended()
            else:
                await _until(self._rung, STANDBY)

    async def _publish(self, producer: AIOKafkaProducer, connection: Connection, records: Sequence[Record]) -> None:
        """
        Publish these records and delete them with the move of the position.

        Raises the last failure with nothing deleted: what was published all the same, acknowledged or not, the
        comparison finds. The position could not say it, since it has no holes.
        """
        if self._has_lost:
            again = await outbox.delete_decided_again(connection, [record.id for record in records])
            records = [record for record in records if record.id not in again]
        ends = await (self._send_singly if self._one_by_one else self._send_together)(producer, connection, records)
        await outbox.delete(connection, [record.id for record in records], ends)
        metrics.EVENTS_PUBLISHED.labels(self._topic).inc(len(records))
        self._positions |= ends

    async def _send_together(
        self, producer: AIOKafkaProducer, connection: Connection, records: Sequence[Record]
    ) -> dict[int, int]:
        """Send each partition's records in batches; gives where each partition goes on, or raises the last failure."""
        ends: dict[int, int] = {}
        for wave in batches(producer, self._own_topic, await producer.partitions_for(self._own_topic), records):
            ends |= await self._send(producer, connection, wave)
        return ends

    async def _send_singly(
        self, producer: AIOKafkaProducer, connection: Connection, records: Sequence[Record]
    ) -> dict[int, int]:
        """Send one record after the other, until one is refused: its referral waits, and the others go on."""
        ends: dict[int, int] = {}
        for record in records:
            try:
                ends |= await self._send_together(producer, connection, [record])
            except KafkaError as error:
                if not error.retriable:
                    self._set_back(record, error)
                raise
        return ends

    async def _send(self, producer: AIOKafkaProducer, connection: Connection, wave: Sequence[Batch]) -> dict[int, int]:
        await connection.execute("SELECT 1")  # whoever stood still meanwhile leads no more
        sends = [batch.send(producer, self._positions.get(batch.partition, 0)) for batch in wave]
        results = await _awake(connection, asyncio.gather(*sends, return_exceptions=True))
        if failures := [result for result in results if isinstance(result, BaseException)]:
            self._one_by_one = True
            raise failures[-1]
        return {batch.partition: end for batch, end in zip(wave, results, strict=True)}

    def _set_back(self, record: Record, error: KafkaError) -> None:
        """Let the referral of a record wait that was refused by itself."""
        self._refused[record.key] = asyncio.get_running_loop().time() + REFUSED
        referral_id = record.key.decode(errors="replace")
        log.error("record_refused", topic=record.topic, referral_id=referral_id, error=type(error).__name__)

    def _waiting(self) -> list[bytes]:
        now = asyncio.get_running_loop().time()
        self._refused = {key: until for key, until in self._refused.items() if until > now}
        return list(self._refused)


async def _awake(connection: Connection, waiting: Awaitable[Any]) -> Any:
    """Wait for Kafka while the connection lasts; raises what the database does once it is lost, or TimeoutError."""
    clock = asyncio.get_running_loop().time
    began = clock()
    task = asyncio.ensure_future(waiting)
    try:
        while not (await asyncio.wait([task], timeout=PULSE))[0]:
            await connection.execute("SELECT 1")
            if clock() - began > PATIENCE:
                raise TimeoutError
        return task.result()
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=PULSE)  # a start that is still under way would make what is then dropped
        if task.done() and not task.cancelled():
            task.exception()  # what was given up is of no interest: asyncio would log it as an error


async def _drop(producer: AIOKafkaProducer) -> None:
    """
    Stop a producer, and send nothing more of what it holds.

    Its own stop would send that first, for as long as the broker is away. But what was not acknowledged is in
    the outbox still, and another leader may have sent it.
    """
    # First: what is on its way goes back into the accumulator when it fails, and must find its place there.
    await stopped(producer._sender.close(), PULSE)
    accumulator = producer._message_accumulator
    waiters = [batch._drain_waiter for batches in accumulator._batches.values() for batch in batches]
    accumulator.fail_all(ProducerClosed())
    for waiter in waiters:
        waiter.exception()  # nobody waits for these; asyncio would log each as an error
    await stopped(producer.stop(), PULSE)
    await disconnected(producer.client)


def _failed(error: BaseException) -> None:
    metrics.RELAY_FAILURES.inc()
    log.warning("relay_failed", error=type(error).__name__)


async def _until(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
