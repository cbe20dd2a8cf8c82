"""Many referrals come at once: how many a second one or more matchers match, until every proposal is on Kafka."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from chassis.topics import PARTITIONS
from peerline.cloudevents import headers_of
from peerline.compartments import MatchingProfile
from peerline.events import REGISTRY, Audience, MatchProposed, ProgrammeRef, ReferralCreated, Sealed, Topic
from peerline.ids import Ids
from peerline.sealing import Sealer
from peerline_local import keys
from peerline_local.home import read_json

from tests.benchmarks.ground import Ground, ground
from tests.support.servers import Servers

SHCP = ProgrammeRef(id="shcp", digest="0" * 16)
LONGEST_SECONDS = 300


async def matching(servers: Servers, folder: Path, processes: int, referrals: int) -> dict[str, Any]:
    """Matches a second of some matchers that are ready when the referrals come, and the CPU time of each match."""
    async with ground(servers, folder) as place, _reading(place) as consumer:
        matchers = await place.start(*["matcher"] * processes)
        await place.load_roster()
        for matcher in matchers:  # the group has settled again
            await matcher.ready()
        events = _referrals(place, referrals)
        used, began = sum(matcher.cpu for matcher in matchers), time.perf_counter()
        await _produce(place, events)
        while await _ends(consumer) < referrals:
            if time.perf_counter() - began > LONGEST_SECONDS:
                raise SystemExit(f"matching: not all of {referrals} were matched in {LONGEST_SECONDS} s")
            await asyncio.sleep(0.05)
        seconds, used = time.perf_counter() - began, sum(matcher.cpu for matcher in matchers) - used
        matched = [record async for record in _proposals(consumer, referrals)]
    if len(set(matched)) != len(matched) or set(matched) != {event.referral_id for event in events}:
        raise SystemExit("matching: something is missing or doubled; the figure does not count")
    return {"matches_per_second": round(referrals / seconds), "cpu_ms_per_match": round(used * 1000 / referrals, 2)}


def _referrals(place: Ground, count: int) -> list[ReferralCreated]:
    now = datetime.now(UTC)
    ids = Ids(secrets.token_bytes(32))
    sealer = Sealer(read_json(keys.sealing_keys(place.home, now)))

    def referral(number: int) -> ReferralCreated:
        referral_id = ids.referral("shcp", "bench", str(number), "person")
        profile = MatchingProfile(person=(f"person-{number}",))
        sealed = sealer.seal(
            Audience.MATCHER, profile, referral_id=referral_id, event_type=ReferralCreated.name, now=now
        )
        return ReferralCreated(
            event_id=ids.event(ReferralCreated.name, referral_id),
            referral_id=referral_id,
            programme=SHCP,
            sequence=1,
            occurred_at=now,
            received_at=now,
            sealed=Sealed(matcher=sealed),
        )

    return [referral(number) for number in range(count)]


async def _produce(place: Ground, events: list[ReferralCreated]) -> None:
    now = datetime.now(UTC)
    producer = AIOKafkaProducer(bootstrap_servers=place.servers.bootstrap, linger_ms=5)
    await producer.start()
    try:
        for event in events:
            headers = headers_of(event, source="/peerline/intake", time=now, traceparent=None)
            key = str(event.referral_id).encode()
            await producer.send(f"{place.prefix}{event.topic}", event.body(), key=key, headers=headers)
        await producer.flush()
    finally:
        await producer.stop()


@asynccontextmanager
async def _reading(place: Ground) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer at the beginning of the matches."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=place.servers.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(f"{place.prefix}{Topic.MATCHES}", number) for number in range(PARTITIONS)])
        yield consumer
    finally:
        await consumer.stop()


async def _ends(consumer: AIOKafkaConsumer) -> int:
    return sum((await consumer.end_offsets(consumer.assignment())).values())


async def _proposals(consumer: AIOKafkaConsumer, count: int) -> AsyncIterator[Any]:
    """The referrals of the first records, each of which has to be a proposal."""
    while count > 0:
        for records in (await consumer.getmany(timeout_ms=1000)).values():
            for record in records:
                count -= 1
                event = REGISTRY[dict(record.headers)["ce_type"].decode()].read(record.value)
                yield event.referral_id if isinstance(event, MatchProposed) else None
