"""Events that are written with their effect and published afterwards, by the relay."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from peerline.cloudevents import Headers
from pydantic_core import from_json, to_json

from chassis.database import Connection

LARGEST_BODY = 256 * 1024
MANY = 50  # records; so many are copied: a fifth less time for 500 of them, for a round trip more (0.1 ms)
_COLUMNS = ("topic", "key", "headers", "body", "event_id")
_FEW = """
WITH written AS (
    INSERT INTO outbox (topic, key, headers, body, event_id)
    SELECT topic, key, headers, body, event_id
      FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::bytea[], $5::text[])
           WITH ORDINALITY AS given (topic, key, headers, body, event_id, place)
     ORDER BY place
)
SELECT pg_notify('peerline', $6)
"""


class EventTooLarge(ValueError):
    """A body above 256 KiB; refused when it is written, since no broker setting of ours would take it."""


class Record(NamedTuple):
    """A record as it goes to Kafka."""

    topic: str
    key: bytes
    headers: Headers
    body: bytes
    event_id: str
    id: int = 0


async def append(connection: Connection, records: Sequence[Record], *, bells: str) -> None:
    """Write the records in order, as the last statements of a transaction, and ring once on commit."""
    if any(len(record.body) > LARGEST_BODY for record in records):
        raise EventTooLarge(f"a body is above {LARGEST_BODY} bytes")
    rows = [(record.topic, record.key, to_json(record.headers), record.body, record.event_id) for record in records]
    if len(rows) < MANY:
        await connection.execute(_FEW, *zip(*rows, strict=True) if rows else ((),) * len(_COLUMNS), bells)
    else:
        await connection.copy_records_to_table("outbox", columns=_COLUMNS, records=rows)
        await connection.execute("SELECT pg_notify('peerline', $1)", bells)


async def oldest(connection: Connection, limit: int, besides: Sequence[bytes] = ()) -> list[Record]:
    """The first records to publish, without those of some keys."""
    rows = await connection.fetch(
        "SELECT topic, key, headers, body, event_id, id FROM outbox WHERE key <> ALL ($2::bytea[]) ORDER BY id LIMIT $1",
        limit,
        list(besides),
    )
    return [
        Record(topic, key, [(name, value.encode()) for name, value in from_json(headers)], body, event_id, id_)
        for topic, key, headers, body, event_id, id_ in rows
    ]


async def delete(connection: Connection, ids: Sequence[int], ends: Mapping[int, int]) -> None:
    """Remove exactly what was acknowledged, and know each partition of the own topic up to its end (restored.py)."""
    await connection.execute(
        """
        WITH gone AS (DELETE FROM outbox WHERE id = ANY($1::bigint[]))
        INSERT INTO own_position ("partition", next_offset)
        SELECT * FROM unnest($2::int[], $3::bigint[])
        ON CONFLICT ("partition") DO UPDATE SET next_offset = excluded.next_offset
        """,
        ids,
        list(ends.keys()),
        list(ends.values()),
    )


async def delete_events(connection: Connection, event_ids: Sequence[str]) -> set[str]:
    """Remove these events wherever they wait, since they are published; gives those that waited."""
    rows = await connection.fetch(
        "DELETE FROM outbox WHERE event_id = ANY($1::text[]) RETURNING event_id", list(event_ids)
    )
    return {row["event_id"] for row in rows}


async def delete_decided_again(connection: Connection, ids: Sequence[int]) -> set[int]:
    """Remove those of these rows whose event had been lost: it stands on the topic already, and is known again."""
    rows = await connection.fetch(
        """
        WITH again AS (
            UPDATE lost_event SET decided_at = coalesce(decided_at, statement_timestamp())
              FROM outbox WHERE outbox.id = ANY($1::bigint[]) AND outbox.event_id = lost_event.event_id
            RETURNING outbox.id
        )
        DELETE FROM outbox USING again WHERE outbox.id = again.id RETURNING outbox.id
        """,
        list(ids),
    )
    return {row["id"] for row in rows}


async def backlog(connection: Connection) -> tuple[int, float]:
    """Rows not yet published (counted up to 100,000) and the age of the oldest in seconds."""
    row = await connection.fetchrow(
        """
        SELECT (SELECT count(*) FROM (SELECT 1 FROM outbox LIMIT 100000) AS waiting)::int AS depth,
               coalesce((SELECT extract(epoch FROM statement_timestamp() - recorded_at)
                           FROM outbox ORDER BY id LIMIT 1), 0)::float AS age
        """
    )
    return (row["depth"], row["age"]) if row else (0, 0.0)
