"""Paused clocks on a real database, without Kafka around the monitor: what is kept of them and how they are counted."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from peerline.events import ReferralForgotten, ReferralJoined
from sla_monitor.domain.case import Case, ClockName
from sla_monitor.domain.escalation import EscalationStep
from sla_monitor.domain.measures import Tally
from sla_monitor.domain.recorded import KnownPause
from sla_monitor.pausing import record_pause
from sla_monitor.repository import clocks, standings

from tests.support.lone_monitor import DAY, SHCP, Monitor, common, created, monitor_of, promising
from tests.support.promises import a_clock, logged
from tests.support.promises import promising as promising_these
from tests.support.workplace import Workplace

HOUR = timedelta(hours=1)
MATCH = ClockName("match")


@pytest.fixture
async def monitor(workplace: Workplace) -> AsyncIterator[Monitor]:
    """A monitor whose two clocks are due a day after the start."""
    async with monitor_of(workplace, promising(DAY, warn_before=4 * HOUR)) as opened:
        yield opened


async def pause(
    monitor: Monitor,
    referral_id: UUID,
    begins: datetime,
    ends: datetime | None = None,
    *,
    clock: str = "match",
    pause_id: UUID | None = None,
) -> UUID:
    pause_id = pause_id or uuid4()
    async with monitor.transactions.begin() as work:
        case = (await clocks.open_cases(work.connection, {referral_id}))[referral_id]
        await record_pause(work, case, KnownPause(pause_id, 0, begins, ends, "legal-hold", clock), SHCP.ref)
    return pause_id


async def read(monitor: Monitor, referral_id: UUID) -> Case:
    async with monitor.transactions.begin() as work:
        case = await clocks.read_case(work.connection, referral_id)
    assert case is not None
    return case


async def tally(monitor: Monitor) -> Tally:
    async with monitor.transactions.begin() as work:
        [found] = [each for each in await standings.tallies(work.connection, 100) if each.kind == "match"]
    return found


async def test_a_paused_clock_is_counted_as_paused_and_neither_open_nor_overdue(monitor: Monitor) -> None:
    now = datetime.now(UTC)
    running, overdue, held, held_late = (uuid4() for _ in range(4))
    await monitor.deliver(created(running, now), created(held, now - HOUR))
    await monitor.deliver(*(created(each, now - DAY - HOUR) for each in (overdue, held_late)))
    await monitor.sweep()

    await pause(monitor, held, now - HOUR)
    await pause(monitor, held_late, now - 2 * HOUR)  # begins before it was due: what was told stays told
    await monitor.sweep()

    counted = await tally(monitor)
    assert (counted.open, counted.paused, counted.overdue) == (2, 2, 1)
    assert HOUR <= counted.oldest < HOUR + timedelta(minutes=5)
    assert await monitor.types("match") == [*["deadline-set"] * 4, *["deadline-breached"] * 2, *["clock-paused"] * 2]


async def test_a_trigger_that_joins_a_paused_case_is_paused_as_well_and_told_once(monitor: Monitor) -> None:
    referral_id, now = uuid4(), datetime.now(UTC)
    await monitor.deliver(created(referral_id, now))
    await pause(monitor, referral_id, now - 12 * HOUR, now + 2 * HOUR)
    trigger = ReferralJoined(**common(uuid4(), now), into=referral_id, received_at=now - 20 * HOUR)

    await monitor.deliver(trigger)
    await monitor.deliver(trigger)

    clock = (await read(monitor, referral_id)).clocks[MATCH]
    assert clock.start is not None
    assert clock.start.due_at == now + 4 * HOUR + 14 * HOUR
    assert [start.due_at for start in clock.started] == [now + 4 * HOUR, now + DAY]
    dues = [event.get("due_at") for event in await monitor.published() if event["clock"] == "match"]
    assert [due and datetime.fromisoformat(due) for due in dues] == [
        now + DAY,
        None,
        now + DAY + 2 * HOUR,
        now + 18 * HOUR,
    ]


async def test_what_is_read_of_a_paused_case_is_what_was_written_and_nothing_is_left_of_a_forgotten_one(
    monitor: Monitor,
) -> None:
    referral_id, now = uuid4(), datetime.now(UTC)
    await monitor.deliver(created(referral_id, now))
    pause_id = await pause(monitor, referral_id, now + HOUR)
    before = await read(monitor, referral_id)

    async with monitor.transactions.begin() as work:
        await clocks.save(work.connection, [before])
    after = await read(monitor, referral_id)
    await monitor.deliver(ReferralForgotten(**common(referral_id, now, sequence=2)))

    assert after == before
    assert before.pauses[pause_id].begins_at == now + HOUR
    [start] = before.clocks[MATCH].started
    assert start.pinned is not None
    assert start.pinned.tzdata is not None
    left = await monitor.transactions.pool.fetch("SELECT pauses FROM referral")
    assert [row["pauses"] for row in left] == [None]


async def test_a_paused_clock_keeps_the_steps_of_its_escalation(workplace: Workplace) -> None:
    deputy = {"name": "Deputy", "email": "deputy@shcp.example.org", "phone": "(207) 555-0100"}
    named = promising_these(a_clock("match", escalation=[{"after": "PT2H", "to": "deputy"}]), deputy=deputy)
    programme = named.model_copy(update={"digest": SHCP.digest})
    referral_id, now = uuid4(), datetime.now(UTC)
    async with monitor_of(workplace, programme) as monitor:
        await monitor.deliver(created(referral_id, now))
        await pause(monitor, referral_id, now + HOUR, now + 2 * HOUR)
        clock = (await read(monitor, referral_id)).clocks[MATCH]

    steps = (EscalationStep(2 * HOUR, "deputy"),)
    assert clock.start is not None
    assert (clock.start.escalation, [start.escalation for start in clock.started]) == (steps, [steps])


async def test_a_due_time_that_is_told_again_after_another_is_another_event(monitor: Monitor) -> None:
    referral_id, now = uuid4(), datetime.now(UTC)
    await monitor.deliver(created(referral_id, now))
    pause_id = await pause(monitor, referral_id, now + HOUR, now + 2 * HOUR)

    for ends in (now + HOUR, now + 2 * HOUR, now + HOUR):
        await pause(monitor, referral_id, now + HOUR, ends, pause_id=pause_id)

    events = [
        event for event in await monitor.published() if event["type"] == "deadline-set" and event["clock"] == "match"
    ]
    dues = [datetime.fromisoformat(event["due_at"]) - now - DAY for event in events]
    assert dues == [0 * HOUR, HOUR, 0 * HOUR, HOUR, 0 * HOUR]
    assert len({event["event_id"] for event in events}) == 5


async def test_what_a_pause_would_put_beyond_the_calendar_is_set_aside_and_its_neighbours_go_through(
    workplace: Workplace,
) -> None:
    answer = a_clock(
        "answer", ["supporter-notified"], ["supporter-accepted"], due={"rule": "working-days", "days": 1, "at": "17:00"}
    )
    calendar = {"country": "US", "years": {"from": 2020, "to": 2060}}
    paused, other, now = uuid4(), uuid4(), datetime.now(UTC)
    async with monitor_of(workplace, promising_these(a_clock("match"), answer, calendar=calendar)) as monitor:
        await monitor.deliver(created(paused, now), created(other, now))
        await pause(monitor, paused, now, now + 1500 * DAY, clock="answer")

        await monitor.deliver(*(logged(each, "supporter-notified", now, 1) for each in (paused, other)))

        found = [
            (event["type"], event["referral_id"]) for event in await monitor.published() if event["clock"] == "answer"
        ]
        items = await monitor.transactions.pool.fetch("SELECT kind, reason FROM worklist_item")
    assert found == [("clock-paused", str(paused)), ("deadline-set", str(other))]
    assert [(row["kind"], row["reason"]) for row in items] == [("quarantined", "calendar-without-the-year")]
