"""A database is compared with the service's own topic before anything is decided from it."""

from pathlib import Path

from chassis import restored
from chassis.database import Connection, Pool
from peerline.events import Topic

from tests.integration.test_chassis_relay import _is_empty, a_relay, an_outbox, ce_id, write
from tests.support.workplace import Workplace, until


async def test_a_database_in_use_before_positions_were_kept_takes_its_topic_for_its_own(
    workplace: Workplace, tmp_path: Path
) -> None:
    async with an_outbox(workplace, tmp_path) as pool:
        await pool.execute("UPDATE restoration SET trusts_topic = true")  # as the migration finds it
        await workplace.produce(Topic.MATCHES, (b"r", b"0", [("ce_id", b"r/0")]), (b"r", b"1", [("ce_id", b"r/1")]))
        await write(pool, (b"r", b"1"), (b"r", b"2"))  # 1 was published by a leader that was killed

        async with a_relay(workplace):
            await until(lambda: _is_empty(pool), what="an empty outbox")
            lost = await _has_lost(pool)
        records = await workplace.records(Topic.MATCHES)

    assert not lost
    assert [record.value for record in records] == [b"0", b"1", b"2"]


async def test_an_event_that_was_lost_and_is_decided_again_is_not_published_again(
    workplace: Workplace, tmp_path: Path
) -> None:
    await workplace.produce(Topic.MATCHES, (b"r", b"0", [("ce_id", b"r/0")]))

    async with an_outbox(workplace, tmp_path) as pool, a_relay(workplace):
        await until(lambda: _has_lost(pool), what="the lost event")
        await write(pool, (b"r", b"0"), (b"r", b"1"))
        await until(lambda: _is_empty(pool), what="an empty outbox")
        decided = await pool.fetchval("SELECT decided_at IS NOT NULL FROM lost_event")
        records = await workplace.records(Topic.MATCHES)

    assert decided
    assert [record.value for record in records] == [b"0", b"1"]


async def _has_lost(pool: Pool) -> bool:
    async with pool.acquire() as connection:
        return await restored.has_lost(connection)


async def test_a_second_copy_that_a_frozen_leader_let_go_is_not_taken_for_lost(
    workplace: Workplace, tmp_path: Path
) -> None:
    async with an_outbox(workplace, tmp_path) as pool:
        await write(pool, (b"r", b"0"), (b"r", b"1"))
        async with a_relay(workplace):
            await until(lambda: _is_empty(pool), what="an empty outbox")
        await workplace.produce(Topic.MATCHES, (b"r", b"1", [("ce_id", ce_id(b"r", b"1"))]))
        await write(pool, (b"r", b"2"))
        async with a_relay(workplace):
            await until(lambda: _is_empty(pool), what="an empty outbox again")
        lost = await _has_lost(pool)

    assert not lost


async def test_nothing_is_taken_or_decided_from_a_database_that_nobody_has_compared(
    workplace: Workplace, tmp_path: Path
) -> None:
    async with an_outbox(workplace, tmp_path) as pool, pool.acquire() as connection:
        assert not await _is_compared(connection)
        assert not await restored.may_act(connection)

        async with a_relay(workplace):
            await restored.wait_until_compared(pool)
            assert await _is_compared(connection)
            assert await restored.may_act(connection)

        await until(lambda: _is_vouched_for_no_more(pool), what="the leader's connection to be gone")


async def _is_compared(connection: Connection) -> bool:
    async with connection.transaction():
        _, compared = await restored.now_and_compared(connection)
    return compared


async def _is_vouched_for_no_more(pool: Pool) -> bool:
    async with pool.acquire() as connection:
        return not await restored.is_compared(connection)
