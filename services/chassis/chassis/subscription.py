"""
The Kafka side of a consumer: FastStream's batch subscriber, positions from PostgreSQL, failures.

Nothing is ever raised out of the subscriber: under manual acknowledgement a later commit would pass over
the records. A batch that fails is sought back to, and its partitions pause for a while with the group
kept, since polling goes on.
"""

import asyncio
import random
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import FAKE_CONSUMER
from faststream.kafka.subscriber.usecase import BatchSubscriber

from chassis import metrics, offsets
from chassis.consumer import Consumer
from chassis.decoding import RawRecord
from chassis.delivery import Delivery, Halted
from chassis.log import logger
from chassis.offsets import BEGINNING, Fenced, Partition, Position
from chassis.work import Transactions

MOST_RECORDS = 500
PERSISTENT = 15 * 60.0  # seconds after which a failure of one record, while others pass, is that record's
LONGEST_PAUSE = 30.0
FIRST_PAUSE = 0.25
THE_WORLD = (OSError, TimeoutError, KafkaError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError,
             asyncpg.OperatorInterventionError, asyncpg.InsufficientResourcesError)  # fmt: skip
"""Failures that no record can be the cause of: the whole batch waits, nobody is suspected."""

log = logger("chassis")


@dataclass
class Trouble:
    """A record that fails: since when (monotonic seconds), how often, and what passed meanwhile."""

    offset: int
    since: float
    tries: int = 0
    others_passed: bool = False


