"""A batch that takes long: it holds up nobody else's time, is seen meanwhile, and comes to an end."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest
from aiokafka.partitioner import DefaultPartitioner
from chassis import UnitOfWork
from chassis.freshness import NEVER
from peerline.events import ReferralCreated, Topic

from tests.support.counter import Counter, a_referral, quarantined
from tests.support.workplace import Running, Workplace, until

PER_EVENT = 0.05  # seconds


async def test_a_batch_at_work_is_seen_and_keeps_only_its_own_partition_from_being_up_to_date(
    workplace: Workplace, counter: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.database.PATIENCE", {"lock_timeout": "100s"})  # who waits for a lock, waits too long
    ended = [asyncio.Event(), asyncio.Event()]

    async def until_ended(_events: Sequence[ReferralCreated], _work: UnitOfWork) -> None:
        await ended[counter.tries - 1].wait()

    counter.trouble = until_ended
    first, second = _of_partition_0(workplace, 2)
    async with workplace.running(counter.service(workplace, tmp_path)) as running:
        await workplace.publish(first)
        await _is_at_work(counter, 1)
        await until(lambda: _shows_lag(running, 1), seconds=30, what="the lag")
        before = (await _caught_up(running))[0]
        await _goes_on(running)
        await workplace.publish(second)
        ended[0].set()
        await _is_at_work(counter, 2)
        await _goes_on(running)
        monkeypatch.setattr("chassis.freshness.EVERY", 3600)  # so that only the end of the batch can note it
        monkeypatch.setattr("chassis.freshness.SOON", 3600)
        await _stands_still(running)
        ended[1].set()

        async def is_noted() -> bool:
            return (await _caught_up(running))[0] > before

        await until(is_noted, seconds=30, what="a note between two batches")


async def test_a_handler_too_slow_for_a_whole_batch_gets_on_in_smaller_pieces_and_keeps_its_partitions(
    workplace: Workplace, counter: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.database.PATIENCE", {"idle_in_transaction_session_timeout": "1s"})
    referrals = [a_referral(workplace, number) for number in range(40)]
    batches: list[int] = []

    async def slowly(events: Sequence[ReferralCreated], _work: UnitOfWork) -> None:
        batches.append(len(events))
        await asyncio.sleep(PER_EVENT * len(events))

    counter.trouble = slowly
    await workplace.publish(*referrals)
    async with workplace.running(counter.service(workplace, tmp_path), ready=False) as running:
        matches = await workplace.wait_for(Topic.MATCHES, lambda found: len(found) >= 40, seconds=60)
        epochs = await running.fetch("SELECT epoch FROM consumer_offset WHERE next_offset > 0")
        aside = await quarantined(running)

    assert max(batches) * PER_EVENT > 1, "nothing was too much"
    assert sorted(match.referral_id for match in matches) == sorted(each.referral_id for each in referrals)
    assert {row["epoch"] for row in epochs} == {1}
    assert aside == []


def _of_partition_0(place: Workplace, count: int) -> list[ReferralCreated]:
    partitioner = DefaultPartitioner()
    everyone = [a_referral(place, number) for number in range(100)]
    return [each for each in everyone if partitioner(str(each.referral_id).encode(), [0, 1], [0, 1]) == 0][:count]


async def _is_at_work(counter: Counter, batch: int) -> None:
    async def has_begun() -> bool:
        return counter.tries == batch

    await until(has_begun, seconds=30, what=f"batch {batch}")


async def _shows_lag(running: Running, records: int) -> bool:
    return f"\npeerline_consumer_lag {records}.0\n" in (await running.client.get("/metrics")).text


async def _caught_up(running: Running) -> list[datetime]:
    """Up to when the partitions 0 and 1 have been read; a batch may come before the first note."""
    rows = await running.fetch('SELECT caught_up_at FROM consumer_offset ORDER BY "partition"')
    return [row["caught_up_at"] or NEVER for row in rows]


async def _goes_on(running: Running) -> None:
    """Wait until partition 1 has been noted twice more."""
    for _ in range(2):
        before = (await _caught_up(running))[1]

        async def is_later(before: datetime = before) -> bool:
            return (await _caught_up(running))[1] > before

        await until(is_later, seconds=30, what="the other partition's note")


async def _stands_still(running: Running) -> None:
    """Wait until nothing is noted any more."""

    async def is_still() -> bool:
        before = await _caught_up(running)
        await asyncio.sleep(2)
        return await _caught_up(running) == before

    await until(is_still, seconds=30, what="the last note")
