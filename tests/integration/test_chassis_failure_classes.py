"""Failures that a real PostgreSQL makes, and the class of each."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest
from chassis.failures import Cause, cause_of

from tests.support.workplace import Workplace

Fault = Callable[[str], Awaitable[None]]


async def undefined_column(url: str) -> None:
    await _run(url, "SELECT no_such_column FROM pg_class")


async def wrong_type(url: str) -> None:
    async with _another(url) as connection:
        await connection.execute("SELECT $1::int", "many")


async def broken_rule(url: str) -> None:
    await _run(url, "CREATE TEMP TABLE one (id int NOT NULL)", "INSERT INTO one VALUES (NULL)")


async def read_only(url: str) -> None:
    await _run(url, "SET default_transaction_read_only = on", "CREATE TABLE never ()")


async def a_locked_table(url: str) -> None:
    holder = await asyncpg.connect(url)
    try:
        await holder.execute("CREATE TABLE locked ()")
        await holder.execute("BEGIN; LOCK TABLE locked")
        await _run(url, "SET lock_timeout = '50ms'", "SELECT * FROM locked")
    finally:
        await holder.close()


async def a_statement_that_takes_too_long(url: str) -> None:
    await _run(url, "SET statement_timeout = '50ms'", "SELECT pg_sleep(60)")


async def a_cancelled_query(url: str) -> None:
    await _disturbed(url, "SELECT pg_cancel_backend($1)")


async def a_session_that_is_ended(url: str) -> None:
    await _disturbed(url, "SELECT pg_terminate_backend($1)")


async def a_connection_that_was_lost(url: str) -> None:
    connection = await asyncpg.connect(url)
    connection.terminate()
    await connection.execute("SELECT 1")


async def a_frozen_transaction(url: str) -> None:
    connection = await asyncpg.connect(url, server_settings={"idle_in_transaction_session_timeout": "50ms"})
    try:
        async with connection.transaction():
            while True:
                await asyncio.sleep(0.2)
                await connection.execute("SELECT 1")
    finally:
        connection.terminate()


async def too_many_connections(url: str) -> None:
    async with _another(url) as admin:
        await admin.execute("CREATE ROLE crowded LOGIN PASSWORD 'x' CONNECTION LIMIT 0")
        try:
            await asyncpg.connect(url, user="crowded", password="x")
        finally:
            await admin.execute("DROP ROLE crowded")


async def no_such_database(url: str) -> None:
    await asyncpg.connect(url, database="no_such_database")


async def no_server(url: str) -> None:
    await asyncpg.connect(url, port=1)


async def deadlock(url: str) -> None:
    async with _another(url) as first, _another(url) as second:
        await first.execute("CREATE TABLE pair (id int PRIMARY KEY); INSERT INTO pair VALUES (1), (2)")
        lock = "SELECT 1 FROM pair WHERE id = $1 FOR UPDATE"
        async with first.transaction(), second.transaction():
            await first.execute(lock, 1)
            await second.execute(lock, 2)
            await asyncio.gather(first.execute(lock, 2), second.execute(lock, 1))


async def serialization(url: str) -> None:
    async with _another(url) as first, _another(url) as second:
        await first.execute("CREATE TABLE tally (n int); INSERT INTO tally VALUES (0)")
        async with first.transaction(isolation="repeatable_read"):
            await first.fetchval("SELECT n FROM tally")
            await second.execute("UPDATE tally SET n = 1")
            await first.execute("UPDATE tally SET n = 2")


WORLD: list[Fault] = [
    read_only,
    a_locked_table,
    a_statement_that_takes_too_long,
    a_cancelled_query,
    a_session_that_is_ended,
    a_connection_that_was_lost,
    a_frozen_transaction,
    too_many_connections,
    no_such_database,
    no_server,
    deadlock,
    serialization,
]
OURS: list[Fault] = [undefined_column, wrong_type, broken_rule]
FAULTS = [(fault, Cause.WORLD) for fault in WORLD] + [(fault, Cause.OURS) for fault in OURS]


@pytest.mark.parametrize(("fault", "cause"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
async def test_what_postgresql_raises_has_its_class(workplace: Workplace, fault: Fault, cause: Cause) -> None:
    url = workplace.database("matcher")

    with pytest.raises(Exception) as caught:  # noqa: PT011  which one it is, is the question
        await fault(url)

    assert cause_of(caught.value) is cause, type(caught.value).__name__


@asynccontextmanager
async def _another(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        connection.terminate()


async def _run(url: str, *statements: str) -> None:
    async with _another(url) as connection:
        for statement in statements:
            await connection.execute(statement)


async def _disturbed(url: str, disturb: str) -> None:
    """A query whose session another one disturbs."""
    async with _another(url) as victim, _another(url) as other:
        sleeping = asyncio.create_task(victim.execute("SELECT pg_sleep(60)"))
        await asyncio.sleep(0.2)
        await other.execute(disturb, victim.get_server_pid())
        await sleeping
