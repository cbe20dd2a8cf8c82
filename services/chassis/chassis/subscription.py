"""
The Kafka side of a consumer: FastStream's batch subscriber, and what is done when a batch fails.

Nothing is ever raised out of the subscriber: under manual acknowledgement a later commit would pass over
the records. A batch that fails is sought back to, and its partitions pause for a while with the group
kept, since polling goes on.
"""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import FAKE_CONSUMER
from faststream.kafka.subscriber.usecase import BatchSubscriber

from chassis import metrics, quarantine
from chassis.clients import dropped, stopped
from chassis.consumer import Consumer
from chassis.decoding import RawRecord
from chassis.delivery import Delivery, Halted
from chassis.failures import Cause, cause_of
from chassis.log import logger
from chassis.offsets import BEGINNING, Fenced, Partition
from chassis.pace import SMALL, Pace
from chassis.partitions import Partitions, partition_of, pause_after
from chassis.reading import BUSY, NothingReadable, read
from chassis.work import Transactions

PERSISTENT = 15 * 60.0  # seconds after which a failure of one record, while others pass, is that record's
BETWEEN_READS = 1.0  # seconds, while nothing can be read
PATIENCE = 90.0  # seconds for a batch at work to end: longer than any transaction that it is in
log = logger("chassis")


@dataclass
class Trouble:
    """A record that fails: since when (monotonic seconds), how often, and whether others passed meanwhile."""

    offset: int
    since: float
    tries: int = 0
    others_passed: bool = False


