"""
Reading from Kafka, also where the client stumbles.

A record whose header has a name that is not UTF-8 makes it raise, each time anew and for all partitions, and
what it had read of the others is dropped with it.
"""

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError

from chassis.decoding import RawRecord
from chassis.log import logger
from chassis.partitions import Partitions, pause_after

MOST_RECORDS = 500
WAIT = 1000  # ms to wait for a record, or for what was read before and has to be fetched again
BUSY, QUIET = 50, 250  # ms for which the broker may hold a fetch back that finds nothing
log = logger("chassis")


class NothingReadable(Exception):
    """Not one partition can be read: that is the client's, not a record's."""


async def read(consumer: AIOKafkaConsumer, partitions: Partitions) -> tuple[RawRecord, ...]:
    """
    The next records, in each partition's order.

    A record that the client cannot read is given without key, headers and value, so that it is set aside by
    its place. A partition that cannot be read at all waits, and the others go on; raises NothingReadable where
    there are no others.
    """
    try:
        found = await consumer.getmany(timeout_ms=WAIT, max_records=MOST_RECORDS)
    except ConsumerStoppedError:
        raise
    except Exception as error:  # noqa: BLE001  which partition it was, is found out
        log.warning("read_failed", error=type(error).__name__)
        partitions.read_again()
        return await _one_by_one(consumer, partitions)
    _pace(consumer, BUSY if found else QUIET)
    return tuple(record for records in found.values() for record in records)


def _pace(consumer: AIOKafkaConsumer, milliseconds: int) -> None:
    """
    Let fetches wait for longer while nothing comes: twenty a second were most of what an idle service did.

    One fetch is under way at a time, and it leaves out the partitions whose records are being taken; what comes on
    these meanwhile waits for its end. So it is short while there is work. Other questions to the broker wait for its
    end as well, so it is never long. aiokafka reads this value for each fetch, and has no public way to change it.
    """
    consumer._fetcher._fetch_max_wait_ms = milliseconds


async def _one_by_one(consumer: AIOKafkaConsumer, partitions: Partitions) -> tuple[RawRecord, ...]:
    records: list[RawRecord] = []
    is_any_readable = False
    for partition in sorted(consumer.assignment() - consumer.paused()):
        try:
            records += await _of_one(consumer, partition)
            is_any_readable = True
        except ConsumerStoppedError:
            raise
        except Exception as error:  # noqa: BLE001  this one waits
            log.error("partition_unreadable", topic=partition.topic, partition=partition.partition, error=_name(error))
            partitions.hold((partition.topic, partition.partition), pause_after(5))
    if not is_any_readable:
        raise NothingReadable
    return tuple(records)


async def _of_one(consumer: AIOKafkaConsumer, partition: TopicPartition) -> list[RawRecord]:
    """What can be read of a partition now, up to and with a record that cannot."""
    records: list[RawRecord] = []
    while len(records) < MOST_RECORDS:
        try:
            found = await consumer.getmany(partition, timeout_ms=WAIT, max_records=1)
        except UnicodeDecodeError:
            offset = await consumer.position(partition)
            consumer.seek(partition, offset + 1)
            return [*records, _unreadable(partition, offset)]
        if not found:
            break
        records += found[partition]
    return records


def _unreadable(partition: TopicPartition, offset: int) -> RawRecord:
    """What stands for a record that the client cannot read."""
    return ConsumerRecord(
        topic=partition.topic,
        partition=partition.partition,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=None,
        value=None,
        checksum=None,
        serialized_key_size=-1,
        serialized_value_size=-1,
        headers=(),
    )


def _name(error: Exception) -> str:
    return type(error).__name__
