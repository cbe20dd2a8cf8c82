"""The fence: who has lost a partition, or is behind in it, writes nothing, whatever they hold."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import asyncpg
import pytest
from chassis import ServiceSettings, Transactions, offsets
from chassis.decoding import RawRecord
from chassis.delivery import Delivery
from chassis.keys import read_keys
from chassis.offsets import Fenced, Partition, Position
from chassis.partitions import partition_of
from chassis.work import Surroundings
from peerline.events import Topic
from peerline.programme import read_programmes

from tests.integration.test_chassis_relay import an_outbox
from tests.support.counter import Counter, a_referral
from tests.support.workplace import Workplace

Pool = asyncpg.Pool


@pytest.fixture
async def pool(workplace: Workplace, tmp_path: Path) -> AsyncIterator[Pool]:
    async with an_outbox(workplace, tmp_path) as opened:
        yield opened


@pytest.fixture
def delivery(workplace: Workplace, pool: Pool, counter: Counter) -> Delivery:
    settings = workplace.settings(ServiceSettings, "matcher")
    programmes = read_programmes(settings.programmes)
    surroundings = Surroundings("matcher", Topic.MATCHES, read_keys(settings), programmes, {})
    return Delivery(counter.consumer, Transactions(pool, surroundings))


async def owned(pool: Pool, records: Sequence[RawRecord]) -> dict[Partition, Position]:
    async with pool.acquire() as connection:
        return await offsets.take_over(connection, {partition_of(record) for record in records})


async def written(pool: Pool) -> list[int]:
    return [await pool.fetchval(f"SELECT count(*) FROM {table}") for table in ("inbox", "outbox")]  # noqa: S608


async def test_a_former_owner_that_wakes_with_a_batch_in_hand_writes_nothing(
    workplace: Workplace, pool: Pool, delivery: Delivery
) -> None:
    await workplace.publish(*[a_referral(workplace, number) for number in range(6)])
    batch = await workplace.records(Topic.REFERRALS)
    former, present = await owned(pool, batch), await owned(pool, batch)

    with pytest.raises(Fenced):
        await delivery.deliver(batch, former)
    nothing = await written(pool)
    await delivery.deliver(batch, present)

    assert nothing == [0, 0]
    assert await written(pool) == [6, 6]


async def test_an_owner_that_is_behind_where_its_partition_stands_moves_nothing_back(
    workplace: Workplace, pool: Pool, delivery: Delivery
) -> None:
    await workplace.publish(*[a_referral(workplace, number) for number in range(6)])
    batch = await workplace.records(Topic.REFERRALS)
    held = await owned(pool, batch)
    moved = await delivery.deliver(batch, held)

    with pytest.raises(Fenced):
        await delivery.deliver(batch[:1], {partition_of(batch[0]): held[partition_of(batch[0])]})

    stands = await pool.fetch('SELECT topic, "partition", next_offset FROM consumer_offset')
    assert {(row["topic"], row["partition"]): row["next_offset"] for row in stands} == {
        partition: position.next_offset for partition, position in moved.items()
    }
