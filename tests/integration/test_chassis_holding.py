"""What a consumer does while it fails: it holds what fails, keeps its place in the group, and skips nothing."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest
from aiokafka.partitioner import DefaultPartitioner
from chassis import UnitOfWork
from peerline.events import Event, ReferralCreated, Topic

from tests.support.counter import Counter, a_referral, a_withdrawal, quarantined
from tests.support.workplace import Running, Workplace, until

LONGEST_POLL = 2.0  # seconds without polling after which the client leaves its group


async def test_a_statement_for_another_schema_holds_its_record_and_keeps_the_group(
    workplace: Workplace, counter: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    referrals = [a_referral(workplace, number) for number in range(12)]
    wrong = referrals[3]

    async def missing_column(events: Sequence[ReferralCreated], work: UnitOfWork) -> None:
        if wrong in events:
            await work.connection.execute("SELECT no_such_column FROM inbox")

    counter.trouble = missing_column
    async with workplace.running(counter.service(workplace, tmp_path)) as service:
        _leave_after(LONGEST_POLL, service, monkeypatch)
        epochs = await _epochs(service)
        await workplace.publish(*referrals)
        await until(lambda: _is_held(service), what="a held partition")
        held_since = await _now(service)
        later = [a_referral(workplace, number) for number in range(12, 24)]
        await workplace.publish(*later)
        await until(lambda: _have_passed(service, held_since, LONGEST_POLL * 2), what="two polls' time")
        matched = {match.referral_id for match in await workplace.events(Topic.MATCHES)}
        apart = await _other_partition(workplace, wrong)
        held = (await service.client.get("/ready")).json()
        epochs_while_held = await _epochs(service)
        counter.trouble = None
        matches = await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 24, seconds=60)
        aside = await quarantined(service)
        await until(lambda: _is_ready(service), seconds=30, what="readiness")

    assert held["ready"] is False
    assert len(held["checks"]["consumer"]["held"]) == 1
    assert apart <= matched
    assert wrong.referral_id not in matched
    assert epochs_while_held == epochs
    assert len({match.referral_id for match in matches}) == 24
    assert aside == []


async def test_a_failover_that_is_not_over_is_waited_out(
    workplace: Workplace, counter: Counter, tmp_path: Path
) -> None:
    referrals = [a_referral(workplace, number) for number in range(12)]

    async with workplace.running(counter.service(workplace, tmp_path)) as service:
        async with _altered(workplace, "SET default_transaction_read_only = on", "RESET default_transaction_read_only"):
            await workplace.publish(*referrals)
            await until(lambda: _is_held(service), seconds=40, what="a held partition")
            reasons = (await service.client.get("/ready")).json()
        matches = await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 12, seconds=60)
        aside = await quarantined(service)
        await until(lambda: _is_ready(service), seconds=40, what="readiness")

    assert reasons["ready"] is False
    assert len(matches) == 12
    assert aside == []


async def test_a_database_that_is_away_turns_readiness_red_and_nothing_is_lost(
    workplace: Workplace, counter: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.health.EVERY", 0.2)
    referrals = [a_referral(workplace, number) for number in range(12)]

    async with workplace.running(counter.service(workplace, tmp_path)) as service:
        async with _altered(workplace, "ALLOW_CONNECTIONS false", "ALLOW_CONNECTIONS true"):
            await workplace.publish(*referrals)
            await until(lambda: _is_held(service), seconds=40, what="a held partition")
            checks = (await service.client.get("/ready")).json()["checks"]
            await until(lambda: _shows(service, 'check_ok{check="database"} 0.0'), seconds=40, what="the figure of it")
        matches = await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 12, seconds=60)
        aside = await quarantined(service)
        await until(lambda: _is_ready(service), seconds=40, what="readiness")
        await until(lambda: _shows(service, 'check_ok{check="database"} 1.0'), seconds=40, what="the figure of it")

    assert (checks["database"]["ok"], checks["consumer"]["ok"]) == (False, False)
    assert len(matches) == 12
    assert aside == []


async def _shows(service: Running, sample: str) -> bool:
    return f"peerline_{sample}" in (await service.client.get("/metrics")).text


async def test_a_locked_table_is_waited_out_and_nothing_hangs_on_it(
    workplace: Workplace, counter: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.database.PATIENCE", {"lock_timeout": "300ms"})
    referrals = [a_referral(workplace, number) for number in range(12)]

    async with workplace.running(counter.service(workplace, tmp_path)) as service:
        holder = await asyncpg.connect(workplace.database("matcher"))
        await holder.execute("BEGIN; LOCK TABLE inbox")
        await workplace.publish(*referrals)
        await until(lambda: _is_held(service), what="a held partition")
        await holder.close()
        matches = await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 12, seconds=60)
        aside = await quarantined(service)

    assert len(matches) == 12
    assert aside == []


async def test_a_batch_that_is_too_much_at_once_gets_through_in_smaller_pieces(
    workplace: Workplace, counter: Counter, tmp_path: Path
) -> None:
    referrals = [a_referral(workplace, number) for number in range(100)]

    async def too_much(events: Sequence[ReferralCreated], _work: UnitOfWork) -> None:
        if len(events) > 12:
            raise MemoryError

    counter.trouble = too_much
    await workplace.publish(*referrals)
    async with workplace.running(counter.service(workplace, tmp_path), ready=False) as service:
        matches = await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 100, seconds=60)
        aside = await quarantined(service)

    assert sorted(match.referral_id for match in matches) == sorted(each.referral_id for each in referrals)
    assert aside == []


async def test_no_record_is_ever_set_aside_for_a_failure_of_the_world(
    workplace: Workplace, counter: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.subscription.PERSISTENT", 0.5)
    referrals = [a_referral(workplace, number) for number in range(12)]
    seen = 0

    async def first_a_bug_then_no_memory(events: Sequence[ReferralCreated], _work: UnitOfWork) -> None:
        nonlocal seen
        if referrals[3] in events:
            seen += 1
            raise TypeError if seen < 3 else MemoryError

    counter.trouble = first_a_bug_then_no_memory
    await workplace.publish(*referrals)
    async with workplace.running(counter.service(workplace, tmp_path), ready=False) as service:
        await until(lambda: _is_held(service), what="a held partition")
        since = await _now(service)
        await workplace.publish(*[a_referral(workplace, number) for number in range(12, 24)])
        await until(lambda: _have_passed(service, since, 3.0), what="several times as long as a bug may take")
        aside = await quarantined(service)
        counter.trouble = None
        matches = await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 24, seconds=60)

    assert seen > 3
    assert aside == []
    assert len(matches) == 24


async def test_a_bug_that_meets_every_record_sets_none_aside_however_long_it_lasts(
    workplace: Workplace, counter: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.subscription.PERSISTENT", 0.2)
    monkeypatch.setattr("chassis.partitions.LONGEST_PAUSE", 0.3)
    referrals = [a_referral(workplace, number) for number in range(24)]
    counter.fail = {each.event_id for each in referrals}
    await workplace.publish(*referrals)

    async with workplace.running(counter.service(workplace, tmp_path), ready=False) as service:
        await until(lambda: _has_tried(counter, 14), seconds=60, what="many tries")
        aside = await quarantined(service)
        held = (await service.client.get("/ready")).json()
        counter.fail = set()
        matches = await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 24, seconds=60)

    assert aside == []
    assert (held["ready"], len(held["checks"]["consumer"]["held"])) == (False, 2)
    assert len(matches) == 24


async def test_a_bug_that_meets_every_record_of_a_type_halts_the_topic_at_the_limit(
    workplace: Workplace, counter: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.subscription.PERSISTENT", 0.1)
    monkeypatch.setattr("chassis.partitions.LONGEST_PAUSE", 0.2)
    failing = await _of_partition(workplace, 0, 8)
    passing = await _of_partition(workplace, 1, 1)
    counter.fail = {each.event_id for each in failing}
    await workplace.publish(*failing, *passing)

    async with workplace.running(counter.service(workplace, tmp_path), ready=False, role="operator") as service:

        async def is_halted_while_others_pass() -> bool:
            await workplace.publish(a_withdrawal(workplace, passing[0]))
            return await _is_halted(service)

        await until(is_halted_while_others_pass, seconds=60, what="the topic to be halted")
        aside = await quarantined(service)
        matches = await workplace.events(Topic.MATCHES)

    assert aside == [("handler-failed", "")] * 5
    assert [match.referral_id for match in matches] == [passing[0].referral_id]


@asynccontextmanager
async def _altered(place: Workplace, change: str, back: str) -> AsyncIterator[None]:
    """The service's database altered meanwhile, for sessions old and new."""
    url = place.database("matcher")
    name = urlsplit(url).path.removeprefix("/")
    admin = await asyncpg.connect(url, database="postgres")
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1"
    try:
        await admin.execute(f'ALTER DATABASE "{name}" {change}')
        await admin.execute(end, name)
        yield
        await admin.execute(f'ALTER DATABASE "{name}" {back}')
        await admin.execute(end, name)
    finally:
        await admin.close()


