"""The monitor's own database with as many open clocks at rest as are wanted, and how its statements run. No tests here."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import asyncpg
import sla_monitor
from asyncpg.connection import LoggedQuery
from chassis import Transactions
from chassis.database import Connection, Pool
from chassis.keys import Keys, Vault
from chassis.work import Surroundings
from peerline.events import ReferralCreated, Topic
from peerline.ids import Ids
from peerline.programme import Programme, Programmes, read_programmes
from peerline.sealing import Opener, Sealer
from sla_monitor import handlers

from tests.support.workplace import PROGRAMMES

MIGRATIONS = Path(sla_monitor.__file__).parent / "migrations"
SHCP = read_programmes(PROGRAMMES)["shcp"]
TRACE = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-00"
NUMBERED = "md5('referral ' || number)::uuid"
"""A referral's id by its number: as evenly spread as real ones, and known without being kept."""

MONTH = "interval '30 days'"
"""Those at rest are due within so long after the first; what is made due was two of them earlier."""

KEYS = """
SELECT conrelid::regclass::text AS owner, quote_ident(conname) AS name,
       pg_get_constraintdef(oid) || CASE contype WHEN 'f' THEN ' NOT VALID' ELSE '' END AS made
  FROM pg_constraint
 WHERE contype IN ('f', 'p') AND (conrelid::regclass::text = ANY ($1::text[]) OR confrelid::regclass::text = ANY ($1))
 ORDER BY contype
"""
"""Foreign keys of these tables and to them, and then their primary keys."""

INDEXES = """
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS made FROM pg_index
 WHERE indrelid::regclass::text = ANY ($1::text[])
   AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype = 'p')
"""


def transactions_on(pool: Pool, programme: Programme = SHCP) -> Transactions:
    """Units of work of a monitor that holds one programme, without Kafka around it."""
    keys = Keys(Ids(b"i" * 32), None, Vault(b"s" * 32), Sealer({}), Opener({}))
    programmes = Programmes({programme.id: programme})
    return Transactions(pool, Surroundings("sla-monitor", Topic.DEADLINES, keys, programmes, {}))


