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


async def note_caught_up(
    connection: Connection, reached: Mapping[Partition, datetime], held: Mapping[Partition, Position]
) -> None:
    """Note that everything that stood on these partitions then has been taken; not where they are no longer ours."""
    ours = sorted(partition for partition in reached if partition in held)
    if not ours:
        return
    await connection.execute(
        """
        UPDATE consumer_offset AS owned SET caught_up_at = greatest(owned.caught_up_at, given.at)
          FROM (SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::timestamptz[])
                         AS given (topic, "partition", epoch, at) ORDER BY 1, 2) AS given
         WHERE owned.topic = given.topic AND owned."partition" = given."partition" AND owned.epoch = given.epoch
        """,
        [topic for topic, _ in ours],
        [number for _, number in ours],
        [held[partition].epoch for partition in ours],
        [reached[partition] for partition in ours],
    )


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
