"""
A database that was set back: what it has lost, and what stands still until a human has looked.

Nothing is decided from a database that was not compared with its own topic. The relay's leader compares, and
then holds a second advisory lock for as long as its connection lives: a lock is in no backup, so a database
that was put back is never taken for one that was compared.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from chassis.database import Connection, Pool

COMPARED = 0x636F_6D70_6172  # "compar", held exclusively by the leader that has compared

POLL = 0.05  # seconds


class NotCompared(ConnectionError):
    """No leader vouches for this database yet: it may have been set back. The world's, and soon over."""


@dataclass(frozen=True)
class Lost:
    """An event of our own that stands on our topic and that the database did not know."""

    event_id: str
    type: str
    referral_id: str
    partition: int
    offset: int
    recalled: bool = False


@dataclass(frozen=True)
class Halt:
    """Since when nothing is sent (None: it is), how many events were lost, how many of them cannot be told."""

    since: datetime | None
    events: int
    not_recalled: int


async def vouch(connection: Connection) -> None:
    """Say that this database was compared with its topic; true until the connection ends."""
    await connection.execute("SELECT pg_advisory_lock($1)", COMPARED)


async def now_and_compared(connection: Connection) -> tuple[datetime, bool]:
    """The database's time, and whether a leader vouches for it; to be asked within a transaction."""
    # Who gets the shared lock has found that nobody holds the other.
    row = await connection.fetchrow("SELECT statement_timestamp(), NOT pg_try_advisory_xact_lock_shared($1)", COMPARED)
    assert row is not None
    return row[0], row[1]


async def may_act(connection: Connection, *, while_halted: bool = False) -> bool:
    """Whether what time triggers may be done: somebody vouches for this database, and a human has looked."""
    found: bool = await connection.fetchval(
        "SELECT NOT pg_try_advisory_xact_lock_shared($1) AND (halted_at IS NULL OR $2) FROM restoration",
        COMPARED,
        while_halted,
    )
    return found


async def is_compared(connection: Connection) -> bool:
    """Whether somebody vouches for this database."""
    return await may_act(connection, while_halted=True)


async def wait_until_compared(pool: Pool) -> None:
    """Wait until somebody vouches for this database; raises what the database raises."""
    while True:
        async with pool.acquire() as connection:
            if await is_compared(connection):
                return
        await asyncio.sleep(POLL)


async def is_halted(connection: Connection) -> bool:
    """Whether a human has yet to look."""
    found: bool = await connection.fetchval("SELECT halted_at IS NOT NULL FROM restoration")
    return found


async def halted(connection: Connection) -> Halt:
    """What stands still, and why."""
    row = await connection.fetchrow(
        """
        SELECT (SELECT halted_at FROM restoration) AS since, count(*)::int AS events,
               (count(*) FILTER (WHERE NOT recalled))::int AS not_recalled
          FROM lost_event WHERE found_at >= (SELECT halted_at FROM restoration)
        """
    )
    return Halt(**row) if row else Halt(None, 0, 0)


async def halt(connection: Connection) -> None:
    """Let nothing be sent until a human has looked."""
    await connection.execute("UPDATE restoration SET halted_at = statement_timestamp() WHERE halted_at IS NULL")


async def resume(connection: Connection) -> None:
    """A human has looked."""
    await connection.execute("UPDATE restoration SET halted_at = NULL")


async def lost_events(connection: Connection, limit: int) -> list[Lost]:
    """The events for which it is halted, as they stand on the topic."""
    rows = await connection.fetch(
        """
        SELECT event_id, type, referral_id, "partition", "offset", recalled FROM lost_event
         WHERE found_at >= (SELECT halted_at FROM restoration) ORDER BY referral_id, "partition", "offset" LIMIT $1
        """,
        limit,
    )
    return [Lost(**row) for row in rows]


async def note(connection: Connection, lost: Sequence[Lost]) -> None:
    """Remember what was lost, so that it is not published a second time."""
    await connection.executemany(
        """
        INSERT INTO lost_event (event_id, type, referral_id, "partition", "offset", recalled)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (event_id) DO NOTHING
        """,
        [(each.event_id, each.type, each.referral_id, each.partition, each.offset, each.recalled) for each in lost],
    )


async def has_lost(connection: Connection) -> bool:
    """Whether anything was ever lost."""
    found: bool = await connection.fetchval("SELECT EXISTS (SELECT FROM lost_event)")
    return found


async def prune(connection: Connection) -> None:
    """Forget what no topic holds any more (35 days, and a week)."""
    await connection.execute("DELETE FROM lost_event WHERE found_at < statement_timestamp() - interval '42 days'")


async def positions(connection: Connection) -> dict[int, int]:
    """How far on its own topic the service knows its records, by partition."""
    rows = await connection.fetch('SELECT "partition", next_offset FROM own_position')
    return {row["partition"]: row["next_offset"] for row in rows}


async def move(connection: Connection, to: Mapping[int, int]) -> None:
    """Know every record of these partitions before these offsets."""
    await connection.execute(
        """
        INSERT INTO own_position ("partition", next_offset)
        SELECT * FROM unnest($1::int[], $2::bigint[])
        ON CONFLICT ("partition") DO UPDATE SET next_offset = excluded.next_offset
        """,
        list(to.keys()),
        list(to.values()),
    )


async def trusts_topic(connection: Connection) -> bool:
    """Whether what the topic holds is to be taken for known: the first comparison of a database in use."""
    found: bool = await connection.fetchval("SELECT trusts_topic FROM restoration")
    return found


async def trust_no_more(connection: Connection) -> None:
    """The first comparison is over."""
    await connection.execute("UPDATE restoration SET trusts_topic = false WHERE trusts_topic")
