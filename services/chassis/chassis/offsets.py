"""Where a service stands in its input, in its own database; compare-and-set fences former owners."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from chassis.database import Connection

BEGINNING = -1
Partition = tuple[str, int]


@dataclass(frozen=True)
class Position:
    """The next offset of a partition, and the epoch in which this process owns it."""

    next_offset: int
    epoch: int


@dataclass(frozen=True)
class Reached:
    """The instant up to which a partition has been read, and the epoch in which this process owned it then."""

    at: datetime
    epoch: int


class Fenced(Exception):
    """Another consumer owns one of the partitions now; what was read from it is not ours to take."""


async def take_over(connection: Connection, partitions: Iterable[Partition]) -> dict[Partition, Position]:
    """Own these partitions from now on; gives where each continues (BEGINNING where nothing was taken)."""
    wanted = sorted(partitions)
    rows = await connection.fetch(
        """
        INSERT INTO consumer_offset AS owned (topic, "partition", next_offset, epoch)
        SELECT topic, "partition", -1, 1 FROM unnest($1::text[], $2::int[]) AS given (topic, "partition") ORDER BY 1, 2
        ON CONFLICT (topic, "partition") DO UPDATE SET epoch = owned.epoch + 1
        RETURNING topic, "partition", next_offset, epoch
        """,
        [topic for topic, _ in wanted],
        [number for _, number in wanted],
    )
    return {(row["topic"], row["partition"]): Position(row["next_offset"], row["epoch"]) for row in rows}


async def advance(
    connection: Connection, held: Mapping[Partition, Position], to: Mapping[Partition, int]
) -> dict[Partition, Position]:
    """Move partitions from where we hold them to `to`; raises Fenced if one has moved without us."""
    moved = sorted(to)
    rows = await connection.fetch(
        """
        UPDATE consumer_offset AS owned SET next_offset = given.target
          FROM (SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[])
                         AS given (topic, "partition", held, epoch, target)) AS given
         WHERE owned.topic = given.topic AND owned."partition" = given."partition"
           AND owned.next_offset = given.held AND owned.epoch = given.epoch
        RETURNING owned.topic
        """,
        [topic for topic, _ in moved],
        [number for _, number in moved],
        [held[partition].next_offset for partition in moved],
        [held[partition].epoch for partition in moved],
        [to[partition] for partition in moved],
    )
    if len(rows) != len(moved):
        raise Fenced
    return {partition: Position(to[partition], held[partition].epoch) for partition in moved}


async def begin_again(connection: Connection, topic: str) -> None:
    """Read a topic from its beginning, whoever reads it; what was taken before is known by its id."""
    await connection.execute(
        """
        UPDATE consumer_offset SET next_offset = -1, epoch = epoch + 1, caught_up_at = NULL WHERE topic = $1
        """,
        topic,
    )


async def are_at_beginning(connection: Connection, partitions: Iterable[Partition]) -> list[Partition]:
    """Those of these partitions of which nothing counts as taken."""
    wanted = sorted(partitions)
    rows = await connection.fetch(
        """
        SELECT topic, "partition" FROM consumer_offset
          JOIN unnest($1::text[], $2::int[]) AS given (topic, "partition") USING (topic, "partition")
         WHERE next_offset = -1
        """,
        [topic for topic, _ in wanted],
        [number for _, number in wanted],
    )
    return [(row["topic"], row["partition"]) for row in rows]


async def list_partitions(connection: Connection, partitions: Iterable[Partition]) -> None:
    """Note that these partitions are there, whoever reads them."""
    wanted = sorted(partitions)
    await connection.execute(
        """
        INSERT INTO consumer_offset (topic, "partition", next_offset, epoch)
        SELECT topic, "partition", -1, 0 FROM unnest($1::text[], $2::int[]) AS given (topic, "partition") ORDER BY 1, 2
        ON CONFLICT (topic, "partition") DO NOTHING
        """,
        [topic for topic, _ in wanted],
        [number for _, number in wanted],
    )


async def note_caught_up(connection: Connection, reached: Mapping[Partition, Reached]) -> set[Partition]:
    """
    Note that everything that stood on these partitions then has been taken; gives where that is noted.

    Not where a partition is no longer ours, nor where a batch is at work: it holds its partitions until its
    commit, and waiting for one would hold up the others.
    """
    ours = sorted(reached)
    if not ours:
        return set()
    rows = await connection.fetch(
        """
        WITH free AS (
            SELECT owned.topic, owned."partition", given.at
              FROM consumer_offset owned
              JOIN unnest($1::text[], $2::int[], $3::bigint[], $4::timestamptz[])
                   AS given (topic, "partition", epoch, at) USING (topic, "partition", epoch)
               FOR UPDATE OF owned SKIP LOCKED)
        UPDATE consumer_offset AS owned SET caught_up_at = greatest(owned.caught_up_at, free.at)
          FROM free WHERE owned.topic = free.topic AND owned."partition" = free."partition"
        RETURNING owned.topic, owned."partition"
        """,
        [topic for topic, _ in ours],
        [number for _, number in ours],
        [reached[partition].epoch for partition in ours],
        [reached[partition].at for partition in ours],
    )
    return {(row["topic"], row["partition"]) for row in rows}


async def caught_up_at(connection: Connection, topics: Sequence[str]) -> datetime | None:
    """The instant up to which every partition of these topics has been taken; None where one never was."""
    at: datetime | None = await connection.fetchval(
        """
        SELECT CASE WHEN count(*) = count(caught_up_at) THEN min(caught_up_at) END
          FROM unnest($1::text[]) AS input (topic) LEFT JOIN consumer_offset USING (topic)
        """,
        list(topics),
    )
    return at