class OpenClocks:
    """
    Clocks of many referrals, numbered from 1 on, each a copy of what the service made of a first one.

    `connection` is a superuser's, without a limit of time.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._made_due: dict[str, int] = {}
        self.kinds: list[str] = []

    async def lay(self, transactions: Transactions, clocks: int) -> None:
        """Fill the empty tables of a migrated database, in seconds for a million: without checks of foreign keys."""
        await self._first(transactions)
        self.kinds = [row["kind"] for row in await self._connection.fetch("SELECT kind FROM pattern_clock")]
        referrals = clocks // len(self.kinds)
        async with filling(self._connection, "referral", "clock"):
            await self._copy("referral", referrals)
            await self._copy("clock", referrals)

    async def make_due(self, kind: str, count: int) -> None:
        """Let the next `count` clocks of a kind have been due weeks ago, in the order in which they would have been."""
        first = self._made_due.get(kind, 0) + 1
        self._made_due[kind] = first + count - 1
        columns = await self._columns("clock")
        earlier = ", ".join(f"{name} = {name} - 2 * {MONTH}" for name, is_instant in columns.items() if is_instant)
        done = await self._connection.execute(
            f"""
            UPDATE clock SET {earlier} WHERE kind = $1 AND next_at IS NOT NULL
               AND referral_id IN (SELECT {NUMBERED} FROM generate_series($2::int, $3::int) AS number)
            """,  # noqa: S608  names of our own columns
            kind,
            first,
            first + count - 1,
        )
        assert done == f"UPDATE {count}", done

    async def _first(self, transactions: Transactions) -> None:
        now, referral_id = datetime.now(UTC), uuid4()
        event = ReferralCreated(
            event_id=uuid4(),
            referral_id=referral_id,
            programme=SHCP.ref,
            sequence=1,
            occurred_at=now,
            received_at=now,
        )
        async with transactions.begin({referral_id: TRACE}) as work:
            await handlers.follow([event], work)
        await self._connection.execute(
            """
            CREATE TEMPORARY TABLE pattern_referral AS SELECT * FROM referral;
            CREATE TEMPORARY TABLE pattern_clock AS SELECT * FROM clock WHERE next_at IS NOT NULL
            """
        )

    async def _copy(self, table: str, referrals: int) -> None:
        """What was made of the first referral once for every other, which is how they came: one after the other."""
        columns = await self._columns(table)
        given = {
            name: f"pattern.{name} + wanted.later" if instant else f"pattern.{name}"
            for name, instant in columns.items()
        }
        given["referral_id"] = "wanted.referral_id"
        await self._connection.execute(
            f"""
            INSERT INTO {table} ({", ".join(given)})
            SELECT {", ".join(given.values())}
              FROM (SELECT number, {NUMBERED} AS referral_id, {MONTH} * (number::float8 / $1::int) AS later
                      FROM generate_series(1, $1::int) AS number) AS wanted
             CROSS JOIN LATERAL (SELECT *, wanted.number FROM pattern_{table} OFFSET 0) AS pattern
            """,  # noqa: S608  names of our own tables and columns
            referrals,
        )

    async def _columns(self, table: str) -> dict[str, bool]:
        """The columns of a table, and whether each is an instant."""
        rows = await self._connection.fetch(
            """
            SELECT column_name, data_type LIKE 'timestamp%' AS is_instant FROM information_schema.columns
             WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position
            """,
            table,
        )
        return {row["column_name"]: row["is_instant"] for row in rows}


@asynccontextmanager
async def filling(connection: Connection, *tables: str) -> AsyncIterator[None]:
    """
    While tables are filled: no triggers, and keys and indexes that are made anew at the end, as they were.

    The tables are logged all the while. Foreign keys are not checked. Autovacuum is kept from the tables also
    afterwards: it would come upon ten million new rows in the middle of whichever figure. They are analysed instead.
    """
    keys = await connection.fetch(KEYS, list(tables))
    indexes = await connection.fetch(INDEXES, list(tables))
    settings = {"session_replication_role": "replica", "work_mem": "512MB", "maintenance_work_mem": "512MB"}
    drop = [f"ALTER TABLE {key['owner']} DROP CONSTRAINT {key['name']}" for key in keys]
    make = [f"ALTER TABLE {key['owner']} ADD CONSTRAINT {key['name']} {key['made']}" for key in reversed(keys)]
    await _each(connection, [f"SET {name} = '{value}'" for name, value in settings.items()])
    await _each(connection, [f"ALTER TABLE {table} SET (autovacuum_enabled = off)" for table in tables])
    await _each(connection, [*drop, *(f"DROP INDEX {index['name']}" for index in indexes)])
    yield
    await _each(connection, [*make, *(index["made"] for index in indexes), f"ANALYZE {', '.join(tables)}"])
    await _each(connection, [f"RESET {name}" for name in settings])


async def _each(connection: Connection, statements: Sequence[str]) -> None:
    for statement in statements:
        await connection.execute(statement)


class Statement(NamedTuple):
    """One statement as it was sent, and what was given with it."""

    query: str
    given: tuple[Any, ...]


async def statements_of(
    connection: "asyncpg.Connection[Any]", call: Callable[[], Awaitable[object]]
) -> list[Statement]:
    """What a call sends over a connection."""
    seen: list[LoggedQuery] = []
    with connection.query_logger(seen.append):
        await call()
        await asyncio.sleep(0)  # the logger is called by the loop
    return [Statement(each.query, tuple(each.args)) for each in seen]


async def plan_of(connection: Connection, statement: Statement) -> str:
    """How PostgreSQL would run a statement now."""
    rows = await connection.fetch(f"EXPLAIN {statement.query}", *statement.given)
    return "\n".join(row[0] for row in rows)
