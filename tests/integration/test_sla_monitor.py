"""The monitor on a real database: what it is told comes through the chassis, as it comes from Kafka."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from peerline.events import (
    ParticipantUnresolved,
    ReferralForgotten,
    ReferralJoined,
    ReferralWithdrawn,
)

from tests.support.lone_monitor import (
    DAY,
    NOW,
    SHCP,
    Monitor,
    common,
    confirmed,
    created,
    logged,
    monitor_of,
    promising,
)
from tests.support.workplace import Workplace, until


@pytest.fixture
async def monitor(workplace: Workplace) -> AsyncIterator[Monitor]:
    async with monitor_of(workplace, promising(DAY, warn_before=timedelta(hours=4))) as opened:
        yield opened


@pytest.fixture
async def impatient(workplace: Workplace) -> AsyncIterator[Monitor]:
    """A monitor of a programme whose clocks are due the moment they start."""
    async with monitor_of(workplace, promising(timedelta(0))) as opened:
        yield opened


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