class Subscription:
    """Feeds a consumer's partitions to Delivery, batch by batch."""

    def __init__(self, consumer: Consumer, transactions: Transactions, bootstrap: str, prefix: str = "") -> None:
        self._transactions = transactions
        self._delivery = Delivery(consumer, transactions)
        self.partitions = Partitions(transactions, lambda: self.kafka)
        self.broker = KafkaBroker(
            bootstrap,
            apply_types=False,  # FastDepends writes invalid values into errors, spans and logs
            logger=None,
            client_id=f"peerline-{consumer.service}",
            request_timeout_ms=60_000,  # above the rebalance timeout, or a rejoin never ends
            allow_auto_create_topics=False,
        )
        self._subscriber = self._subscribe(
            [f"{prefix}{topic}" for topic in consumer.topics], f"{prefix}peerline-{consumer.service}"
        )
        self._troubles: dict[Partition, Trouble] = {}
        self._setbacks = 0
        self._pace = Pace()
        self.unreadable_since: float | None = None
        """Since when not one partition could be read (the loop's time)."""

    def _subscribe(self, topics: Sequence[str], group: str) -> BatchSubscriber:
        subscriber = self.broker.subscriber(
            *topics,
            group_id=group,
            batch=True,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            listener=self.partitions,
            no_reply=True,
            session_timeout_ms=10_000,  # a killed process holds its partitions for so long
            heartbeat_interval_ms=2_000,
            fetch_max_wait_ms=BUSY,
            parser=_as_it_came,
            decoder=_records,
        )
        assert isinstance(subscriber, BatchSubscriber)
        subscriber(self._take)
        # FastStream reads all partitions together, and one unreadable record would then stop them all.
        subscriber.get_msg = self._read  # type: ignore[method-assign]
        return subscriber

    async def _read(self, consumer: AIOKafkaConsumer) -> tuple[RawRecord, ...]:
        await self._pace.rest()
        try:
            records = await read(consumer, self.partitions)
        except NothingReadable:
            self.unreadable_since = self.unreadable_since or asyncio.get_running_loop().time()
            await asyncio.sleep(BETWEEN_READS)
            return ()
        self.unreadable_since = None
        return records

    async def leave(self) -> None:
        """
        Leave the group with this client, whatever of it still works; the broker can be started again.

        The client first: FastStream's stop would wait for it without end, and then for the batch that is at work.
        """
        self._subscriber.running = False  # nothing more is read
        if self.kafka is not None:
            await dropped(self.kafka)
        await stopped(self.broker.stop(), PATIENCE)
        self.partitions.forget()
        self.unreadable_since = None

    @property
    def kafka(self) -> AIOKafkaConsumer | None:
        """The client, once started."""
        return self._subscriber.consumer

    @property
    def assigned(self) -> frozenset[Partition]:
        """The partitions whose position is known and which are read."""
        return frozenset(self.partitions.positions)

    def position(self, partition: Partition) -> int:
        """The next offset to take of a partition; BEGINNING where nothing was taken, or it is not ours."""
        position = self.partitions.positions.get(partition)
        return position.next_offset if position else BEGINNING

    async def _take(self, records: Sequence[RawRecord]) -> None:
        """Take a batch; whatever happens, nothing is raised and nothing is passed over."""
        try:
            if records := self.partitions.ours(records):
                await self._take_together(records)
        except Exception as error:  # noqa: BLE001  never out of the subscriber
            self._failed(error)
            self._wait_out({partition_of(record) for record in records})
        if len(records) < SMALL:
            self._pace.ended()
        metrics.PARTITIONS_HELD.set(len(self.partitions.held))
        metrics.TOPICS_HALTED.set(len(self.partitions.halted))

    async def _take_together(self, records: Sequence[RawRecord]) -> None:
        """All in one transaction; where that fails, find out whether a single record is the cause."""
        suspected, together = _parted(records, self._troubles)
        for piece in _pieces(together, len(together) >> self._setbacks):
            # The later records of what is suspected follow it, or they would be passed over.
            following, others = _parted(piece, set(map(partition_of, suspected)))
            suspected += following
            suspected += await self._take_piece(others)
        for partition in dict.fromkeys(map(partition_of, suspected)):
            await self._take_singly(partition, [each for each in suspected if partition_of(each) == partition])

    async def _take_piece(self, records: Sequence[RawRecord]) -> Sequence[RawRecord]:
        """Take these in one transaction; gives those that are to be taken one by one, to find the one at fault."""
        gone = {each for each in set(map(partition_of, records)) if not self.partitions.is_read(each)}
        _, records = _parted(records, gone)
        if not records:
            return ()
        try:
            await self._deliver(records)
        except Fenced:
            self.partitions.retake({partition_of(record) for record in records})
        except Halted as halt:
            if len(records) > 1:  # one by one, so that what may be set aside is, and can be looked at
                return records
            await self._halt(halt)
        except Exception as error:  # noqa: BLE001  every failure has its class
            if self._failed(error) is not Cause.WORLD:
                return records
            self._wait_out({partition_of(record) for record in records})
        return ()

    async def _take_singly(self, partition: Partition, records: Sequence[RawRecord]) -> None:
        """One record at a time, until one fails; that one is suspected and its partition waits."""
        for record in records:
            if not self.partitions.is_read(partition):
                return
            trouble = self._troubles.get(partition)
            if trouble is not None and trouble.offset < record.offset:
                self._troubles.pop(partition)  # it was passed, here or by another process
            try:
                await self._deliver_one(record)
            except Fenced:
                self.partitions.retake({partition})
                return
            except Halted as halt:
                await self._halt(halt)
                return
            except Exception as error:  # noqa: BLE001  counted, waited out, never skipped
                self._failed(error)
                self._hold({partition})
                return

    async def _deliver_one(self, record: RawRecord) -> None:
        """Take one record; one that has failed by itself for too long goes to quarantine instead."""
        try:
            await self._deliver([record])
        except (Fenced, Halted):
            raise
        except Exception as error:
            if cause_of(error) is Cause.WORLD:
                self._setbacks += 1
                raise
            if not self._is_persistent(self._suspect(partition_of(record), record.offset)):
                raise
            self._failed(error)
            await self._deliver([record], give_up=True)

    async def _deliver(self, records: Sequence[RawRecord], *, give_up: bool = False) -> None:
        started = asyncio.get_running_loop().time()
        positions = self.partitions.positions
        wanted = set(map(partition_of, records))
        held = {each: positions[each] for each in wanted if each in positions}
        if len(held) < len(wanted):
            raise Fenced  # revoked while an earlier part of the batch was taken
        self.partitions.moved(await self._delivery.deliver(records, held, give_up=give_up))
        self._setbacks = 0
        metrics.BATCH_SECONDS.observe(asyncio.get_running_loop().time() - started)
        metrics.BATCH_SIZE.observe(len(records))
        for partition, trouble in self._troubles.items():
            trouble.others_passed |= partition not in held and not give_up
        self.partitions.tell_lag_tools()
        await self._transactions.surroundings.freshness.note_between_batches(self._transactions.pool)

    def _failed(self, error: Exception) -> Cause:
        cause = cause_of(error)
        metrics.DELIVERY_FAILURES.labels(cause, type(error).__name__).inc()
        log.warning("batch_failed", error=type(error).__name__, kind=cause)
        return cause

    def _suspect(self, partition: Partition, offset: int) -> Trouble:
        trouble = self._troubles.get(partition)
        if trouble is None or trouble.offset != offset:
            trouble = self._troubles[partition] = Trouble(offset, asyncio.get_running_loop().time())
        trouble.tries += 1
        return trouble

    def _is_persistent(self, trouble: Trouble) -> bool:
        """Whether it is this record: others pass, so the service works, and it fails for longer than an outage."""
        return trouble.others_passed and asyncio.get_running_loop().time() - trouble.since > PERSISTENT

    def _wait_out(self, partitions: set[Partition]) -> None:
        self._setbacks += 1
        self._hold(partitions)

    def _hold(self, partitions: set[Partition]) -> None:
        for partition in partitions:
            trouble = self._troubles.get(partition)
            self.partitions.hold(partition, pause_after(trouble.tries if trouble else self._setbacks))

    async def look_for_release(self) -> None:
        """Read halted topics on, or topics from their beginning, once an operator has said so."""
        await self.partitions.look_for_reset()
        for topic, reason in list(self.partitions.halted.items()):
            async with self._transactions.pool.acquire() as connection:
                if await quarantine.is_released(connection, topic, reason):
                    self.partitions.release(topic)

    async def _halt(self, halt: Halted) -> None:
        """Stop reading a topic until an operator has looked."""
        log.error("topic_halted", topic=halt.topic, reason=halt.reason)
        async with self._transactions.begin() as work:  # first: without its item, nobody could let it go on
            await work.open_item("halted", subject=halt.topic, reason=halt.reason, urgent=True)
        self.partitions.halt(halt.topic, halt.reason)


def _parted(
    records: Sequence[RawRecord], partitions: Collection[Partition]
) -> tuple[list[RawRecord], Sequence[RawRecord]]:
    """The records on these partitions, and the others."""
    if not partitions:
        return [], records
    on_them = [record for record in records if partition_of(record) in partitions]
    return on_them, [record for record in records if partition_of(record) not in partitions]


def _pieces(records: Sequence[RawRecord], most: int) -> Iterator[Sequence[RawRecord]]:
    """Smaller after each setback in a row: what is too much at once, for memory or a time limit, still gets through."""
    size = max(1, most)
    for start in range(0, len(records), size):
        yield records[start : start + size]


async def _as_it_came(message: tuple[RawRecord, ...]) -> KafkaMessage:
    """FastStream's own parser decodes headers and would raise on one that is not UTF-8."""
    return KafkaMessage(raw_message=message, body=b"", consumer=FAKE_CONSUMER)


async def _records(message: KafkaMessage) -> tuple[RawRecord, ...]:
    return message.raw_message
