"""The monitor on a real database without Kafka around it, and what it is told. No tests here."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import sla_monitor
from aiokafka import ConsumerRecord
from chassis import Transactions, offsets
from chassis.database import migrate, open_pool
from chassis.delivery import Delivery
from chassis.keys import Keys, Vault
from chassis.work import Surroundings
from peerline.clocks import Clock, Elapsed
from peerline.cloudevents import headers_of
from peerline.events import (
    Event,
    MatchConfirmed,
    OutreachLogged,
    Phase,
    ReferralCreated,
    Topic,
)
from peerline.events.deadlines import Firmness
from peerline.ids import Ids
from peerline.programme import Programme, Programmes, read_programmes
from peerline.sealing import Opener, Sealer
from sla_monitor import handlers, sweep

from tests.support.workplace import PROGRAMMES, Workplace

SHCP = read_programmes(PROGRAMMES)["shcp"]
NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def promising(wait: timedelta, warn_before: timedelta = timedelta(0)) -> Programme:
    """A programme whose two clocks are due this long after the start, on every day of the week."""
    due = Elapsed(weekday=wait, weekend=wait)
    clocks = [
        Clock(kind=kind, firmness=Firmness.PROMISED, due=due, warn_before=warn_before)
        for kind in ("match", "first-contact")
    ]
    return SHCP.model_copy(update={"clocks": tuple(clocks)})


class Monitor:
    """One or more replicas of the service on one database, without Kafka around it."""

    def __init__(self, transactions: Transactions) -> None:
        self.transactions = transactions
        self._delivery = Delivery(handlers.consumer, transactions)
        self._offsets = count()
        self._held: dict[offsets.Partition, offsets.Position] = {}

    async def deliver(self, *events: Event) -> None:
        """Hand these events in as one batch, in this order."""
        records = [record(event, next(self._offsets)) for event in events]
        wanted = {(r.topic, r.partition) for r in records}
        async with self.transactions.pool.acquire() as connection:
            held = await offsets.take_over(connection, wanted)
        await self._delivery.deliver(records, held)

    async def sweep(self) -> timedelta | None:
        return await sweep.run(self.transactions)

    async def sweep_until_idle(self) -> None:
        while (wait := await self.sweep()) is not None:
            await asyncio.sleep(wait.total_seconds())

    async def published(self) -> list[dict[str, Any]]:
        """The events about deadlines in the outbox, in order, with their type and when they were written."""
        rows = await self.transactions.pool.fetch("SELECT headers, body, recorded_at FROM outbox ORDER BY id")
        found = [
            json.loads(row["body"])
            | {"type": dict(json.loads(row["headers"]))["ce_type"].split(".")[1], "recorded_at": row["recorded_at"]}
            for row in rows
        ]
        return [event for event in found if "clock" in event]

    async def types(self, clock: str) -> list[str]:
        return [event["type"] for event in await self.published() if event["clock"] == clock]

    async def items(self) -> list[tuple[str, str]]:
        rows = await self.transactions.pool.fetch(
            "SELECT kind, subject FROM worklist_item WHERE resolved_at IS NULL ORDER BY since"
        )
        return [(row["kind"], row["subject"]) for row in rows]


def record(event: Event, offset: int) -> "ConsumerRecord[bytes | None, bytes | None]":
    body = event.body()
    return ConsumerRecord(
        topic=event.topic,
        partition=0,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=str(event.referral_id).encode(),
        value=body,
        checksum=None,
        serialized_key_size=36,
        serialized_value_size=len(body),
        headers=tuple(headers_of(event, source="/peerline/test", time=NOW, traceparent=None)),
    )


@asynccontextmanager
async def monitor_of(place: Workplace, programme: Programme) -> AsyncIterator[Monitor]:
    """The service on a database of this workplace, with one programme."""
    pool = await open_pool(place.database("sla-monitor"))
    await migrate(pool, Path(sla_monitor.__file__).parent / "migrations")
    keys = Keys(Ids(b"i" * 32), None, Vault(b"s" * 32), Sealer({}), Opener({}))
    programmes = Programmes({programme.id: programme})
    try:
        yield Monitor(Transactions(pool, Surroundings("sla-monitor", Topic.DEADLINES, keys, programmes, {})))
    finally:
        await pool.close()


def common(referral_id: UUID, occurred_at: datetime | None = None, sequence: int = 1) -> dict[str, Any]:
    return {
        "event_id": uuid4(),
        "referral_id": referral_id,
        "programme": SHCP.ref,
        "sequence": sequence,
        "occurred_at": occurred_at or NOW,
    }


def created(referral_id: UUID, received_at: datetime = NOW, entered_at: datetime | None = None) -> ReferralCreated:
    return ReferralCreated(**common(referral_id, entered_at or received_at), received_at=received_at)


def confirmed(referral_id: UUID, at: datetime = NOW) -> MatchConfirmed:
    return MatchConfirmed(**common(referral_id, at), match_id=uuid4(), attempt=1)


def logged(referral_id: UUID, step: str, at: datetime = NOW) -> OutreachLogged:
    return OutreachLogged(**common(referral_id, at), phase=Phase.OPEN, step=step)
