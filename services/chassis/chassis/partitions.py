"""
The partitions that a consumer holds: taken over at the position in PostgreSQL, paused, sought back.

Assignment pauses before anything is awaited, since records from Kafka's own position would be delivered
first otherwise.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from chassis import offsets
from chassis.decoding import RawRecord
from chassis.log import logger
from chassis.offsets import BEGINNING, Partition, Position
from chassis.taking_over import BEYOND_END, take_over
from chassis.work import Transactions

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 30.0
BETWEEN_COMMITS = 1.0  # seconds; Kafka writes each to a topic of its own
log = logger("chassis")


def pause_after(tries: int) -> float:
    """Seconds to wait after so many failures in a row: doubling, capped, jittered."""
    longest = min(FIRST_PAUSE * float(2 ** min(tries, 10)), LONGEST_PAUSE)
    return longest * random.uniform(0.5, 1)  # noqa: S311  jitter


def partition_of(record: RawRecord) -> Partition:
    """Topic and number of the partition on which a record stands."""
    return (record.topic, record.partition)


class Partitions(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """Which partitions this process reads, and from where."""

    def __init__(self, transactions: Transactions, consumer: Callable[[], AIOKafkaConsumer | None]) -> None:
        self._transactions = transactions
        self._consumer = consumer
        self.positions: dict[Partition, Position] = {}
        self.halted: dict[str, str] = {}
        self._has_joined = False
        self._waiting: dict[Partition, asyncio.Task[None]] = {}
        self._failing: set[Partition] = set()
        self._read_again_from: dict[Partition, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._telling: asyncio.Task[None] | None = None

    @property
    def held(self) -> frozenset[Partition]:
        """The partitions that have failed and not moved since, whether they wait or are being tried again."""
        return frozenset(self._failing)

    @property
    def is_settled(self) -> bool:
        """Whether the group has said which partitions are ours, if any, and each is taken over."""
        consumer = self._consumer()
        assigned = consumer.assignment() if consumer else ()
        return self._has_joined and all((each.topic, each.partition) in self.positions for each in assigned)

    def is_read(self, partition: Partition) -> bool:
        """Whether the records of a partition are to be taken now."""
        return partition in self.positions and partition not in self._waiting and partition[0] not in self.halted

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Pause, and continue where the database stands. There may be none for us: more processes than partitions."""
        self._has_joined = True
        consumer = self._consumer()
        if consumer and assigned:
            consumer.pause(*assigned)
            self.start(self._continue(list(assigned)))

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Forget what is not ours any more; a batch still in work is fenced by its epoch."""
        self._has_joined = False
        for partition in revoked:
            key = (partition.topic, partition.partition)
            self.positions.pop(key, None)
            self._failing.discard(key)
            self._read_again_from.pop(key, None)
            if waiting := self._waiting.pop(key, None):
                waiting.cancel()

    def forget(self) -> None:
        """Hold nothing any more: the client that held it is gone."""
        self.on_partitions_revoked([TopicPartition(*partition) for partition in self.positions])

    def ours(self, records: Sequence[RawRecord]) -> list[RawRecord]:
        """
        The records that are to be taken now, in order.

        A gap means that something was read and dropped here, or is gone from the topic: take the partition over
        again, which goes back to our position and says what is gone.
        """
        taken: list[RawRecord] = []
        expected = {each: position.next_offset for each, position in self.positions.items() if self.is_read(each)}
        for record in records:
            partition = partition_of(record)
            due = expected.get(partition)
            if due is None or record.offset < due:
                continue
            if BEGINNING < due < record.offset and self._goes_back(partition, due, record.offset):
                expected.pop(partition)
                continue
            expected[partition] = record.offset + 1
            taken.append(record)
        return taken

    def _goes_back(self, partition: Partition, due: int, offset: int) -> bool:
        """Whether to read again from our position; what lacks a record still was the end of a transaction, say."""
        start = self.positions[partition].next_offset
        if self._read_again_from.get(partition) == start:
            log.warning("offsets_without_records", topic=partition[0], partition=partition[1], count=offset - due)
            return False
        self._read_again_from[partition] = start
        self.retake([partition])
        return True

    def moved(self, positions: Mapping[Partition, Position]) -> None:
        """Note where partitions stand now, except those that were taken from us meanwhile."""
        for partition, position in positions.items():
            if (known := self.positions.get(partition)) and known.epoch == position.epoch:
                self.positions[partition] = position
                self._failing.discard(partition)

    def hold(self, partition: Partition, seconds: float) -> None:
        """Pause a partition for a while, from the position it stands at."""
        if partition not in self.positions or partition in self._waiting:
            return
        self._failing.add(partition)
        self._pause(partition)
        self._waiting[partition] = self.start(self._resume_after(partition, seconds))

    def read_again(self) -> None:
        """Go back to where each partition stands; what was read beyond it has been dropped."""
        for partition in self.positions:
            self._seek_back(partition)

    def halt(self, topic: str, reason: str) -> None:
        """Read no more of a topic until it is released."""
        self.halted[topic] = reason
        for partition in [held for held in self.positions if held[0] == topic]:
            self._pause(partition)

    def release(self, topic: str) -> None:
        """Read a halted topic on; it may have stood still for longer than the topic keeps its records."""
        self.halted.pop(topic, None)
        self.retake([held for held in self.positions if held[0] == topic])

    async def look_for_reset(self) -> None:
        """Begin again where an operator has put a partition back to the beginning."""
        ours = [partition for partition, position in self.positions.items() if position.next_offset != BEGINNING]
        async with self._transactions.pool.acquire() as connection:
            reset = await offsets.are_at_beginning(connection, ours)
        for topic in {topic for topic, _ in reset}:
            if self.halted.get(topic) == BEYOND_END:
                self.halted.pop(topic)
        self.retake(reset)

    def retake(self, partitions: Iterable[Partition]) -> None:
        """Another consumer took these; if they are assigned to us all the same, take them over again."""
        for partition in partitions:
            self.positions.pop(partition, None)
        consumer = self._consumer()
        ours = [TopicPartition(*partition) for partition in partitions if self._is_assigned(partition)]
        if consumer and ours:
            consumer.pause(*ours)
            self.start(self._continue(ours))

    def tell_lag_tools(self) -> None:
        """Commit to Kafka what is committed here, at once and then once a second; only lag tools read it."""
        if self._telling is None or self._telling.done():
            self._telling = self.start(self._tell())

    async def _tell(self) -> None:
        told: dict[Partition, Position] = {}
        while moved := {p: at for p, at in self.positions.items() if at != told.get(p) and at.next_offset > 0}:
            if consumer := self._consumer():
                await _commit(consumer, {TopicPartition(*p): at.next_offset for p, at in moved.items()})
            told |= moved
            await asyncio.sleep(BETWEEN_COMMITS)

    def start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run something beside the batches, kept from being collected while it runs."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _continue(self, assigned: Sequence[TopicPartition]) -> None:
        """Take partitions over in the database, however long it takes, seek, and read on."""
        tries = 0
        while assigned := [p for p in assigned if self._is_assigned((p.topic, p.partition))]:
            try:
                wanted = [(p.topic, p.partition) for p in assigned]
                positions, refused = await take_over(self._transactions, self._consumer(), wanted)
                break
            except Exception as error:  # noqa: BLE001  every failure here is the world's
                log.warning("take_over_failed", error=type(error).__name__)
                tries += 1
                await asyncio.sleep(pause_after(tries))
        else:  # taken from us meanwhile, and nothing of another's to take
            return
        for partition, position in positions.items():
            if self._is_assigned(partition):
                self.positions[partition] = position
                self._seek_back(partition)
        for topic in refused:
            self.halt(topic, BEYOND_END)
        self._resume(positions)

    async def _resume_after(self, partition: Partition, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._waiting.pop(partition, None)
        if partition in self.positions:
            self._seek_back(partition)
            self._resume([partition])

    def _pause(self, partition: Partition) -> None:
        consumer = self._consumer()
        if consumer and self._is_assigned(partition):
            consumer.pause(TopicPartition(*partition))
            self._seek_back(partition)

    def _resume(self, partitions: Iterable[Partition]) -> None:
        consumer = self._consumer()
        wanted = [p for p in partitions if self._is_assigned(p) and p[0] not in self.halted and p not in self._waiting]
        if consumer and wanted:
            consumer.resume(*[TopicPartition(*partition) for partition in wanted])

    def _seek_back(self, partition: Partition) -> None:
        consumer = self._consumer()
        if consumer is None or not self._is_assigned(partition):
            return
        next_offset = self.positions[partition].next_offset
        # Offset 0 where nothing was taken: if retention has passed it, the client resets to the earliest.
        consumer.seek(TopicPartition(*partition), max(next_offset, 0))

    def _is_assigned(self, partition: Partition) -> bool:
        consumer = self._consumer()
        return consumer is not None and TopicPartition(*partition) in consumer.assignment()


async def _commit(consumer: AIOKafkaConsumer, positions: dict[TopicPartition, int]) -> None:
    try:
        await consumer.commit(positions)
    except Exception as error:  # noqa: BLE001  rebalances make this fail, and nothing depends on it
        log.debug("lag_commit_failed", error=type(error).__name__)
