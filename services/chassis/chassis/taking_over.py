"""Taking partitions over: where the database stands, and whether the topic still gives what comes next."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from chassis import metrics, offsets, worklist
from chassis.log import logger
from chassis.offsets import BEGINNING, Partition, Position
from chassis.work import Transactions

Question = Callable[[Sequence[TopicPartition]], Awaitable[Mapping[TopicPartition, int]]]
BEYOND_END = "position-beyond-end"
log = logger("chassis")


async def take_over(
    transactions: Transactions, consumer: AIOKafkaConsumer | None, partitions: Iterable[Partition]
) -> tuple[dict[Partition, Position], set[str]]:
    """
    Own these partitions from now on; gives where each continues, and the topics that must not be read.

    Raises what the database or the broker raises; then nothing is ours.
    """
    async with transactions.pool.acquire() as connection:
        positions = await offsets.take_over(connection, partitions)
    if consumer is None:
        return positions, set()
    positions |= await _pass_what_is_gone(transactions, consumer, positions)
    refused = await _made_anew(transactions, consumer, positions)
    await _compare_with_kafka(consumer, positions)
    return positions, refused


async def _pass_what_is_gone(
    transactions: Transactions, consumer: AIOKafkaConsumer, positions: Mapping[Partition, Position]
) -> dict[Partition, Position]:
    """Say once what the topic dropped before it was read (retention), and stand behind it; gives what has moved."""
    begins = await _ask(consumer.beginning_offsets, positions)
    gone = {each: begins[each] for each, held in positions.items() if BEGINNING < held.next_offset < begins[each]}
    if not gone:
        return {}
    async with transactions.begin() as work:
        moved = await offsets.advance(work.connection, positions, gone)
        for (topic, number), begin in gone.items():
            subject = f"{topic}/{number}/{begin}"
            await work.open_item("records-lost", subject=subject, reason="retention", urgent=True)
    for (topic, number), begin in gone.items():
        lost = begin - positions[topic, number].next_offset
        metrics.RECORDS_LOST.labels(topic).inc(lost)
        log.error("records_lost", topic=topic, partition=number, count=lost)
    return moved


async def _made_anew(
    transactions: Transactions, consumer: AIOKafkaConsumer, positions: Mapping[Partition, Position]
) -> set[str]:
    """
    Topics that end before our position: they were made anew, and their records would be passed over.

    Once seen, it stands on the worklist until an operator has decided, however far the topic grows meanwhile.
    """
    ends = await _ask(consumer.end_offsets, positions)
    found = {topic for (topic, number), held in positions.items() if held.next_offset > ends[topic, number]}
    async with transactions.begin() as work:
        for topic in sorted(found):
            log.error("position_beyond_end", topic=topic)
            await work.open_item(BEYOND_END, subject=topic, reason="made-anew", urgent=True)
        listed = await worklist.open_subjects(work.connection, BEYOND_END)
    return {topic for topic, _ in positions} & listed


async def _compare_with_kafka(consumer: AIOKafkaConsumer, positions: Mapping[Partition, Position]) -> None:
    """
    Say where the group's own offsets are lost, or ahead of ours; ours count all the same.

    Lost: the group was deleted, or has expired. Ahead: this database was set back. Behind is nothing: a
    process that is killed does not come to telling Kafka.
    """
    for partition, position in positions.items():
        committed = await consumer.committed(TopicPartition(*partition))
        is_lost = committed is None and position.next_offset > 0
        if is_lost or (committed or 0) > max(position.next_offset, 0):
            reason = "lost" if is_lost else "ahead"
            metrics.GROUP_OFFSETS_DIFFER.labels(reason).inc()
            log.warning("group_offset_differs", reason=reason, topic=partition[0], partition=partition[1])


async def _ask(question: Question, partitions: Iterable[Partition]) -> dict[Partition, int]:
    answer = await question([TopicPartition(*partition) for partition in partitions])
    return {(each.topic, each.partition): offset for each, offset in answer.items()}
