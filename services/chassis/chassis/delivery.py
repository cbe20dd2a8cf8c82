"""
One batch, one transaction: positions, inbox, handlers, quarantine, outbox.

The order of the statements is the guarantee. The positions are moved by compare-and-set before anything
else, so that a consumer that has lost a partition writes nothing; the outbox is written last, after every
row lock, so that its order per referral is the order of the decisions.
"""

import base64
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from peerline.events import Event, ReferralJoined

from chassis import inbox, metrics, offsets, quarantine, telemetry
from chassis.consumer import Consumer, FeedRecord, Refused
from chassis.decoding import Decoded, RawRecord, Unreadable, body_hash, decode_all
from chassis.log import logger
from chassis.offsets import Partition, Position
from chassis.quarantine import Fault
from chassis.work import SetAside, Transactions, UnitOfWork

log = logger("chassis")


CONTRADICTING = "same-id-other-body"  # one of the two bodies is wrong, and it may be the one that took effect


class Halted(Exception):
    """Too much of a topic would be set aside for one reason; a human looks before more is."""

    def __init__(self, topic: str, reason: str) -> None:
        super().__init__(f"{topic}: {reason}")
        self.topic = topic
        self.reason = reason


class Delivery:
    """Takes batches of records into a service."""

    def __init__(self, consumer: Consumer, transactions: Transactions) -> None:
        self._consumer = consumer
        self._transactions = transactions

    async def deliver(
        self, records: Sequence[RawRecord], held: Mapping[Partition, Position], *, give_up: bool = False
    ) -> dict[Partition, Position]:
        """
        Take these records and give the new positions.

        A record that a handler refuses is set aside and the others are taken again without it. With
        `give_up` nothing is handled: the records go to quarantine as `handler-failed`.
        Raises Fenced, Halted, or whatever a handler or the database raised; then nothing was written.
        """
        feeds, decoded, faults = self._sorted(records)
        if give_up:
            faults += [_refused(item, "handler-failed") for item in decoded]
            faults += [Unreadable(record, "handler-failed", "") for record in feeds]
            feeds, decoded = [], []
        while True:
            try:
                return await self._transact(records, held, feeds, decoded, faults)
            except Refused as refusal:
                refused = [item for item in decoded if item.event.event_id == refusal.event_id]
                if not refused:
                    raise
                faults += [_refused(item, refusal.reason) for item in refused]
                decoded = [item for item in decoded if item not in refused]

    async def take(self, event_record: RawRecord) -> str | None:
        """
        Take one record outside of its topic, as a replay does; gives the reason code if it still cannot be taken.

        An event that was taken meanwhile counts as taken.
        """
        feeds, decoded, faults = self._sorted([event_record])
        if faults:
            return faults[0].reason
        try:
            async with self._transactions.begin(_traceparents(decoded), takes=True) as work:
                contradicting = await self._handle(work, feeds, decoded)
                refused = [each.reason for each in contradicting] + [aside.reason for aside in work.asides]
                if refused:
                    raise Refused(UUID(int=0), refused[0])
        except Refused as refusal:
            return refusal.reason
        return None

    def _sorted(self, records: Sequence[RawRecord]) -> tuple[list[RawRecord], list[Decoded], list[Unreadable]]:
        is_feed = {
            topic: self._consumer.feed_handler_of(topic) is not None for topic in {each.topic for each in records}
        }
        feeds = [record for record in records if is_feed[record.topic]]
        decoded, unreadable = decode_all(record for record in records if not is_feed[record.topic])
        wanted = [item for item in decoded if self._consumer.handler_of(type(item.event))]
        return feeds, wanted, unreadable

    async def _transact(
        self,
        records: Sequence[RawRecord],
        held: Mapping[Partition, Position],
        feeds: Sequence[RawRecord],
        decoded: Sequence[Decoded],
        faults: Sequence[Unreadable],
    ) -> dict[Partition, Position]:
        with telemetry.span("take batch", among=[item.traceparent for item in decoded], count=len(records)):
            async with self._transactions.begin(_traceparents(decoded), takes=True) as work:
                positions = await offsets.advance(work.connection, held, _targets(records))
                contradicting = await self._handle(work, feeds, decoded)
                await self._quarantine(work, [*faults, *contradicting])
        return positions

    async def _handle(
        self, work: UnitOfWork, feeds: Sequence[RawRecord], decoded: Sequence[Decoded]
    ) -> list[Unreadable]:
        """Run the handlers on what is new; gives the records whose event id was taken with another body."""
        new, contradicting = await _new(work, decoded)
        for events in in_order([item.event for item in new]):
            handler = self._consumer.handler_of(type(events[0]))
            assert handler is not None
            await handler(events, work)
        for topic in dict.fromkeys(record.topic for record in feeds):
            feed_handler = self._consumer.feed_handler_of(topic)
            assert feed_handler is not None
            await feed_handler([_feed_record(record) for record in feeds if record.topic == topic], work)
        return contradicting

    async def _quarantine(self, work: UnitOfWork, unreadable: Sequence[Unreadable]) -> None:
        faults = [self._fault(item, work) for item in unreadable] + [_feed_fault(aside) for aside in work.asides]
        if not faults:
            return
        for topic, reason in dict.fromkeys((fault.topic, fault.reason) for fault in faults):
            fresh = Counter(fault.source for fault in faults if (fault.topic, fault.reason) == (topic, reason))
            await _limit(work, topic, reason, fresh)
            metrics.EVENTS_QUARANTINED.labels(topic, reason).inc(fresh.total())
        await quarantine.put(work.connection, faults)
        for fault in faults:
            await work.open_item(
                "quarantined",
                subject=f"{fault.topic}/{fault.partition}/{fault.offset}",
                referral_id=fault.referral_id,
                reason=fault.reason,
                urgent=True,  # somebody may be waiting behind it
            )
            log.warning(
                "record_quarantined",
                topic=fault.topic,
                partition=fault.partition,
                offset=fault.offset,
                reason=fault.reason,
            )

    def _fault(self, item: Unreadable, work: UnitOfWork) -> Fault:
        record = item.record
        about = f"quarantine.payload/{record.topic}/{record.partition}/{record.offset}"
        is_feed = self._consumer.feed_handler_of(record.topic) is not None
        return Fault(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            reason=item.reason,
            path=item.path,
            payload_hash=body_hash(record.value),
            payload=None if is_feed else work.vault.lock(pack(record), about),
            event_id=item.event_id,
            referral_id=item.referral_id,
        )


