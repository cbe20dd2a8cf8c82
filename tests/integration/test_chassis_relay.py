"""The relay on real Kafka and PostgreSQL: order per referral, one leader, nothing lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from chassis import outbox, own_topic
from chassis.bell import Bell
from chassis.database import migrate, open_pool
from chassis.outbox import EventTooLarge, Record
from chassis.relay import Relay
from peerline.events import Topic

from tests.support.workplace import Workplace, until


@asynccontextmanager
async def an_outbox(place: Workplace, tmp_path: Path) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    pool = await open_pool(place.database("matcher"))
    await migrate(pool, tmp_path)
    try:
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def a_relay(place: Workplace) -> AsyncIterator[None]:
    url = place.database("matcher")
    bell = Bell(url)
    tasks = [
        asyncio.create_task(bell.listen()),
        asyncio.create_task(Relay(url, place.servers.bootstrap, "matcher", bell, place.prefix).run()),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def ce_id(key: bytes, body: bytes) -> bytes:
    return key + b"/" + body[:20]


async def write(pool: "asyncpg.Pool[asyncpg.Record]", *bodies: tuple[bytes, bytes]) -> None:
    async with pool.acquire() as connection, connection.transaction():
        records = [
            Record(str(Topic.MATCHES), key, [("ce_id", ce_id(key, body))], body, ce_id(key, body).decode())
            for key, body in bodies
        ]
        await outbox.append(connection, records, bells="outbox")


async def left(pool: "asyncpg.Pool[asyncpg.Record]") -> int:
    count: int = await pool.fetchval("SELECT count(*)::int FROM outbox")
    return count


async def test_each_referrals_events_are_published_in_the_order_of_their_commits(
    workplace: Workplace, tmp_path: Path
) -> None:
    async with an_outbox(workplace, tmp_path) as pool:
        for number in range(60):
            await write(pool, *[(f"r{key}".encode(), f"{number}".encode()) for key in range(5)])

        async with a_relay(workplace):
            await until(lambda: _is_empty(pool), what="an empty outbox")
        records = await workplace.records(Topic.MATCHES)

    for key in range(5):
        bodies = [int(record.value) for record in records if record.key == f"r{key}".encode()]
        assert bodies == list(range(60))


@pytest.mark.parametrize("number", [outbox.MANY - 1, outbox.MANY, 700])
async def test_the_events_of_one_transaction_few_or_many_ring_once_and_are_published_in_their_order(
    workplace: Workplace, tmp_path: Path, number: int
) -> None:
    rung: list[object] = []
    bodies = [f"{event}".encode() for event in range(number)]
    hearer = await asyncpg.connect(workplace.database("matcher"))
    await hearer.add_listener("peerline", lambda *given: rung.append(given[-1]))
    async with an_outbox(workplace, tmp_path) as pool, a_relay(workplace):
        await write(pool, *[(b"r", body) for body in bodies])
        await until(lambda: _is_empty(pool), what="an empty outbox")
        records = await workplace.records(Topic.MATCHES)
    await hearer.close()

    assert rung == ["outbox"]
    assert [record.value for record in records] == bodies
    assert [dict(record.headers)["ce_id"] for record in records] == [ce_id(b"r", body) for body in bodies]
    assert {record.key for record in records} == {b"r"}


async def _is_empty(pool: "asyncpg.Pool[asyncpg.Record]") -> bool:
    return await left(pool) == 0


async def test_two_relays_publish_each_event_once(workplace: Workplace, tmp_path: Path) -> None:
    async with an_outbox(workplace, tmp_path) as pool, a_relay(workplace), a_relay(workplace):
        for number in range(20):
            await write(pool, (b"r", f"{number}".encode()))
        await until(lambda: _is_empty(pool), what="an empty outbox")
        records = await workplace.records(Topic.MATCHES)

    assert [int(record.value) for record in records] == list(range(20))


async def test_another_relay_takes_over_when_the_leader_is_gone(workplace: Workplace, tmp_path: Path) -> None:
    async with an_outbox(workplace, tmp_path) as pool:
        async with a_relay(workplace):
            await write(pool, (b"r", b"1"))
            await until(lambda: _is_empty(pool), what="the first event to be published")
        async with a_relay(workplace):
            await write(pool, (b"r", b"2"))
            await until(lambda: _is_empty(pool), what="the second event to be published")
        records = await workplace.records(Topic.MATCHES)

    assert [record.value for record in records] == [b"1", b"2"]


async def test_what_a_killed_leader_published_and_did_not_delete_is_not_published_again(
    workplace: Workplace, tmp_path: Path
) -> None:
    async with an_outbox(workplace, tmp_path) as pool:
        await write(pool, *[(f"r{number % 7}".encode(), f"{number}".encode()) for number in range(300)])
        published = await pool.fetch("SELECT key, body FROM outbox ORDER BY id LIMIT 200")
        await workplace.produce(
            Topic.MATCHES,
            *[(row["key"], row["body"], [("ce_id", ce_id(row["key"], row["body"]))]) for row in published],
        )

        async with a_relay(workplace):
            await until(lambda: _is_empty(pool), what="an empty outbox")
        records = await workplace.records(Topic.MATCHES)

    assert sorted(int(record.value) for record in records) == list(range(300))


async def test_an_event_that_fails_keeps_the_later_ones_of_its_referral_back(
    workplace: Workplace, tmp_path: Path
) -> None:
    async with an_outbox(workplace, tmp_path) as pool:
        await write(pool, (b"a", b"1"), (b"b", b"1"))
        # Beyond what the client sends, and so refused; no service can write such a row.
        await pool.execute("UPDATE outbox SET body = convert_to(repeat('x', 2000000), 'UTF8') WHERE key = 'a'")
        await write(pool, (b"a", b"2"), (b"b", b"2"))

        async with a_relay(workplace):
            await until(lambda: _only_a_is_left(pool), what="the other referral's events")
        records = await workplace.records(Topic.MATCHES)

    assert {record.key for record in records} == {b"b"}


async def _only_a_is_left(pool: "asyncpg.Pool[asyncpg.Record]") -> bool:
    rows = await pool.fetch("SELECT key FROM outbox")
    return [row["key"] for row in rows] == [b"a", b"a"]


async def test_an_event_above_the_limit_is_refused_when_it_is_written(workplace: Workplace, tmp_path: Path) -> None:
    async with an_outbox(workplace, tmp_path) as pool:
        with pytest.raises(EventTooLarge):
            await write(pool, (b"r", b"x" * (256 * 1024 + 1)))

        assert await left(pool) == 0


async def test_a_comparison_whose_connection_is_gone_fails_and_is_not_taken_for_a_cancelled_one(
    workplace: Workplace,
) -> None:
    connection = await asyncpg.connect(workplace.database("matcher"))
    connection.terminate()
    topic = f"{workplace.prefix}{Topic.MATCHES}"

    with pytest.raises(asyncpg.InterfaceError):
        await own_topic.compare(connection, workplace.servers.bootstrap, topic, [0], own_topic.nothing_recalled)
