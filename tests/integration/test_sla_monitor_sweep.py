"""What time decides, on a real database: once, never early, by as many replicas as there are."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from peerline.escalation import EscalationStep
from peerline.events import Event, MatchConfirmed, OutreachLogged, ReferralCreated
from sla_monitor import handlers, sweep
from sla_monitor.repository import clocks, due

from tests.support.lone_monitor import DAY, NOW, Monitor, confirmed, created, logged, monitor_of, promising
from tests.support.workplace import Workplace


@pytest.fixture
async def monitor(workplace: Workplace) -> AsyncIterator[Monitor]:
    async with monitor_of(workplace, promising(DAY, warn_before=timedelta(hours=4))) as opened:
        yield opened


@pytest.fixture
async def impatient(workplace: Workplace) -> AsyncIterator[Monitor]:
    """A monitor of a programme whose clocks are due the moment they start."""
    async with monitor_of(workplace, promising(timedelta(0))) as opened:
        yield opened


async def test_a_warning_comes_before_the_due_time_and_the_breach_at_it_and_nothing_early(workplace: Workplace) -> None:
    wait, warn_before = timedelta(seconds=3), timedelta(seconds=1)
    async with monitor_of(workplace, promising(wait, warn_before)) as monitor:
        received = datetime.now(UTC)
        await monitor.deliver(created(uuid4(), received))

        await monitor.sweep_until_idle()

        events = [event for event in await monitor.published() if event["clock"] == "match"]
    assert [event["type"] for event in events] == ["deadline-set", "deadline-approaching", "deadline-breached"]
    assert events[1]["recorded_at"] >= received + wait - warn_before
    assert events[2]["recorded_at"] >= datetime.fromisoformat(events[2]["occurred_at"]) >= received + wait
    assert events[2]["recorded_at"] < received + wait + timedelta(seconds=15)


async def test_what_the_sweep_writes_is_all_that_it_has_decided(workplace: Workplace) -> None:
    told_on = [EscalationStep(after=timedelta(minutes=minutes), to="coordinator") for minutes in (30, 90)]
    programme = promising(DAY, warn_before=timedelta(hours=4))
    steps = {"clocks": tuple(clock.model_copy(update={"escalation": tuple(told_on)}) for clock in programme.clocks)}
    async with monitor_of(workplace, programme.model_copy(update=steps)) as monitor:
        asked = [datetime.now(UTC) - DAY - timedelta(hours=hours) for hours in (-12, -3, 0, 1, 2)]
        await monitor.deliver(*(created(uuid4(), received) for received in asked))
        await monitor.sweep()
        swept = await _rows(monitor)

        async with monitor.transactions.begin() as work:
            cases = [await clocks.read_case(work.connection, referral["referral_id"]) for referral in swept["referral"]]
            await clocks.save(work.connection, [case for case in cases if case])
        whole = await _rows(monitor)

    assert whole == swept
    decided = [(row["approached"], row["verdict"], row["escalated"], row["outcome"]) for row in swept["clock"]]
    assert sorted(Counter(decided).items(), key=str) == [
        ((False, "breached", 0, "breached"), 2),
        ((False, "breached", 1, "breached"), 2),
        ((False, "breached", 2, "breached"), 2),
        ((False, None, 0, None), 2),
        ((True, None, 0, None), 2),
    ]


async def test_a_clock_that_only_looks_due_is_claimed_once_and_not_for_ever(monitor: Monitor) -> None:
    referral = uuid4()
    await monitor.deliver(created(referral, datetime.now(UTC)), confirmed(referral, datetime.now(UTC)))
    await monitor.transactions.pool.execute("UPDATE clock SET next_at = $1 WHERE kind = 'match'", NOW - DAY)

    await asyncio.wait_for(monitor.sweep(), timeout=20)

    assert await monitor.types("match") == ["deadline-set", "deadline-met"]
    assert await monitor.transactions.pool.fetchval("SELECT next_at FROM clock WHERE kind = 'match'") is None


async def _rows(monitor: Monitor) -> dict[str, list[asyncpg.Record]]:
    """All that the monitor knows of cases and clocks; `ctid` tells whether a clock was written again."""
    pool = monitor.transactions.pool
    return {
        "referral": await pool.fetch("SELECT * FROM referral ORDER BY referral_id"),
        "clock": await pool.fetch("SELECT ctid, * FROM clock ORDER BY referral_id, kind, attempt"),
    }


async def test_the_sweep_says_how_long_until_the_next_due_time(monitor: Monitor) -> None:
    assert await monitor.sweep() is None

    await monitor.deliver(created(uuid4(), datetime.now(UTC)))

    wait = await monitor.sweep()
    assert wait is not None
    assert timedelta(hours=19) < wait < timedelta(hours=20, minutes=1)


async def test_the_next_due_time_is_waited_for_no_longer_where_the_inputs_are_far_behind(monitor: Monitor) -> None:
    await monitor.deliver(created(uuid4(), datetime.now(UTC)))

    async with monitor.transactions.begin() as work:
        wait = await due.until_next(work.connection, work.now - DAY)

    assert wait is not None
    assert timedelta(hours=19) < wait < timedelta(hours=20, minutes=1)


async def test_what_has_become_due_since_is_looked_at_again_after_as_long_as_the_inputs_are_behind(
    monitor: Monitor,
) -> None:
    await monitor.deliver(created(uuid4(), datetime.now(UTC)))
    async with monitor.transactions.begin() as work:
        await work.connection.execute("UPDATE clock SET next_at = $1 WHERE next_at IS NOT NULL", work.now)

        soon = await due.until_next(work.connection, work.now - timedelta(milliseconds=1))
        behind: timedelta = await work.connection.fetchval(
            "SELECT clock_timestamp() - $1::timestamptz", work.now - timedelta(milliseconds=1)
        )
        late = await due.until_next(work.connection, work.now - DAY)

    assert soon is not None
    assert soon <= min(behind, timedelta(seconds=0.5))
    assert late == timedelta(seconds=0.5)


async def test_several_replicas_breach_every_deadline_once_with_one_sequence_for_a_referral(
    impatient: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "BATCH", 20)
    referrals = [created(uuid4(), NOW, entered_at=NOW - DAY) for _ in range(300)]
    await impatient.deliver(*referrals)

    await asyncio.gather(*(impatient.sweep_until_idle() for _ in range(4)))

    breaches = [event for event in await impatient.published() if event["type"] == "deadline-breached"]
    assert Counter(Counter(event["deadline_id"] for event in breaches).values()) == {1: 600}
    sequences = [(event["referral_id"], event["sequence"]) for event in breaches]
    assert sorted(sequences) == sorted((str(r.referral_id), number) for r in referrals for number in (3, 4))


async def test_one_run_decides_all_that_is_due_in_as_many_batches_as_it_takes(
    impatient: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "BATCH", 7)
    await impatient.deliver(*(created(uuid4(), NOW, entered_at=NOW - DAY) for _ in range(20)))

    wait = await impatient.sweep()

    assert wait is None
    assert Counter(event["type"] for event in await impatient.published())["deadline-breached"] == 40


async def test_a_sweep_that_dies_before_its_commit_leaves_everything_due(
    impatient: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await impatient.deliver(created(uuid4(), NOW, entered_at=NOW - DAY))

    async def die(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(due, "save_decided", die)
        with pytest.raises(ConnectionError):
            await impatient.sweep()
    assert "deadline-breached" not in await impatient.types("match")

    await impatient.sweep_until_idle()
    assert await impatient.types("match") == ["deadline-set", "deadline-breached"]


async def test_a_case_that_cannot_be_decided_is_set_aside_and_the_others_go_on(impatient: Monitor) -> None:
    broken, sound = uuid4(), uuid4()
    await impatient.deliver(created(broken, NOW, entered_at=NOW - DAY), created(sound, NOW, entered_at=NOW - DAY))
    await impatient.transactions.pool.execute("UPDATE clock SET firmness = 'iron' WHERE referral_id = $1", broken)

    wait = await impatient.sweep()

    breached = {e["referral_id"] for e in await impatient.published() if e["type"] == "deadline-breached"}
    assert breached == {str(sound)}
    assert await impatient.items() == [("stuck", str(broken))]
    assert wait is not None
    assert wait > timedelta(minutes=9)


@pytest.mark.parametrize("comes", ["a-fact", "its-time"])
async def test_a_case_that_was_set_aside_leaves_the_worklist_once_it_is_decided(impatient: Monitor, comes: str) -> None:
    broken, pool = uuid4(), impatient.transactions.pool
    await impatient.deliver(created(broken, NOW, entered_at=NOW - DAY))
    [firmness] = {row["firmness"] for row in await pool.fetch("SELECT firmness FROM clock")}
    await pool.execute("UPDATE clock SET firmness = 'iron'")
    await impatient.sweep()
    listed = await impatient.items()
    await pool.execute("UPDATE clock SET firmness = $1, next_at = least(next_at, now())", firmness)

    if comes == "a-fact":
        await impatient.deliver(confirmed(broken, NOW))
    else:
        await impatient.sweep()

    assert listed == [("stuck", str(broken))]
    assert await impatient.items() == []


async def test_a_stop_that_is_being_taken_in_keeps_the_sweep_away_until_it_is_decided(impatient: Monitor) -> None:
    referral_id = uuid4()
    await impatient.deliver(created(referral_id, NOW, entered_at=NOW - DAY))

    async with impatient.transactions.begin() as work:
        await handlers.follow([confirmed(referral_id, NOW)], work)
        during = await impatient.sweep()

    assert during is not None
    await impatient.sweep_until_idle()
    assert await impatient.types("match") == ["deadline-set", "deadline-met"]
    assert await impatient.types("first-contact") == ["deadline-set", "deadline-breached"]


async def test_replicas_that_take_the_same_referrals_from_different_topics_do_not_deadlock(
    monitor: Monitor,
) -> None:
    referral_ids = [uuid4() for _ in range(40)]
    makers: Sequence[Callable[[UUID], Event]] = (created, confirmed, lambda rid: logged(rid, "contact-made"))

    async def take_in(order: Sequence[UUID], turn: int) -> None:
        for _ in range(3):
            events = [makers[(place + turn) % 3](rid) for place, rid in enumerate(order)]
            traceparents = {event.referral_id: None for event in events}
            async with monitor.transactions.begin(traceparents) as work:
                for kind in _types(turn):
                    await handlers.follow([event for event in events if isinstance(event, kind)], work)

    await asyncio.gather(*(take_in(referral_ids[:: (1, -1)[turn % 2]], turn) for turn in range(6)))

    sequences = [(event["referral_id"], event["sequence"]) for event in await monitor.published()]
    assert len(sequences) == len(set(sequences))


def _types(turn: int) -> list[type[Event]]:
    """The types of event in an order that makes each turn begin with other referrals than the turn before."""
    types: list[type[Event]] = [ReferralCreated, MatchConfirmed, OutreachLogged]
    first = 2 * turn % 3
    return types[first:] + types[:first]