async def _limit(work: UnitOfWork, topic: str, reason: str, fresh: Counter[str]) -> None:
    """
    Raise Halted where setting these aside, counted by source, would go beyond the limit.

    One known source of a feed that goes beyond it is an urgent item and goes on being set aside: its records
    stay on the topic and are replayed from there, while the other sources' are taken. Two such sources have
    only us in common, so that halts.
    """
    known = Counter(await quarantine.recent(work.connection, topic, reason)) + fresh
    beyond = {source for source, count in known.items() if count > quarantine.MOST}
    if not beyond & fresh.keys() or await quarantine.is_released(work.connection, topic, reason):
        return
    if "" in beyond or len(beyond) > 1:
        raise Halted(topic, reason)
    for source in beyond:
        await work.open_item("source-failing", subject=f"{topic}/{source}", reason=reason, urgent=True)


def in_order(events: Sequence[Event]) -> list[list[Event]]:
    """
    Split a batch into lists of one type each, so that taking list after list keeps each referral's order.

    Referral by referral the level rises with each change of type; equal levels and types go together, so
    a batch of 500 usually ends as a handful of lists.
    """
    if len(set(map(type, events))) == 1:
        return [list(events)]
    levels: dict[UUID, tuple[int, type[Event]]] = {}
    lists: dict[tuple[int, type[Event]], list[Event]] = {}
    for event in events:
        level, last = levels.get(event.referral_id, (0, type(event)))
        if last is not type(event):
            level += 1
        levels[event.referral_id] = (level, type(event))
        lists.setdefault((level, type(event)), []).append(event)
    return [lists[key] for key in sorted(lists, key=_level)]


def _level(key: tuple[int, type[Event]]) -> int:
    return key[0]


async def _new(work: UnitOfWork, decoded: Sequence[Decoded]) -> tuple[list[Decoded], list[Unreadable]]:
    if not decoded:
        return [], []
    first: dict[UUID, Decoded] = {}
    for item in decoded:
        first.setdefault(item.event.event_id, item)
    hashes = {event_id: item.body_hash for event_id, item in first.items()}
    before = await inbox.take(work.connection, hashes)
    contradicting: list[Unreadable] = []
    if before or len(first) < len(decoded):
        valid = hashes | before  # what was taken before counts, not what comes first in this batch
        contradicting = [
            _refused(each, CONTRADICTING) for each in decoded if each.body_hash != valid[each.event.event_id]
        ]
    new = [item for event_id, item in first.items() if event_id not in before] if before else list(first.values())
    for topic, count in Counter(item.record.topic for item in new).items():
        metrics.EVENTS_TAKEN.labels(topic).inc(count)
    if len(decoded) > len(new):
        metrics.EVENTS_REPEATED.inc(len(decoded) - len(new))
    return new, contradicting


def pack(record: RawRecord) -> bytes:
    """A record's key, headers and value as one JSON text, for the quarantine."""

    def text(raw: bytes | None) -> str | None:
        return None if raw is None else base64.b64encode(raw).decode()

    headers = [[name, text(value)] for name, value in record.headers]
    return json.dumps({"key": text(record.key), "headers": headers, "value": text(record.value)}).encode()


def _refused(item: Decoded, reason: str) -> Unreadable:
    return Unreadable(item.record, reason, "", item.event.event_id, item.event.referral_id)


def _targets(records: Sequence[RawRecord]) -> dict[Partition, int]:
    targets: dict[Partition, int] = {}
    for record in records:
        partition = (record.topic, record.partition)
        targets[partition] = max(targets.get(partition, 0), record.offset + 1)
    return targets


def _traceparents(decoded: Sequence[Decoded]) -> dict[UUID, str | None]:
    """The traces of the referrals that a batch is about; of a case that one joins, that of the one that joins."""
    joined = {item.event.into: item.traceparent for item in decoded if type(item.event) is ReferralJoined}
    return joined | {item.event.referral_id: item.traceparent for item in decoded}


def _feed_record(record: RawRecord) -> FeedRecord:
    return FeedRecord(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers={name: value or b"" for name, value in record.headers},
        arrived_at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
    )


def _feed_fault(aside: SetAside) -> Fault:
    record = aside.record
    return Fault(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        reason=aside.reason,
        path=aside.path,
        payload_hash=body_hash(record.value),
        source=aside.source,
    )
