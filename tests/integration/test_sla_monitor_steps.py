"""Steps after breaches in the monitor's own database: each once in all replicas, and counted for nothing twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from peerline.clocks import Clock
from peerline.escalation import EscalationStep
from peerline.texts import Coordinator
from sla_monitor import gauges
from sla_monitor.domain.acknowledgement import acknowledge
from sla_monitor.domain.case import MATCH, ClockName
from sla_monitor.repository import clocks, standings

from tests.support.lone_monitor import DAY, NOW, Monitor, common, created, monitor_of, promising
from tests.support.workplace import Workplace

HOUR = timedelta(hours=1)
CONTACT = Coordinator(name="Somebody", email="somebody@shcp.example.org", phone="(207) 555-0100")
STEPS = (EscalationStep(after=HOUR, to="deputy"), EscalationStep(after=3 * HOUR, to="director"))


@pytest.fixture
async def monitor(workplace: Workplace) -> AsyncIterator[Monitor]:
    """A monitor whose match clock is due a day after the start, and told on after an hour and after three."""
    programme = promising(DAY)
    match: Clock = programme.clocks[0].model_copy(update={"escalation": STEPS})
    director = CONTACT.model_copy(update={"email": "director@shcp.example.org"})
    changed = {"clocks": (match,), "deputy": CONTACT, "director": director}
    async with monitor_of(workplace, programme.model_copy(update=changed)) as opened:
        yield opened


async def sweep_all(monitor: Monitor) -> None:
    """Several replicas look for what is due at the same time."""
    await asyncio.gather(*(monitor.sweep() for _ in range(4)))


async def next_at(monitor: Monitor) -> datetime | None:
    found: datetime | None = await monitor.transactions.pool.fetchval("SELECT next_at FROM clock")
    return found


async def test_after_an_outage_every_replica_tells_each_step_that_is_past_once_and_in_order(monitor: Monitor) -> None:
    referrals = [uuid4() for _ in range(40)]
    await monitor.deliver(*(created(each, NOW - DAY - 2 * HOUR) for each in referrals))
    await sweep_all(monitor)
    await sweep_all(monitor)

    events = await monitor.published()

    told = Counter((event["referral_id"], event["type"], event.get("level")) for event in events)
    assert set(told.values()) == {1}
    for referral in referrals:
        about = [event for event in events if event["referral_id"] == str(referral)]
        assert [event["type"] for event in about] == ["deadline-set", "deadline-breached", "deadline-escalated"]
        assert [event["sequence"] for event in about] == [1, 2, 3]
        assert (about[2]["level"], about[2]["to"]) == (1, "deputy")


async def test_the_sweep_waits_for_the_next_step_and_for_nothing_after_the_last(monitor: Monitor) -> None:
    received = NOW - DAY - 2 * HOUR
    await monitor.deliver(created(uuid4(), received))
    await monitor.sweep()
    waits_for = await next_at(monitor)

    await monitor.transactions.pool.execute("UPDATE clock SET due_at = due_at - interval '2 hours', next_at = now()")
    await monitor.sweep()

    assert waits_for == received + DAY + 3 * HOUR
    steps = [event for event in await monitor.published() if event["type"] == "deadline-escalated"]
    assert await monitor.types(MATCH) == ["deadline-set", "deadline-breached", *["deadline-escalated"] * 2]
    assert [(step["level"], step["to"]) for step in steps] == [(1, "deputy"), (2, "director")]
    assert len({step["event_id"] for step in steps}) == 2
    assert await next_at(monitor) is None


async def test_an_acknowledgement_takes_the_clock_from_the_sweep_and_a_repeated_request_starts_it_again_for_nobody(
    monitor: Monitor,
) -> None:
    request = created(uuid4(), NOW - DAY - 2 * HOUR)
    await monitor.deliver(request)
    await monitor.sweep()
    async with monitor.transactions.begin() as work:
        [case] = (await clocks.open_cases(work.connection, {request.referral_id})).values()
        case, _ = acknowledge(case, ClockName(MATCH), work.now, "office")
        await clocks.save(work.connection, [case])

    await monitor.deliver(request.model_copy(update=common(request.referral_id, NOW)))
    await monitor.sweep()

    stored = await monitor.transactions.pool.fetchrow("SELECT acknowledged_by, escalated, next_at FROM clock")
    assert stored is not None
    assert tuple(stored) == ("office", 1, None)


async def test_a_breached_clock_that_waits_for_its_next_step_is_counted_once(monitor: Monitor) -> None:
    await monitor.deliver(created(uuid4(), NOW - DAY - 2 * HOUR))
    await monitor.sweep()
    async with monitor.transactions.begin() as work:
        [waiting] = await standings.tallies(work.connection, 100)

    await monitor.transactions.pool.execute("UPDATE clock SET next_at = now() - interval '5 minutes'")
    await gauges.run(monitor.transactions)
    async with monitor.transactions.begin() as work:
        [behind] = await standings.tallies(work.connection, 100)

    assert (waiting.open, waiting.overdue, waiting.behind) == (1, 1, timedelta(0))
    assert (behind.open, behind.overdue) == (1, 1)
    assert behind.behind >= timedelta(minutes=5)
