"""What a service has taken in: each event id once, with the hash of its body."""

from collections.abc import Mapping
from operator import attrgetter
from uuid import UUID

from chassis.database import Connection


async def take(connection: Connection, hashes: Mapping[UUID, bytes]) -> tuple[set[UUID], dict[UUID, bytes]]:
    """
    Note these events as taken. Gives those that are new, and the hash of the body with which each other one was taken.

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
    new = {row["event_id"] for row in rows}
    seen = [event_id for event_id in ids if event_id not in new]
    if not seen:
        return new, {}
    rows = await connection.fetch("SELECT event_id, body_hash FROM inbox WHERE event_id = ANY($1::uuid[])", seen)
    return new, {row["event_id"]: row["body_hash"] for row in rows}


async def prune(connection: Connection) -> None:
    """Forget what is older than any record that a topic still holds (35 days) and a week more."""
    await connection.execute("DELETE FROM inbox WHERE taken_at < statement_timestamp() - interval '42 days'")
