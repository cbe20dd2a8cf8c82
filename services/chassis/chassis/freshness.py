"""
How far a service is up to date: what time decides must wait until every fact before it has been taken.

A process asks the broker again and again where its partitions end, and notes in the database, for each, the
instant of the last such question whose answer it has read up to. So under steady load the note trails by a
second or two, although the end itself is never reached.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition

from chassis import metrics, offsets
from chassis.database import Connection, Pool
from chassis.log import logger
from chassis.offsets import Partition, Reached

if TYPE_CHECKING:
    from chassis.subscription import Subscription

EVERY = 1.0  # seconds between questions; a deadline fires this much late at most
SOON = 0.25  # seconds, while behind: whoever waits for us should not wait for the question too
BEHIND = timedelta(seconds=3)
PATIENCE = 5.0  # seconds for an answer of the broker
SILENT = 15.0  # seconds without an answer after which the broker counts as away
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
log = logger("chassis")


@dataclass(frozen=True)
class Horizon:
    """
    Up to where time may decide.

    Every fact that stood on the inputs at `certain`, which is never after `now`, has been taken. `lag` is for
    how long this process has been reading without having caught up: a downtime does not count into it.
    """

    now: datetime
    certain: datetime
    lag: timedelta

    @property
    def behind(self) -> timedelta:
        """How old the certain part of the fold is."""
        return self.now - self.certain


@dataclass(frozen=True)
class Question:
    """When the broker was asked for the end of a partition (database time), and what it said."""

    asked_at: datetime
    end: int


class Freshness:
    """Knows how far the inputs of this service, its topics under their full names, have been taken."""

    def __init__(self, topics: Iterable[str] = ()) -> None:
        self.topics = tuple(topics)
        self.lag: dict[Partition, int] = {}
        self._open: dict[Partition, Question] = {}
        self._unnoted: dict[Partition, Reached] = {}
        self._listed: set[Partition] = set()
        self._since: datetime | None = None
        self.heard_at: float | None = None
        """When the broker last answered (the loop's time)."""

    async def horizon(self, connection: Connection, now: datetime) -> Horizon:
        """Up to where time may decide in this transaction, whose time is `now`; NEVER where nothing was read yet."""
        certain = min(now, await offsets.caught_up_at(connection, self.topics) or NEVER) if self.topics else now
        reading_since = now if self._since is None else self._since
        return Horizon(now, certain, max(now - max(certain, reading_since), timedelta(0)))

    @property
    def hears_broker(self) -> bool:
        """Whether the broker has answered lately."""
        return self.heard_at is not None and asyncio.get_running_loop().time() - self.heard_at < SILENT

    async def keep(self, pool: Pool, subscription: "Subscription") -> None:
        """Ask and note, until cancelled; a failure leaves the notes as old as they are."""
        while True:
            behind = timedelta.max
            try:
                behind = await self._measure(pool, subscription)
            except Exception as error:  # noqa: BLE001  broker or database are away: then nobody is up to date
                log.warning("freshness_unknown", error=type(error).__name__)
            await asyncio.sleep(SOON if behind > BEHIND else EVERY)

    async def _measure(self, pool: Pool, subscription: "Subscription") -> timedelta:
        """Ask once and note what is known; gives how far the service is behind."""
        async with pool.acquire() as connection:
            now: datetime = await connection.fetchval("SELECT statement_timestamp()")
        self._since = self._since or now
        reached = await self._ask(now, pool, subscription)
        metrics.CONSUMER_LAG.set(sum(self.lag.values()))
        held = subscription.partitions.positions
        self._unnoted |= {each: Reached(at, held[each].epoch) for each, at in reached.items() if each in held}
        self._unnoted = {p: at for p, at in self._unnoted.items() if p in held and held[p].epoch == at.epoch}
        async with pool.acquire() as connection:
            await self._note(connection)
            behind = (await self.horizon(connection, now)).behind
        metrics.INPUTS_BEHIND.set(behind.total_seconds())
        return behind

    async def note_between_batches(self, pool: Pool) -> None:
        """Note what could not be noted while a batch was at work: under steady load there is no other time."""
        if not self._unnoted:
            return
        try:
            async with pool.acquire(timeout=PATIENCE) as connection:
                await self._note(connection)
        except Exception as error:  # noqa: BLE001  nothing depends on this one
            log.warning("freshness_unknown", error=type(error).__name__)

    async def _note(self, connection: Connection) -> None:
        noting = dict(self._unnoted)
        noted = await offsets.note_caught_up(connection, noting)
        self._unnoted = {each: at for each, at in self._unnoted.items() if each not in noted or at != noting.get(each)}

    async def _ask(self, now: datetime, pool: Pool, subscription: "Subscription") -> dict[Partition, datetime]:
        """Ask the broker where our partitions end; gives up to which question each has been read."""
        consumer = subscription.kafka
        if consumer is None:
            return {}
        await self._list(pool, consumer)
        ours, halted = consumer.assignment(), subscription.partitions.halted
        # Of a halted topic nothing is certain, whatever the numbers say: it may have been made anew.
        partitions = [each for each in subscription.assigned if TopicPartition(*each) in ours and each[0] not in halted]
        async with asyncio.timeout(PATIENCE):
            if self._listed and not partitions:  # the broker is asked all the same, so that its silence is noticed
                await consumer.end_offsets([TopicPartition(*each) for each in sorted(self._listed)[:1]])
            ends = await _ends(consumer, partitions, subscription.position)
        if ends or self._listed:
            self.heard_at = asyncio.get_running_loop().time()
        positions = {partition: subscription.position(partition) for partition in ends}
        self.lag = {partition: max(0, end - max(positions[partition], 0)) for partition, end in ends.items()}
        return self.answer(now, ends, positions)

    def answer(
        self, now: datetime, ends: Mapping[Partition, int], positions: Mapping[Partition, int]
    ) -> dict[Partition, datetime]:
        """
        The instant up to which each partition has been read, for those where that is known anew.

        `ends` are offsets that the broker gave at `now` or later, `positions` what has been taken by then.
        """
        reached, still_open = {}, {}
        for partition, end in ends.items():
            asked = Question(now, end)
            question = asked if positions[partition] >= end else self._open.get(partition, asked)
            if positions[partition] >= question.end:
                reached[partition] = question.asked_at
                question = asked
            still_open[partition] = question
        self._open = still_open
        return reached

    async def _list(self, pool: Pool, consumer: AIOKafkaConsumer) -> None:
        """List every partition of the inputs, whoever reads it: one that nobody reads holds time back too."""
        known = {(topic, number) for topic in self.topics for number in consumer.partitions_for_topic(topic) or ()}
        if unlisted := known - self._listed:
            async with pool.acquire() as connection:
                await offsets.list_partitions(connection, unlisted)
            self._listed |= unlisted


async def _ends(
    consumer: AIOKafkaConsumer, partitions: Sequence[Partition], position: Callable[[Partition], int]
) -> dict[Partition, int]:
    """Where partitions end. One that is empty now (retention) ends where it stands, whatever its numbers say."""
    asked = [TopicPartition(*partition) for partition in partitions]
    ends = {(p.topic, p.partition): end for p, end in (await consumer.end_offsets(asked)).items()} if asked else {}
    behind = [TopicPartition(*partition) for partition, end in ends.items() if position(partition) < end]
    begins = await consumer.beginning_offsets(behind) if behind else {}
    empty = {(p.topic, p.partition) for p, begin in begins.items() if begin >= ends[(p.topic, p.partition)]}
    return {partition: position(partition) if partition in empty else end for partition, end in ends.items()}
