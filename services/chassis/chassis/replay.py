"""Replay of a quarantined record: the same handlers, outside of the topic's order."""

import base64
import json
from uuid import UUID

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from chassis import quarantine
from chassis.clients import started
from chassis.decoding import RawRecord
from chassis.delivery import Delivery
from chassis.keys import Vault
from chassis.work import Transactions


class Replay:
    """Takes quarantined records again."""

    def __init__(self, delivery: Delivery, transactions: Transactions, bootstrap: str) -> None:
        self._delivery = delivery
        self._transactions = transactions
        self._bootstrap = bootstrap

    async def replay(self, entry_id: UUID) -> str | None:
        """
        Take a record again. Gives None when it was taken, else the reason code why it still cannot be.

        Raises LookupError where no such record waits.
        """
        async with self._transactions.begin() as work:
            found = await quarantine.claim(work.connection, entry_id)
        if found is None:
            raise LookupError(str(entry_id))
        entry, payload = found
        record = (
            _unpack(payload, entry, self._transactions.surroundings.keys.vault) if payload else await self._read(entry)
        )
        if record is None:
            return "gone-from-topic"
        reason = await self._delivery.take(record)
        if reason is None:
            await self._close(entry)
        return reason

    async def _close(self, entry: quarantine.Entry) -> None:
        async with self._transactions.begin() as work:
            await quarantine.mark_replayed(work.connection, entry.id)
            subject = f"{entry.topic}/{entry.partition}/{entry.offset}"
            await work.resolve_item("quarantined", subject=subject, resolution="replayed")

    async def _read(self, entry: quarantine.Entry) -> RawRecord | None:
        """The record where it still stands on its topic."""
        partition = TopicPartition(entry.topic, entry.partition)
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, enable_auto_commit=False)
        try:
            await started(consumer.start())
            consumer.assign([partition])
            consumer.seek(partition, entry.offset)
            try:
                found = await consumer.getmany(partition, timeout_ms=5000, max_records=1)
            except UnicodeDecodeError:  # see chassis.reading: no client of this kind will ever read it
                return None
            record = next(iter(found.get(partition, [])), None)
            return record if record is not None and record.offset == entry.offset else None
        finally:
            await consumer.stop()


def _unpack(payload: bytes, entry: quarantine.Entry, vault: Vault) -> RawRecord:
    about = f"quarantine.payload/{entry.topic}/{entry.partition}/{entry.offset}"
    kept = json.loads(vault.unlock(payload, about))

    def raw(text: str | None) -> bytes | None:
        return None if text is None else base64.b64decode(text)

    key, value = raw(kept["key"]), raw(kept["value"])
    return ConsumerRecord(
        topic=entry.topic,
        partition=entry.partition,
        offset=entry.offset,
        timestamp=int(entry.since.timestamp() * 1000),
        timestamp_type=0,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=len(key or b""),
        serialized_value_size=len(value or b""),
        headers=tuple((name, raw(text)) for name, text in kept["headers"]),
    )
