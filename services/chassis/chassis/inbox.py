"""What a service has taken in: each event id once, with the hash of its body."""

from collections.abc import Mapping
from operator import attrgetter
from uuid import UUID

from chassis.database import Connection


async def take(connection: Connection, hashes: Mapping[UUID, bytes]) -> dict[UUID, bytes]:
    """
    Note these events as taken. Gives those that were taken before, each with the hash of the body that it had then.

    Sorted by id, so that two consumers with the same events wait for each other instead of deadlocking.
    """
    ids = sorted(hashes, key=attrgetter("int"))  # as UUIDs sort, without their comparison in Python
    rows = await connection.fetch(
        """
        INSERT INTO inbox (event_id, body_hash)
        SELECT id, hash FROM unnest($1::uuid[], $2::bytea[]) AS given (id, hash) ORDER BY id
        ON CONFLICT (event_id) DO NOTHING RETURNING event_id
        """,
        ids,
        [hashes[event_id] for event_id in ids],
    )
    if len(rows) == len(ids):
        return {}
    seen = set(ids).difference(row["event_id"] for row in rows)
    rows = await connection.fetch("SELECT event_id, body_hash FROM inbox WHERE event_id = ANY($1::uuid[])", list(seen))
    return {row["event_id"]: row["body_hash"] for row in rows}


async def prune(connection: Connection) -> None:
    """Forget what is older than any record that a topic still holds (35 days) and a week more."""
    await connection.execute("DELETE FROM inbox WHERE taken_at < statement_timestamp() - interval '42 days'")
