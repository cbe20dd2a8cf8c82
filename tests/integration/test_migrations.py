"""Migrations: applied once, never changed, and begun anew where the database goes away."""

import asyncio
from pathlib import Path

import asyncpg
import pytest
from chassis.database import MIGRATION_LOCK, MigrationError, migrate, open_pool

from tests.integration.test_chassis_relay import an_outbox
from tests.support.workplace import Workplace, until


async def test_a_migration_is_applied_once_by_however_many_services_start(workplace: Workplace, tmp_path: Path) -> None:
    (tmp_path / "0001_thing.sql").write_text("CREATE TABLE thing (id int)")
    pool = await open_pool(workplace.database("matcher"))
    try:
        await asyncio.gather(*[migrate(pool, tmp_path) for _ in range(4)])

        assert await pool.fetchval("SELECT count(*)::int FROM thing") == 0
    finally:
        await pool.close()


async def test_a_migration_that_changed_after_it_was_applied_stops_the_start(
    workplace: Workplace, tmp_path: Path
) -> None:
    migration = tmp_path / "0001_thing.sql"
    migration.write_text("CREATE TABLE thing (id int)")
    async with an_outbox(workplace, tmp_path) as pool:
        migration.write_text("CREATE TABLE thing (id bigint)")
        with pytest.raises(MigrationError, match=r"0001_thing\.sql has changed"):
            await migrate(pool, tmp_path)

        migration.unlink()
        with pytest.raises(MigrationError, match="0001 was applied by a newer version"):
            await migrate(pool, tmp_path)


async def test_a_migration_whose_connection_is_lost_begins_anew(workplace: Workplace, tmp_path: Path) -> None:
    (tmp_path / "0001_here.sql").write_text("CREATE TABLE here (id int)")
    url = workplace.database("matcher")
    pool, other = await open_pool(url), await asyncpg.connect(url)
    try:
        await other.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        migrating = asyncio.create_task(migrate(pool, tmp_path))
        await until(lambda: ended_while_waiting(other), what="the migration to wait for the lock")
        await other.execute("SELECT pg_advisory_unlock_all()")
        await asyncio.wait_for(migrating, 20)

        assert await other.fetchval("SELECT count(*) FROM here") == 0
    finally:
        await other.close()
        await pool.close()


async def ended_while_waiting(connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
    """End whoever waits for an advisory lock in this database; whether there was somebody."""
    ended = await connection.fetch(
        """
        SELECT pg_terminate_backend(pid) FROM pg_locks
         WHERE locktype = 'advisory' AND NOT granted
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        """
    )
    return bool(ended)
