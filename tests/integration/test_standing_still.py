"""A process that stands still keeps its connections: PostgreSQL takes back what it holds, wherever it stopped."""

from typing import Any

import asyncpg
import pytest
from chassis import database, failures, relay

from tests.support.workplace import Workplace, until

LOCK = 7


async def stop_within(connection: Any, query: str) -> None:
    """Leave a connection as a process does that stops between the Parse and the Bind of a statement."""
    await connection.prepare(query)  # asyncpg asks for no Sync before it binds


@pytest.mark.parametrize("query", [None, "SELECT count(*) FROM seat WHERE taken = $1"], ids=["idle", "parsed"])
async def test_a_process_that_stands_still_in_a_transaction_gives_its_row_locks_back(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, query: str | None
) -> None:
    limits = {"idle_in_transaction_session_timeout": "1s", "transaction_timeout": "2s"}
    assert database.PATIENCE.keys() >= limits.keys()
    monkeypatch.setattr(database, "PATIENCE", limits)
    url = workplace.database("matcher")
    frozen, other = await database.open_pool(url), await asyncpg.connect(url, command_timeout=20)
    try:
        await other.execute("CREATE TABLE seat AS SELECT false AS taken")
        async with frozen.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute("UPDATE seat SET taken = true")
            if query:
                await stop_within(connection, query)

            await other.execute("UPDATE seat SET taken = NOT taken")
            with pytest.raises(failures.THE_WORLD):
                await transaction.commit()

        assert await other.fetchval("SELECT taken FROM seat") is True
        assert await frozen.fetchval("SELECT taken FROM seat") is True
    finally:
        await other.close()
        frozen.terminate()


@pytest.mark.parametrize("query", [None, "SELECT $1::int"], ids=["idle", "parsed"])
async def test_a_relay_that_stands_still_loses_its_lock(workplace: Workplace, query: str | None) -> None:
    limits = dict.fromkeys(set(relay.LEASE) - {"tcp_user_timeout"}, "1s")
    url = workplace.database("matcher")
    leader = await asyncpg.connect(url, server_settings=limits)
    standby = await asyncpg.connect(url)
    try:
        assert await leader.fetchval("SELECT pg_try_advisory_lock($1)", LOCK)
        if query:
            await stop_within(leader, query)

        async def takes_over() -> bool:
            return bool(await standby.fetchval("SELECT pg_try_advisory_lock($1)", LOCK))

        await until(takes_over, seconds=20, what="the lock")
        with pytest.raises(failures.THE_WORLD):
            await leader.fetchval("SELECT 1")
    finally:
        leader.terminate()
        await standby.close()
