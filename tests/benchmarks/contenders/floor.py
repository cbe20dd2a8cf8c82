"""
The floor: aiokafka and asyncpg with our guarantees and nothing else, as fast as we can write it.

The same guarantees: positions by compare-and-set, inbox and outbox in the transaction, a relay under a lock that
publishes in order and deletes what was acknowledged. What it leaves out: rebalances, quarantine, failures that are
waited out, comparison with the own topic, metrics, traces, health, HTTP.
"""

import asyncio
import contextlib
import gc
import signal
from collections import defaultdict
from typing import Any
from uuid import UUID

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from murmurhash2 import murmurhash2
from peerline.events import ReferralCreated
from pydantic_core import from_json, to_json

from tests.benchmarks.contenders import SUPPORTER, Spec
from tests.benchmarks.contenders.confirming import Confirmed, confirm

MOST = 500
LOCK = 1
SEED = 0x9747B28C  # of Kafka's own partitioner
TYPE = ReferralCreated.ce_type().encode()


class Floor:
    """One consumer and one relay in one event loop."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._written = asyncio.Event()
        self.positions = [0] * spec.partitions

    async def run(self) -> None:
        """Consume and relay until cancelled."""
        async with asyncpg.create_pool(self._spec.database, min_size=2, max_size=2) as pool:
            async with pool.acquire() as connection:
                await self._own(connection)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._consume(pool))
                tasks.create_task(self._relay(pool))

    async def _own(self, connection: Any) -> None:
        rows = [(self._spec.source, number, 0, 1) for number in range(self._spec.partitions)]
        await connection.executemany("INSERT INTO consumer_offset VALUES ($1, $2, $3, $4)", rows)

    async def _consume(self, pool: Any) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._spec.bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=MOST,
        )
        await consumer.start()
        partitions = [TopicPartition(self._spec.source, number) for number in range(self._spec.partitions)]
        consumer.assign(partitions)
        try:
            while True:
                found = await consumer.getmany(timeout_ms=10, max_records=MOST)
                records = [record for each in found.values() for record in each]
                if records:
                    await self._take(pool, records)
        finally:
            await consumer.stop()

    async def _take(self, pool: Any, records: list[Any]) -> None:
        batch = self.read(records)
        ends = {record.partition: record.offset + 1 for record in records}
        async with pool.acquire() as connection, connection.transaction():
            await self._advance(connection, ends)
            new = await _inbox(connection, batch)
            await _effect(connection, self._spec.target, [batch[event_id] for event_id in new])
        for number, end in ends.items():
            self.positions[number] = end
        self._written.set()

    def read(self, records: list[Any]) -> dict[UUID, Confirmed]:
        """What these records ask for, by their events' ids."""
        return {
            confirmed.event_id: confirmed
            for record in records
            if dict(record.headers)["ce_type"] == TYPE and record.offset >= self.positions[record.partition]
            for confirmed in [confirm(record.value)]
        }

    async def _advance(self, connection: Any, ends: dict[int, int]) -> None:
        moved = await connection.fetch(
            """
            UPDATE consumer_offset SET next_offset = target
              FROM unnest($2::int[], $3::bigint[], $4::bigint[]) AS given (number, held, target)
             WHERE topic = $1 AND "partition" = number AND next_offset = held AND epoch = 1 RETURNING number
            """,
            self._spec.source,
            list(ends),
            [self.positions[number] for number in ends],
            list(ends.values()),
        )
        if len(moved) != len(ends):
            raise SystemExit("another consumer has these partitions")

    async def _relay(self, pool: Any) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._spec.bootstrap, enable_idempotence=True, linger_ms=2, max_batch_size=131_072
        )
        await producer.start()
        try:
            async with pool.acquire() as connection:
                await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
                while True:
                    self._written.clear()
                    rows = await connection.fetch(
                        "SELECT id, key, headers, body FROM outbox ORDER BY id LIMIT $1", MOST
                    )
                    if not rows:
                        await self._written.wait()
                        continue
                    await self._publish(producer, rows)
                    await connection.execute(
                        "DELETE FROM outbox WHERE id = ANY($1::bigint[])", [row["id"] for row in rows]
                    )
        finally:
            await producer.stop()

    async def _publish(self, producer: Any, rows: list[Any]) -> None:
        """All of a partition in one batch, which the broker takes whole or not at all: so in order."""
        queues: defaultdict[int, list[Any]] = defaultdict(list)
        for row in rows:
            queues[(murmurhash2(row["key"], SEED) & 0x7FFFFFFF) % self._spec.partitions].append(row)
        await asyncio.gather(*[self._send(producer, number, queue) for number, queue in queues.items()])

    async def _send(self, producer: Any, number: int, rows: list[Any]) -> None:
        batch = producer.create_batch()
        for row in rows:
            headers = [(name, value.encode()) for name, value in from_json(row["headers"])]
            if batch.append(key=row["key"], value=row["body"], timestamp=None, headers=headers) is None:
                await (await producer.send_batch(batch, self._spec.target, partition=number))
                batch = producer.create_batch()
                batch.append(key=row["key"], value=row["body"], timestamp=None, headers=headers)
        await (await producer.send_batch(batch, self._spec.target, partition=number))


async def _inbox(connection: Any, batch: dict[UUID, Confirmed]) -> list[UUID]:
    """Those of these events that are new, in their order."""
    ids = sorted(batch)
    rows = await connection.fetch(
        """
        INSERT INTO inbox (event_id, body_hash) SELECT * FROM unnest($1::uuid[], $2::bytea[])
        ON CONFLICT (event_id) DO NOTHING RETURNING event_id
        """,
        ids,
        [batch[event_id].body_hash for event_id in ids],
    )
    new = {row["event_id"] for row in rows}
    return [event_id for event_id in batch if event_id in new]


async def _effect(connection: Any, topic: str, confirmed: list[Confirmed]) -> None:
    await connection.copy_records_to_table(
        "effect_case", records=[(each.referral_id, each.programme_id, each.received_at) for each in confirmed]
    )
    await connection.copy_records_to_table(
        "effect_match", records=[(each.referral_id, 1, SUPPORTER) for each in confirmed]
    )
    await connection.copy_records_to_table(
        "outbox",
        columns=["topic", "key", "headers", "body", "event_id"],
        records=[(topic, each.key, to_json(each.headers), each.body, each.confirmed_id) for each in confirmed],
    )


async def until_told(floor: Floor) -> None:
    """Run until the process is told to stop."""
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)  # as the chassis does
    work = asyncio.create_task(floor.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await work


if __name__ == "__main__":
    uvloop.run(until_told(Floor(Spec.read())))