def _leave_after(seconds: float, service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the client leave its group sooner than after five minutes without a poll."""
    kafka = service.app.state.health._subscription.kafka
    monkeypatch.setattr(kafka._coordinator, "_max_poll_interval", seconds)


async def _epochs(service: Running) -> list[tuple[int, int]]:
    """How often each partition was taken over: a rebalance raises it."""
    rows = await service.fetch('SELECT "partition", epoch FROM consumer_offset ORDER BY 1')
    return [(row["partition"], row["epoch"]) for row in rows]


async def _other_partition(place: Workplace, event: Event) -> set[UUID]:
    """The referrals whose records do not stand on this event's partition."""
    records = await place.records(Topic.REFERRALS)
    keys = {record.key.decode(): record.partition for record in records}
    apart = {key for key, number in keys.items() if number != keys[str(event.referral_id)]}
    return {UUID(key) for key in apart}


async def _of_partition(place: Workplace, number: int, count: int) -> list[ReferralCreated]:
    """Referrals whose records will stand on this partition."""
    partitioner = DefaultPartitioner()
    everyone = [a_referral(place, 100 + each) for each in range(100)]
    found = [each for each in everyone if partitioner(str(each.referral_id).encode(), [0, 1], [0, 1]) == number]
    return found[:count]


async def _now(service: Running) -> float:
    rows = await service.fetch("SELECT extract(epoch FROM clock_timestamp())::float AS now")
    return float(rows[0]["now"])


async def _have_passed(service: Running, since: float, seconds: float) -> bool:
    return await _now(service) - since > seconds


async def _has_tried(counter: Counter, times: int) -> bool:
    return counter.tries >= times


async def _consumer(service: Running) -> dict[str, object]:
    checks: dict[str, object] = (await service.client.get("/ready")).json()["checks"]["consumer"]
    return checks


async def _is_held(service: Running) -> bool:
    return bool((await _consumer(service))["held"])


async def _is_halted(service: Running) -> bool:
    return bool((await _consumer(service))["halted"])


async def _is_ready(service: Running) -> bool:
    return (await service.client.get("/ready")).status_code == 200
