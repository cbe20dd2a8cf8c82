"""The roster as rows, seats as what they are (attempts that have not ended), and the pool's versions."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import asyncpg
from chassis.database import Connection

from matcher.domain.eligibility import Seats, Supporter


class Versions(NamedTuple):
    """How often a programme's pool has changed: in any way, and by a new roster."""

    pool: int
    roster: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A supporter as a roster lists them, with the encrypted contact and the row's keyed fingerprint."""

    supporter: Supporter
    contact: bytes
    fingerprint: str


COLUMNS = "supporter_id, programme_id, version, zone, active, trained_at, capacity, pseudonyms, attributes"


async def active_of(connection: Connection, programme: str) -> list[Supporter]:
    """The active supporters of a programme."""
    rows = await connection.fetch(
        f"SELECT {COLUMNS} FROM supporter WHERE programme_id = $1 AND active ORDER BY supporter_id",  # noqa: S608  constant
        programme,
    )
    return [_supporter(row) for row in rows]


async def read(connection: Connection, ids: Collection[str]) -> dict[str, Supporter]:
    """These supporters as they are now, without a lock."""
    rows = await connection.fetch(
        f"SELECT {COLUMNS} FROM supporter WHERE supporter_id = ANY($1::text[])",  # noqa: S608  constant
        list(ids),
    )
    return {row["supporter_id"]: _supporter(row) for row in rows}


async def lock_free(connection: Connection, ids: Collection[str]) -> dict[str, Supporter]:
    """Lock those of these supporters whom nobody else holds, so that one seat is not taken twice."""
    rows = await connection.fetch(
        f"""
        SELECT {COLUMNS} FROM supporter
         WHERE supporter_id = ANY($1::text[]) ORDER BY supporter_id FOR UPDATE SKIP LOCKED
        """,  # noqa: S608  constant
        list(ids),
    )
    return {row["supporter_id"]: _supporter(row) for row in rows}


async def seats(connection: Connection, ids: Collection[str]) -> dict[str, Seats]:
    """Seats taken and the end of rest; of a supporter who is locked before, exactly."""
    rows = await connection.fetch(
        """
        SELECT supporter_id,
               (SELECT count(*) FROM match
                 WHERE match.supporter_id = given.supporter_id AND stage <> 'ended')::int AS taken,
               (SELECT max(rest_until) FROM match
                 WHERE match.supporter_id = given.supporter_id AND rest_until IS NOT NULL) AS resting_until
          FROM unnest($1::text[]) AS given (supporter_id)
        """,
        list(ids),
    )
    return {row["supporter_id"]: Seats(row["taken"], row["resting_until"]) for row in rows}


async def contacts(connection: Connection, ids: Collection[str]) -> dict[str, tuple[bytes, str]]:
    """Encrypted contact and zone of these supporters."""
    rows = await connection.fetch(
        "SELECT supporter_id, contact, zone FROM supporter WHERE supporter_id = ANY($1::text[])", list(ids)
    )
    return {row["supporter_id"]: (row["contact"], row["zone"]) for row in rows}


async def zones(connection: Connection, ids: Collection[str]) -> dict[str, str]:
    """The time zones of these supporters."""
    rows = await connection.fetch(
        "SELECT supporter_id, zone FROM supporter WHERE supporter_id = ANY($1::text[])", list(ids)
    )
    return {row["supporter_id"]: row["zone"] for row in rows}


async def save_roster(connection: Connection, listed: Sequence[Listed]) -> tuple[set[str], set[str]]:
    """
    Write supporters whose row is new or has changed; gives the ids of (new, changed).

    The roster is locked first, whole and in order, so that two loads follow each other.
    """
    await connection.execute("SELECT FROM supporter ORDER BY supporter_id FOR UPDATE")
    rows = await connection.fetch("SELECT supporter_id, fingerprint FROM supporter")
    known: Mapping[str, str] = {row["supporter_id"]: row["fingerprint"] for row in rows}
    differing = [each for each in listed if known.get(each.supporter.supporter_id) != each.fingerprint]
    await connection.executemany(
        """
        INSERT INTO supporter (supporter_id, programme_id, fingerprint, contact, zone, active, trained_at,
                               capacity, pseudonyms, attributes)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        ON CONFLICT (supporter_id) DO UPDATE
           SET programme_id = excluded.programme_id, fingerprint = excluded.fingerprint,
               contact = excluded.contact, zone = excluded.zone, active = excluded.active,
               trained_at = excluded.trained_at, capacity = excluded.capacity,
               pseudonyms = excluded.pseudonyms, attributes = excluded.attributes,
               version = supporter.version + 1
        """,
        [_row(each) for each in sorted(differing, key=lambda each: each.supporter.supporter_id)],
    )
    written = {each.supporter.supporter_id for each in differing}
    return written - known.keys(), written & known.keys()


async def retire_missing(connection: Connection, programmes: Collection[str], named: Collection[str]) -> set[str]:
    """Deactivate the supporters of these programmes whom the roster no longer names; gives their ids."""
    rows = await connection.fetch(
        """
        UPDATE supporter SET active = false, fingerprint = '', version = version + 1
         WHERE programme_id = ANY($1::text[]) AND active AND NOT supporter_id = ANY($2::text[])
        RETURNING supporter_id
        """,
        list(programmes),
        list(named),
    )
    return {row["supporter_id"] for row in rows}


async def pool_changed(connection: Connection, programmes: Collection[str], *, roster: bool = False) -> None:
    """Say that somebody may have become free, so that whoever waits is tried again. Taken last: the row is shared."""
    await connection.execute(
        """
        INSERT INTO pool (programme_id)
        SELECT programme_id FROM unnest($1::text[]) AS given (programme_id) ORDER BY programme_id
        ON CONFLICT (programme_id) DO UPDATE
           SET version = pool.version + 1, roster_version = pool.roster_version + $2::int
        """,
        sorted(programmes),
        int(roster),
    )


async def pool_versions(connection: Connection, programme: str) -> Versions:
    """The pool's versions; read before the pool, so that a change meanwhile is seen the next time."""
    row = await connection.fetchrow("SELECT version, roster_version FROM pool WHERE programme_id = $1", programme)
    return Versions(row["version"], row["roster_version"]) if row else Versions(0, 0)


def _supporter(row: asyncpg.Record) -> Supporter:
    return Supporter(
        supporter_id=row["supporter_id"],
        programme=row["programme_id"],
        active=row["active"],
        trained_at=row["trained_at"],
        capacity=row["capacity"],
        zone=row["zone"],
        pseudonyms=frozenset(row["pseudonyms"]),
        attributes=json.loads(row["attributes"]),
        version=row["version"],
    )


def _row(listed: Listed) -> tuple[object, ...]:
    supporter = listed.supporter
    return (
        supporter.supporter_id,
        supporter.programme,
        listed.fingerprint,
        listed.contact,
        supporter.zone,
        supporter.active,
        supporter.trained_at,
        supporter.capacity,
        sorted(supporter.pseudonyms),
        json.dumps(supporter.attributes),
    )
