"""Records as they stand on Kafka, read without a consumer group and so without a trace."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from peerline.events import Topic

from peerline_local.errors import StackError

EVENT_TOPICS = tuple(str(topic) for topic in Topic if topic is not Topic.ADVERSE_EVENTS)
"""Those that the services write; the feed holds what incident systems say, clinical parts included."""

_WAIT_MS = 100


@dataclass(frozen=True)
class Record:
    """One record, as it is."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    value: bytes | None

    def as_json(self) -> dict[str, Any]:
        """Return the record for showing: text where it is text, the body as JSON where it is JSON."""
        return {
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "key": _text(self.key),
            "headers": {name: _text(value) for name, value in self.headers},
            "body": _json(self.value),
        }


class Reader:
    """Reads topics from their beginning; `more` gives what has come since."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    async def more(self) -> list[Record]:
        """Return the records that have come, in the order of their partitions; none after 0.1 s of silence."""
        batches = await self._consumer.getmany(timeout_ms=_WAIT_MS)
        return [_record(one) for batch in batches.values() for one in batch]

    async def all_there_is(self) -> list[Record]:
        """Return every record up to where the topics end now."""
        partitions = self._consumer.assignment()
        ends = await self._consumer.end_offsets(partitions)
        records: list[Record] = []
        while any([await self._consumer.position(one) < end for one, end in ends.items()]):
            records += await self.more()
        return records


@asynccontextmanager
async def reading(bootstrap: str, topics: Sequence[str] = EVENT_TOPICS) -> AsyncIterator[Reader]:
    """Give a reader of these topics; StackError where the broker or a topic is not there."""
    consumer = AIOKafkaConsumer(
        *topics,
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    try:
        await consumer.start()
        yield Reader(consumer)
    except UnknownTopicOrPartitionError:
        raise StackError("a topic is missing: make it with peerline topics apply") from None
    except KafkaError as error:
        raise StackError(f"Kafka cannot be read: {type(error).__name__}") from None
    finally:
        await consumer.stop()


def _record(one: Any) -> Record:
    return Record(one.topic, one.partition, one.offset, one.key, tuple(one.headers), one.value)


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode("utf-8", "backslashreplace")


def _json(raw: bytes | None) -> Any:
    try:
        return None if raw is None else json.loads(raw)
    except ValueError:  # covers bytes that are no text
        return _text(raw)
