"""Records that cannot be taken: kept encrypted, listed, and replayed when they can be."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.database import Connection

MOST = 5
"""More than this of one topic for one reason in ten minutes halts the topic: a bad deploy must not empty it.

On a feed it is counted for each source: one incident system that goes wrong does not stop the others'.
"""


@dataclass(frozen=True)
class Fault:
    """
    Why a record is set aside. `reason` is a code, `path` the name of a field, `payload` already encrypted.

    `source` is the incident system that wrote it, "" for our own topics and where it is not known.
    """

    topic: str
    partition: int
    offset: int
    reason: str
    path: str
    payload_hash: bytes
    payload: bytes | None = None
    event_id: UUID | None = None
    referral_id: UUID | None = None
    source: str = ""


@dataclass(frozen=True)
class Entry:
    """A quarantined record as an operator sees it."""

    id: UUID
    topic: str
    partition: int
    offset: int
    reason: str
    path: str
    event_id: UUID | None
    referral_id: UUID | None
    since: datetime
    replayed_at: datetime | None


COLUMNS = 'id, topic, "partition", "offset", reason, path, event_id, referral_id, since, replayed_at'


async def put(connection: Connection, faults: Sequence[Fault]) -> None:
    """Keep these records; one that stands already stays as it is."""
    await connection.executemany(
        """
        INSERT INTO quarantine
               (topic, "partition", "offset", reason, path, payload_hash, payload, event_id, referral_id, source)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        ON CONFLICT (topic, "partition", "offset") DO NOTHING
        """,
        [
            (
                fault.topic,
                fault.partition,
                fault.offset,
                fault.reason,
                fault.path,
                fault.payload_hash,
                fault.payload,
                fault.event_id,
                fault.referral_id,
                fault.source,
            )
            for fault in faults
        ],
    )


async def recent(connection: Connection, topic: str, reason: str) -> dict[str, int]:
    """How many records of a topic were set aside for a reason in the last ten minutes, by source."""
    rows = await connection.fetch(
        """
        SELECT source, count(*)::int AS records FROM quarantine
         WHERE topic = $1 AND reason = $2 AND since > statement_timestamp() - interval '10 minutes'
           AND replayed_at IS NULL
         GROUP BY source
        """,
        topic,
        reason,
    )
    return {row["source"]: row["records"] for row in rows}


async def is_released(connection: Connection, topic: str, reason: str) -> bool:
    """Whether an operator lets more of a topic be set aside for a reason."""
    found: bool = await connection.fetchval(
        """
        SELECT EXISTS (SELECT 1 FROM halt_release WHERE topic = $1 AND reason = $2 AND until > statement_timestamp())
        """,
        topic,
        reason,
    )
    return found


async def release(connection: Connection, topic: str, reason: str) -> None:
    """Let more of a topic be set aside for a reason, for an hour."""
    await connection.execute(
        """
        INSERT INTO halt_release (topic, reason, until) VALUES ($1, $2, statement_timestamp() + interval '1 hour')
        ON CONFLICT (topic, reason) DO UPDATE SET until = excluded.until
        """,
        topic,
        reason,
    )


async def discard(connection: Connection, topic: str, partition: int, offset: int) -> None:
    """An operator decides that a record is never to be taken."""
    await connection.execute(
        """
        UPDATE quarantine SET replayed_at = statement_timestamp()
         WHERE topic = $1 AND "partition" = $2 AND "offset" = $3
        """,
        topic,
        partition,
        offset,
    )


async def entries(connection: Connection, limit: int) -> list[Entry]:
    """The records not yet replayed, oldest first."""
    rows = await connection.fetch(
        f"SELECT {COLUMNS} FROM quarantine WHERE replayed_at IS NULL ORDER BY since, id LIMIT $1",  # noqa: S608  constant
        limit,
    )
    return [Entry(**row) for row in rows]


async def claim(connection: Connection, entry_id: UUID) -> tuple[Entry, bytes | None] | None:
    """Lock a record that was not replayed yet; gives it with its encrypted payload."""
    row = await connection.fetchrow(
        f"SELECT {COLUMNS}, payload FROM quarantine WHERE id = $1 AND replayed_at IS NULL FOR UPDATE",  # noqa: S608  constant
        entry_id,
    )
    if row is None:
        return None
    return Entry(**{name: value for name, value in row.items() if name != "payload"}), row["payload"]


async def mark_replayed(connection: Connection, entry_id: UUID) -> None:
    """Note that a record has been taken after all."""
    await connection.execute("UPDATE quarantine SET replayed_at = statement_timestamp() WHERE id = $1", entry_id)
