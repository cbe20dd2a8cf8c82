"""One service takes events, writes one row and publishes one event for each, until all are on Kafka."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from aiokafka import AIOKafkaProducer
from chassis import Consumer, Service, ServiceSettings, UnitOfWork, topics
from peerline.cloudevents import headers_of
from peerline.events import MatchConfirmed, ProgrammeRef, ReferralCreated, Topic

from tests.support.servers import Servers
from tests.support.workplace import PARTITIONS, Workplace

SHCP = ProgrammeRef(id="shcp", digest="0" * 16)
MIGRATION = "CREATE TABLE effect (referral_id uuid PRIMARY KEY, attempt int NOT NULL);"
LONGEST_SECONDS = 300


async def hop(servers: Servers, folder: Path, quick: bool) -> dict[str, Any]:
    """Events a second of a matcher-like handler; the first round warms the broker up and is not counted."""
    events, rounds = (5_000, 2) if quick else (50_000, 5)
    rates = [await _round(servers, folder / f"hop-{number}", events) for number in range(rounds + 1)][1:]
    return {
        "events": events,
        "rounds": rounds,
        "events_per_second": {"median": round(median(rates)), "min": round(min(rates)), "max": round(max(rates))},
        "missing": 0,
        "doubled": 0,
    }


async def _round(servers: Servers, folder: Path, events: int) -> float:
    place = Workplace(servers, folder)
    migrations = folder / "migrations"
    migrations.mkdir(parents=True)
    (migrations / "0001_effect.sql").write_text(MIGRATION)
    await topics.apply(servers.bootstrap, partitions=PARTITIONS, prefix=place.prefix)
    await _produce(place, events)
    settings = place.settings(ServiceSettings, "matcher")
    service = Service(name="matcher", settings=settings, consumer=_consumer(), migrations=migrations)
    began = time.perf_counter()
    async with place.running(service, ready=False):
        while await place.count(Topic.MATCHES) < events:
            if time.perf_counter() - began > LONGEST_SECONDS:
                raise SystemExit(f"hop: not all of {events} events were published in {LONGEST_SECONDS} s")
            await asyncio.sleep(0.05)
        seconds = time.perf_counter() - began
    published = [event.referral_id for event in await place.events(Topic.MATCHES)]
    if len(published) != events or len(set(published)) != events:
        raise SystemExit("hop: something is missing or doubled; the figure does not count")
    return events / seconds


def _consumer() -> Consumer:
    consumer = Consumer("matcher")

    @consumer.on(ReferralCreated)
    async def confirm(referrals: Sequence[ReferralCreated], work: UnitOfWork) -> None:
        await work.connection.execute(
            "INSERT INTO effect (referral_id, attempt) SELECT unnest($1::uuid[]), 1",
            [referral.referral_id for referral in referrals],
        )
        for referral in referrals:
            work.publish(
                MatchConfirmed(
                    event_id=work.ids.event(MatchConfirmed.name, referral.referral_id, 1),
                    referral_id=referral.referral_id,
                    programme=referral.programme,
                    sequence=1,
                    occurred_at=work.now,
                    match_id=work.ids.match(referral.referral_id, 1),
                    attempt=1,
                )
            )

    return consumer


async def _produce(place: Workplace, events: int) -> None:
    now = datetime.now(UTC)
    producer = AIOKafkaProducer(bootstrap_servers=place.servers.bootstrap, linger_ms=5)
    await producer.start()
    try:
        for number in range(events):
            referral_id = place.ids.referral("shcp", "bench", str(number), "person")
            event = ReferralCreated(
                event_id=place.ids.event(ReferralCreated.name, referral_id),
                referral_id=referral_id,
                programme=SHCP,
                sequence=1,
                occurred_at=now,
                received_at=now,
            )
            headers = headers_of(event, source="/peerline/intake", time=now, traceparent=None)
            await producer.send(
                f"{place.prefix}{event.topic}", event.body(), key=str(referral_id).encode(), headers=headers
            )
        await producer.flush()
    finally:
        await producer.stop()
