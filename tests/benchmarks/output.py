"""What a contender has published so far, counted without reading it, and read at the end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.support.workplace import PARTITIONS

LONGEST_SECONDS = 120
POLL = 0.02  # seconds


class Failed(Exception):
    """A contender ended, stood still, or lost or doubled something: its lap does not count."""


class Reader:
    """Counts and reads a topic."""

    def __init__(self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> None:
        self._consumer = consumer
        self._partitions = partitions

    async def count(self) -> int:
        """How many records it holds."""
        return sum((await self._consumer.end_offsets(self._partitions)).values())

    async def until(self, wanted: int, process: psutil.Process) -> None:
        """Wait until it holds so many; raises Failed when the process has ended or takes too long."""
        deadline = asyncio.get_running_loop().time() + LONGEST_SECONDS
        while (found := await self.count()) < wanted:
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                raise Failed(f"it ended with {found} of {wanted} outputs")
            if asyncio.get_running_loop().time() > deadline:
                raise Failed(f"{found} of {wanted} outputs in {LONGEST_SECONDS} s")
            await asyncio.sleep(POLL)

    async def read(self) -> list[Any]:
        """All of it."""
        ends = await self._consumer.end_offsets(self._partitions)
        self._consumer.resume(*self._partitions)
        records: list[Any] = []
        while len(records) < sum(ends.values()):
            found = await self._consumer.getmany(timeout_ms=1000)
            records += [record for each in found.values() for record in each]
        return records


@asynccontextmanager
async def reading(bootstrap: str, topic: str) -> AsyncIterator[Reader]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        consumer.pause(*partitions)  # until the lap is over: reading would take from it
        yield Reader(consumer, partitions)
    finally:
        await consumer.stop()
