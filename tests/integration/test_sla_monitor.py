"""The monitor on a real database: what it is told comes through the chassis, as it comes from Kafka."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sla_monitor
from aiokafka import ConsumerRecord
from chassis import Transactions, offsets
from chassis.database import migrate, open_pool
from chassis.delivery import Delivery
from chassis.keys import Keys, Vault
from chassis.work import Surroundings
from peerline.cloudevents import headers_of
from peerline.events import (
    Event,
    MatchConfirmed,
    OutreachLogged,
    ParticipantUnresolved,
    Phase,
    ReferralCreated,
    ReferralForgotten,
    ReferralJoined,
    ReferralWithdrawn,
    Topic,
)
from peerline.events.deadlines import Firmness
from peerline.ids import Ids
from peerline.programme import Clock, Elapsed, Programme, Programmes, read_programmes
from peerline.sealing import Opener, Sealer
from sla_monitor import handlers, sweep

from tests.support.workplace import PROGRAMMES, Workplace, until

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


@pytest.fixture
async def monitor(workplace: Workplace) -> AsyncIterator[Monitor]:
    async with monitor_of(workplace, promising(DAY, warn_before=timedelta(hours=4))) as opened:
        yield opened


@pytest.fixture
async def impatient(workplace: Workplace) -> AsyncIterator[Monitor]:
    """A monitor of a programme whose clocks are due the moment they start."""
    async with monitor_of(workplace, promising(timedelta(0))) as opened:
        yield opened


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


async def test_a_new_referral_sets_each_of_its_deadlines_once(monitor: Monitor) -> None:
    referral = created(uuid4())

    await monitor.deliver(referral)
    await monitor.deliver(referral)

    events = await monitor.published()
    assert [(event["type"], event["clock"], event["sequence"]) for event in events] == [
        ("deadline-set", "first-contact", 1),
        ("deadline-set", "match", 2),
    ]
    assert {datetime.fromisoformat(event["due_at"]) for event in events} == {NOW + DAY}
    assert len({event["event_id"] for event in events}) == 2


async def test_an_unresolved_person_has_a_match_clock_that_the_later_referral_does_not_restart(
    monitor: Monitor,
) -> None:
    person = uuid4()

    await monitor.deliver(ParticipantUnresolved(**common(person), received_at=NOW))
    await monitor.deliver(created(person, NOW, entered_at=NOW + timedelta(hours=2)))

    assert await monitor.types("match") == ["deadline-set"]
    assert await monitor.types("first-contact") == ["deadline-set"]


async def test_what_stops_the_clocks_may_come_before_what_starts_them(monitor: Monitor) -> None:
    referral_id = uuid4()

    await monitor.deliver(confirmed(referral_id), logged(referral_id, "contact-attempted"))
    await monitor.deliver(created(referral_id, NOW - timedelta(hours=1)))
    await monitor.sweep()

    assert await monitor.types("match") == ["deadline-set", "deadline-met"]
    assert await monitor.types("first-contact") == ["deadline-set", "deadline-met"]


async def test_a_case_closed_before_it_was_created_is_never_breached(impatient: Monitor) -> None:
    referral_id = uuid4()

    await impatient.deliver(logged(referral_id, "closed", NOW - DAY))
    await impatient.deliver(created(referral_id, NOW, entered_at=NOW - DAY))
    await impatient.sweep_until_idle()

    assert {event["type"] for event in await impatient.published()} == {"deadline-set"}


async def test_a_withdrawal_counts_once_the_case_was_closed_for_it(monitor: Monitor) -> None:
    referral_id, received = uuid4(), NOW - DAY - timedelta(hours=1)
    await monitor.deliver(created(referral_id, received))

    await monitor.deliver(ReferralWithdrawn(**common(referral_id, NOW - DAY)), logged(referral_id, "closed", NOW))
    await monitor.sweep_until_idle()

    assert await monitor.types("match") == ["deadline-set"]


async def test_a_match_that_becomes_known_after_the_breach_corrects_it_and_names_it(impatient: Monitor) -> None:
    referral_id = uuid4()
    await impatient.deliver(created(referral_id, NOW, entered_at=NOW - DAY))
    await impatient.sweep_until_idle()

    await impatient.deliver(confirmed(referral_id, NOW - timedelta(seconds=1)))
    await impatient.deliver(confirmed(referral_id, NOW - timedelta(seconds=2)))

    events = [event for event in await impatient.published() if event["clock"] == "match"]
    assert [event["type"] for event in events] == ["deadline-set", "deadline-breached", "deadline-met"]
    assert events[2]["corrects"] == events[1]["event_id"]


async def test_a_referral_keyed_three_days_late_is_breached_at_once_and_says_so(monitor: Monitor) -> None:
    await monitor.deliver(created(uuid4(), received_at=NOW - 3 * DAY, entered_at=NOW))

    events = [event for event in await monitor.published() if event["clock"] == "match"]
    assert [(event["type"], event["late_entry"]) for event in events] == [
        ("deadline-set", True),
        ("deadline-breached", True),
    ]


async def test_a_trigger_that_joins_moves_the_clocks_of_the_open_case(monitor: Monitor) -> None:
    case, trigger = uuid4(), uuid4()
    await monitor.deliver(created(case, NOW))

    await monitor.deliver(
        ReferralJoined(**common(trigger), into=case, received_at=NOW - timedelta(hours=2)),
        ReferralJoined(**common(trigger), into=case, received_at=NOW - timedelta(hours=3)),
    )

    events = [event for event in await monitor.published() if event["clock"] == "match"]
    assert [event["type"] for event in events] == ["deadline-set", "deadline-set"]
    assert datetime.fromisoformat(events[1]["due_at"]) == NOW - timedelta(hours=3) + DAY
    assert events[0]["event_id"] != events[1]["event_id"]
    assert {event["referral_id"] for event in events} == {str(case)}


async def test_the_cases_that_a_batch_joins_are_locked_with_its_referrals_lowest_first(monitor: Monitor) -> None:
    case, referral, trigger = UUID(int=1), UUID(int=2), UUID(int=3)
    await monitor.deliver(created(case), created(referral))
    pool = monitor.transactions.pool

    async with pool.acquire() as other, other.transaction():
        await other.execute("SELECT FROM referral WHERE referral_id = $1 FOR UPDATE", case)
        joining = ReferralJoined(**common(trigger), into=case, received_at=NOW - timedelta(hours=2))
        batch = asyncio.create_task(monitor.deliver(confirmed(referral), joining))
        await until(lambda: _somebody_waits(monitor), what="the batch to wait for the case")
        # Whoever holds the lower one must get the higher one: held the other way round, one of the two would die.
        await other.execute("SELECT FROM referral WHERE referral_id = $1 FOR UPDATE NOWAIT", referral)
    await batch

    assert await monitor.types("match") == ["deadline-set"] * 2 + ["deadline-met", "deadline-set"]


async def _somebody_waits(monitor: Monitor) -> bool:
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())"
    return bool(await monitor.transactions.pool.fetchval(waiting))


async def test_a_forgotten_case_leaves_a_row_without_any_time(monitor: Monitor) -> None:
    referral_id = uuid4()
    await monitor.deliver(created(referral_id))

    await monitor.deliver(ReferralForgotten(**common(referral_id)))
    await monitor.deliver(created(referral_id))

    assert await monitor.transactions.pool.fetchval("SELECT count(*) FROM clock") == 0
    assert await monitor.types("match") == ["deadline-set"]
    assert await monitor.sweep() is None


async def test_a_programme_that_is_not_known_quarantines_its_event_and_no_other(monitor: Monitor) -> None:
    known, unknown = created(uuid4()), created(uuid4())
    ref = SHCP.ref.model_copy(update={"id": "elsewhere"})

    await monitor.deliver(unknown.model_copy(update={"programme": ref}), known)

    assert {event["referral_id"] for event in await monitor.published()} == {str(known.referral_id)}
    assert await monitor.transactions.pool.fetchval("SELECT reason FROM quarantine") == "unknown-programme"