class Subscription(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """Feeds a consumer's partitions to Delivery, from the position that the database knows."""

    def __init__(self, consumer: Consumer, transactions: Transactions, bootstrap: str, prefix: str = "") -> None:
        self._topics = [f"{prefix}{topic}" for topic in consumer.topics]
        self._transactions = transactions
        self._delivery = Delivery(consumer, transactions)
        self.broker = KafkaBroker(
            bootstrap, apply_types=False, logger=None, client_id=f"peerline-{consumer.service}",
            request_timeout_ms=60_000, allow_auto_create_topics=False,
        )  # fmt: skip
        self._subscriber = self._subscribe(f"{prefix}peerline-{consumer.service}")
        self._positions: dict[Partition, Position] = {}
        self._troubles: dict[Partition, Trouble] = {}
        self._paused: dict[Partition, asyncio.Task[None]] = {}
        self._gaps: set[tuple[Partition, int]] = set()
        self._setbacks = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.halted: dict[str, str] = {}

    def _subscribe(self, group: str) -> BatchSubscriber:
        subscriber = self.broker.subscriber(
            *self._topics, group_id=group, batch=True, max_records=MOST_RECORDS, batch_timeout_ms=10,
            ack_policy=AckPolicy.MANUAL, auto_offset_reset="earliest", listener=self, no_reply=True,
            session_timeout_ms=10_000, heartbeat_interval_ms=2_000, fetch_max_wait_ms=50,
            parser=_as_it_came, decoder=_records,
        )  # fmt: skip
        assert isinstance(subscriber, BatchSubscriber)
        subscriber(self._take)
        return subscriber

    @property
    def kafka(self) -> AIOKafkaConsumer | None:
        """The client, once started."""
        return self._subscriber.consumer

    @property
    def assigned(self) -> frozenset[Partition]:
        """The partitions whose position is known and which are read."""
        return frozenset(self._positions)

    @property
    def held(self) -> frozenset[Partition]:
        """The partitions that wait out a failure."""
        return frozenset(self._paused)

    def position(self, topic: str, number: int) -> int:
        """The next offset to take of a partition; BEGINNING where nothing was taken, or it is not ours."""
        position = self._positions.get((topic, number))
        return position.next_offset if position else BEGINNING

    # -- rebalances ---------------------------------------------------------------------------------

    def on_partitions_assigned(self, assigned: "Sequence[TopicPartition]") -> None:
        """Pause before anything is delivered, and continue where the database stands."""
        consumer = self.kafka
        if not consumer or not assigned:
            return
        consumer.pause(*assigned)
        self._start(self._continue(list(assigned)))

    def on_partitions_revoked(self, revoked: "Sequence[TopicPartition]") -> None:
        """Forget what is not ours any more; a batch still in work is fenced by its epoch."""
        for partition in revoked:
            self._positions.pop((partition.topic, partition.partition), None)
            self._troubles.pop((partition.topic, partition.partition), None)
            if pause := self._paused.pop((partition.topic, partition.partition), None):
                pause.cancel()

    async def _continue(self, assigned: Sequence[TopicPartition]) -> None:
        """Take partitions over in the database, however long it takes, seek, and read on."""
        pause = FIRST_PAUSE
        while True:
            try:
                async with self._transactions.pool.acquire() as connection:
                    positions = await offsets.take_over(connection, [(p.topic, p.partition) for p in assigned])
                await self._seek(assigned, positions)
                return
            except Exception as error:  # noqa: BLE001  every failure here is the world's
                log.warning("take_over_failed", error=type(error).__name__)
                await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  jitter
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _seek(self, assigned: Sequence[TopicPartition], positions: dict[Partition, Position]) -> None:
        consumer = self.kafka
        if consumer is None:
            return
        ours = [p for p in assigned if p in consumer.assignment()]
        for partition in ours:
            key = (partition.topic, partition.partition)
            if positions[key].next_offset == BEGINNING:
                await consumer.seek_to_beginning(partition)
            else:
                consumer.seek(partition, positions[key].next_offset)
            self._positions[key] = positions[key]
        consumer.resume(*[p for p in ours if p.topic not in self.halted])

    # -- batches ------------------------------------------------------------------------------------

    async def _take(self, records: Sequence[RawRecord]) -> None:
        """Take a batch; whatever happens, nothing is raised and nothing is passed over."""
        try:
            records = self._ours(records)
            if records:
                await self._take_together(records)
        except Exception as error:  # noqa: BLE001  never out of the subscriber
            log.error("batch_lost_hold", error=type(error).__name__)
            self._hold({_partition(record) for record in records})
        metrics.PARTITIONS_HELD.set(len(self._paused))
        metrics.TOPICS_HALTED.set(len(self.halted))

    async def _take_together(self, records: Sequence[RawRecord]) -> None:
        suspected = [record for record in records if _partition(record) in self._troubles]
        together = [record for record in records if _partition(record) not in self._troubles]
        if together:
            try:
                await self._deliver(together)
            except Fenced:
                self._retake({_partition(record) for record in together})
            except Halted as halt:
                await self._halt(halt, together)
            except THE_WORLD as error:
                self._setbacks = min(self._setbacks + 1, 10)
                self._failed(error)
                self._hold({_partition(record) for record in together})
            except Exception as error:  # noqa: BLE001  ours or the record's: find out which
                self._failed(error)
                suspected = list(records)
        for partition in dict.fromkeys(map(_partition, suspected)):
            await self._take_singly([record for record in suspected if _partition(record) == partition])

    async def _take_singly(self, records: Sequence[RawRecord]) -> None:
        """One record at a time, until one fails; that one is suspected and its partition waits."""
        partition = _partition(records[0])
        for record in records:
            trouble = self._troubles.get(partition)
            suspect = trouble is not None and trouble.offset == record.offset
            try:
                await self._deliver([record], give_up=suspect and self._is_persistent(trouble))
            except Fenced:
                self._retake({partition})
                return
            except Halted as halt:
                await self._halt(halt, [record])
                return
            except Exception as error:  # noqa: BLE001  counted, waited out, never skipped
                self._failed(error)
                self._suspect(partition, record.offset)
                self._hold({partition})
                return
            if suspect:
                self._troubles.pop(partition, None)

    async def _deliver(self, records: Sequence[RawRecord], *, give_up: bool = False) -> None:
        started = asyncio.get_running_loop().time()
        held = {partition: self._positions[partition] for partition in set(map(_partition, records))}
        self._positions.update(await self._delivery.deliver(records, held, give_up=give_up))
        self._setbacks = 0
        metrics.BATCH_SECONDS.observe(asyncio.get_running_loop().time() - started)
        metrics.BATCH_SIZE.observe(len(records))
        for partition, trouble in self._troubles.items():
            trouble.others_passed |= partition not in held
        self._tell_lag_tools(held)

    def _ours(self, records: Sequence[RawRecord]) -> list[RawRecord]:
        """
        The records that are ours to take, in order.

        A gap before the first one of a partition means that something was read and dropped here: seek
        back once; a gap that stays is the topic's own (retention).
        """
        ours: list[RawRecord] = []
        expected = {partition: position.next_offset for partition, position in self._positions.items()}
        for record in records:
            partition = _partition(record)
            due = expected.get(partition)
            if due is None or record.offset < due or partition in self._paused or record.topic in self.halted:
                continue
            if due != BEGINNING and record.offset > due and (partition, due) not in self._gaps:
                self._gaps.add((partition, due))
                self._seek_back(partition)
                expected.pop(partition)
                continue
            expected[partition] = record.offset + 1
            ours.append(record)
        return ours

    # -- failures -----------------------------------------------------------------------------------

    def _failed(self, error: Exception) -> None:
        metrics.DELIVERY_FAILURES.labels(type(error).__name__).inc()
        log.warning("batch_failed", error=type(error).__name__)

    def _suspect(self, partition: Partition, offset: int) -> None:
        trouble = self._troubles.get(partition)
        if trouble is None or trouble.offset != offset:
            self._troubles[partition] = Trouble(offset, asyncio.get_running_loop().time())
        self._troubles[partition].tries += 1

    def _is_persistent(self, trouble: Trouble | None) -> bool:
        now = asyncio.get_running_loop().time()
        return trouble is not None and trouble.others_passed and now - trouble.since > PERSISTENT

    def _hold(self, partitions: set[Partition]) -> None:
        """Pause these partitions for a while, from the position they stand at."""
        for partition in partitions & self._positions.keys():
            tries = self._troubles[partition].tries if partition in self._troubles else self._setbacks
            pause = min(FIRST_PAUSE * 2**tries, LONGEST_PAUSE) * random.uniform(0.5, 1)  # noqa: S311  jitter
            if self.kafka:
                self.kafka.pause(TopicPartition(*partition))
            self._seek_back(partition)
            self._paused[partition] = self._start(self._resume_after(partition, pause))

    async def _resume_after(self, partition: Partition, pause: float) -> None:
        await asyncio.sleep(pause)
        self._paused.pop(partition, None)
        consumer = self.kafka
        if consumer and partition in self._positions and TopicPartition(*partition) in consumer.assignment():
            self._seek_back(partition)
            consumer.resume(TopicPartition(*partition))

    def _seek_back(self, partition: Partition) -> None:
        position, consumer = self._positions.get(partition), self.kafka
        if position is None or consumer is None or TopicPartition(*partition) not in consumer.assignment():
            return
        if position.next_offset == BEGINNING:
            self._start(consumer.seek_to_beginning(TopicPartition(*partition)))
        else:
            consumer.seek(TopicPartition(*partition), position.next_offset)

    def _retake(self, partitions: set[Partition]) -> None:
        """Another consumer took these; if they are assigned to us all the same, take them over again."""
        consumer = self.kafka
        for partition in partitions:
            self._positions.pop(partition, None)
        if consumer and (
            ours := [TopicPartition(*p) for p in partitions if TopicPartition(*p) in consumer.assignment()]
        ):
            consumer.pause(*ours)
            self._start(self._continue(ours))

    async def _halt(self, halt: Halted, records: Sequence[RawRecord]) -> None:
        """Stop reading a topic until an operator has looked; the batch's other topics are taken."""
        self.halted[halt.topic] = halt.reason
        log.error("topic_halted", topic=halt.topic, reason=halt.reason)
        async with self._transactions.begin() as work:
            await work.open_item("halted", subject=halt.topic, reason=halt.reason, urgent=True)
        consumer = self.kafka
        for partition in [p for p in self._positions if p[0] == halt.topic]:
            if consumer and TopicPartition(*partition) in consumer.assignment():
                consumer.pause(TopicPartition(*partition))
            self._seek_back(partition)
        rest = [record for record in records if record.topic != halt.topic]
        if rest:
            await self._take_together(rest)

    # -- background ---------------------------------------------------------------------------------

    def _tell_lag_tools(self, partitions: dict[Partition, Position]) -> None:
        """Commit to Kafka what is committed here; only lag tools read it, so a failure is nothing."""
        if consumer := self.kafka:
            positions = {TopicPartition(*p): self._positions[p].next_offset for p in partitions if p in self._positions}
            self._start(_commit(consumer, positions))

    def _start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _commit(consumer: AIOKafkaConsumer, positions: dict[TopicPartition, int]) -> None:
    try:
        await consumer.commit(positions)
    except Exception as error:  # noqa: BLE001  rebalances make this fail, and nothing depends on it
        log.debug("lag_commit_failed", error=type(error).__name__)


async def _as_it_came(message: tuple[RawRecord, ...]) -> KafkaMessage:
    """FastStream's own parser decodes headers and would raise on one that is not UTF-8."""
    return KafkaMessage(raw_message=message, body=b"", consumer=FAKE_CONSUMER)


async def _records(message: KafkaMessage) -> tuple[RawRecord, ...]:
    return message.raw_message


def _partition(record: RawRecord) -> Partition:
    return (record.topic, record.partition)
