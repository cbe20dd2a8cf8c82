"""
What stands on a service's own topic beyond the position that its database knows.

The topic has one writer. A record beyond the position is therefore in the outbox still (published by a leader
that was killed before it could delete), or a second copy of a known one (from a leader that was frozen), or
the database was set back since.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition

from chassis import outbox, restored
from chassis.clients import dropped, started
from chassis.database import Connection
from chassis.decoding import RawRecord
from chassis.log import logger

BATCH = 500
PATIENCE = 30.0  # seconds for the next records: they are there
LOOK_BACK = 500
"""So many known records of a partition are read too: copies of a frozen leader's last ones are told by them."""

Recall = Callable[[Connection, Sequence[RawRecord]], Awaitable[None]]
log = logger("chassis")


async def nothing_recalled(connection: Connection, records: Sequence[RawRecord]) -> None:
    """Remember the lost events, and nothing of what they say."""
    await restored.note(connection, [lost(record) for record in records])


def lost(record: RawRecord, *, recalled: bool = False) -> restored.Lost:
    """A record of our topic as something that was lost."""
    headers = dict(record.headers)
    return restored.Lost(
        event_id=event_id(record),
        type=headers.get("ce_type", b"").decode(errors="replace"),
        referral_id=(record.key or b"").decode(errors="replace"),
        partition=record.partition,
        offset=record.offset,
        recalled=recalled,
    )


def event_id(record: RawRecord) -> str:
    """The id that a record's headers give."""
    found: bytes = dict(record.headers).get("ce_id", b"")
    return found.decode(errors="replace")


@dataclass
class Comparison:
    """One comparison of a database with its own topic."""

    connection: Connection
    consumer: AIOKafkaConsumer
    recall: Recall
    trusts: bool
    starts: dict[TopicPartition, int] = field(default_factory=dict)
    ends: dict[TopicPartition, int] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    found: int = 0

    async def run(self, topic: str, partitions: Collection[int]) -> int:
        """Compare to the topic's present end; gives how many events this database had lost."""
        await self._place([TopicPartition(topic, number) for number in partitions])
        unread = {partition for partition, end in self.ends.items() if self.starts[partition] < end}
        while unread:
            async with asyncio.timeout(PATIENCE):
                batches = await self._read(unread)
            for records in batches.values():
                await self._take(records)
            unread = {each for each in unread if await self.consumer.position(each) < self.ends[each]}
        async with self.connection.transaction():
            await restored.move(self.connection, {each.partition: end for each, end in self.ends.items()})
            await restored.trust_no_more(self.connection)
        return self.found

    async def _read(self, unread: Collection[TopicPartition]) -> dict[TopicPartition, list[RawRecord]]:
        while True:
            if batches := await self.consumer.getmany(*unread, timeout_ms=500, max_records=BATCH):
                return dict(batches)

    async def _place(self, partitions: Sequence[TopicPartition]) -> None:
        """Stand where each partition is to be read from: a little before what is not known."""
        self.consumer.assign(partitions)
        self.ends = await self.consumer.end_offsets(partitions)
        begins = await self.consumer.beginning_offsets(partitions)
        known = await restored.positions(self.connection)
        for partition, end in self.ends.items():
            position = known.get(partition.partition, max(end - LOOK_BACK, 0) if self.trusts else 0)
            if position > end:
                log.error("own_topic_ends_before", topic=partition.topic, partition=partition.partition)
            self.starts[partition] = max(min(position, end), begins[partition])
            if self.starts[partition] < end:
                self.consumer.seek(partition, max(self.starts[partition] - LOOK_BACK, begins[partition]))

    async def _take(self, records: Sequence[RawRecord]) -> None:
        partition = TopicPartition(records[0].topic, records[0].partition)
        records = [record for record in records if record.offset < self.ends[partition]]
        beyond = [record for record in records if record.offset >= self.starts[partition]]
        self.known |= {event_id(record) for record in records if record.offset < self.starts[partition]}
        if not beyond:
            return
        async with self.connection.transaction():
            self.known |= await outbox.delete_events(self.connection, [event_id(record) for record in beyond])
            strangers = [record for record in beyond if event_id(record) not in self.known]
            if strangers and not self.trusts:
                await self.recall(self.connection, strangers)
                self.found += len(strangers)
            await restored.move(self.connection, {partition.partition: beyond[-1].offset + 1})


async def compare(
    connection: Connection, bootstrap: str, topic: str, partitions: Collection[int], recall: Recall
) -> int:
    """
    Compare the database with its own topic: delete from the outbox what is published, take in what was lost.

    Gives the number of lost events. Raises KafkaError, or what the database or `recall` raises; what was taken
    in by then stays.
    """
    async with _reading(bootstrap) as consumer:
        comparison = Comparison(connection, consumer, recall, await restored.trusts_topic(connection))
        return await comparison.run(topic, partitions)


@asynccontextmanager
async def _reading(bootstrap: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # a first reset may win over a seek; too much is better than too little
        fetch_max_wait_ms=50,
    )
    try:
        await started(consumer.start())
        # Its tasks begin: one that is stopped before it has begun keeps the others from stopping.
        await asyncio.sleep(0)
        yield consumer
    finally:
        await dropped(consumer)
