"""The pool, and forward-only numbered migrations."""

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from chassis.failures import THE_WORLD
from chassis.log import logger

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

MIGRATION_LOCK = 0x7065_6572_6C69_6E65  # "peerline": one migration at a time per database
CHASSIS = Path(__file__).parent / "migrations"
PATIENCE = {
    "lock_timeout": "10s",  # what waits for a lock fails, is answered 503 or held, and is tried again
    "idle_in_transaction_session_timeout": "30s",  # a process that stands still gives its locks back
    # Also one that stands still between the Parse and the Bind of a statement: such a session is not idle, and neither
    # a lock's timeout nor a statement's ends it. A batch that takes longer is taken again in smaller pieces.
    "transaction_timeout": "60s",
}
"""How long PostgreSQL waits for others and for us; nothing hangs, whatever somebody has locked."""
log = logger("chassis")


class MigrationError(Exception):
    """A migration that was applied has changed since, or is missing; the text names it."""


async def open_pool(url: str, *, patience: float = 60) -> Pool:
    """A pool on the database, waited for `patience` seconds, since it may start beside us."""
    deadline = asyncio.get_running_loop().time() + patience
    while True:
        try:
            return await asyncpg.create_pool(
                url, min_size=1, max_size=8, command_timeout=60, server_settings=PATIENCE, reset=_as_it_is
            )
        except THE_WORLD as error:
            if asyncio.get_running_loop().time() > deadline:
                raise
            log.warning("database_awaited", error=type(error).__name__)
            await asyncio.sleep(0.5)


async def _as_it_is(_connection: Connection) -> None:
    """
    Give a connection back to the pool without PostgreSQL's resetting it, which costs a round trip each time.

    Nothing of ours leaves a lock, cursor or setting on a connection of the pool behind its transaction; asyncpg itself
    ends a transaction that is still open.
    """


async def wait_briefly(connection: Connection) -> None:
    """Wait for a lock no longer than a second in this transaction: many that are done together must not wait for one."""
    await connection.execute("SET LOCAL lock_timeout = '1s'")


async def migrate(pool: Pool, service: Path, *, patience: float = 60) -> None:
    """
    Bring the database to the chassis' and the service's newest migration; raises MigrationError.

    A database that goes away meanwhile is waited for `patience` seconds: what was begun is rolled back, and begun anew.
    """
    deadline = asyncio.get_running_loop().time() + patience
    while True:
        try:
            return await _migrate(pool, service)
        except THE_WORLD as error:
            if asyncio.get_running_loop().time() > deadline:
                raise
            log.warning("database_awaited", error=type(error).__name__)
            await asyncio.sleep(0.5)


async def _migrate(pool: Pool, service: Path) -> None:
    async with pool.acquire() as connection, connection.transaction():
        # Another may be migrating for long, and so may we; who stands still meanwhile keeps the others out of it.
        await connection.execute("SET LOCAL lock_timeout = 0; SET LOCAL transaction_timeout = '30min'")
        await connection.execute("SELECT pg_advisory_xact_lock($1)", MIGRATION_LOCK)
        await connection.execute(
            """
            CREATE TABLE IF NOT EXISTS schema_migration (
                component  text        NOT NULL,
                version    integer     NOT NULL,
                checksum   text        NOT NULL,
                applied_at timestamptz NOT NULL DEFAULT statement_timestamp(),
                PRIMARY KEY (component, version)
            )
            """
        )
        for component, folder in (("chassis", CHASSIS), ("service", service)):
            await _apply(connection, component, folder)


async def _apply(connection: Connection, component: str, folder: Path) -> None:
    rows = await connection.fetch("SELECT version, checksum FROM schema_migration WHERE component = $1", component)
    applied = {row["version"]: row["checksum"] for row in rows}
    known = dict(_numbered(folder))
    if gone := applied.keys() - known.keys():
        raise MigrationError(f"{component}: migration {min(gone):04d} was applied by a newer version")
    for version, path in sorted(known.items()):
        checksum = hashlib.sha256(path.read_bytes()).hexdigest()
        if version not in applied:
            await connection.execute(path.read_text())
            await connection.execute(
                "INSERT INTO schema_migration (component, version, checksum) VALUES ($1, $2, $3)",
                component,
                version,
                checksum,
            )
        elif applied[version] != checksum:
            raise MigrationError(f"{component}: {path.name} has changed since it was applied")


def _numbered(folder: Path) -> Iterator[tuple[int, Path]]:
    for path in folder.glob("[0-9][0-9][0-9][0-9]_*.sql"):
        yield int(path.name[:4]), path
