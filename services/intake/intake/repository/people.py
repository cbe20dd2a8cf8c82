"""The directory: people, and everything they are known as."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg
from chassis.database import Connection
from chassis.keys import Vault

from intake.domain.people import Names, Person
from intake.repository import records


@dataclass(frozen=True)
class PersonRow:
    """A person as stored: names by kind, and a digest that tells one entry from another."""

    person: Person
    addresses: Names
    """Those of the identified names that several people may share."""
    digest: UUID


@dataclass(frozen=True)
class Bearer:
    """Whom a name is known to mean."""

    person_id: UUID
    kind: str
    digest: UUID
    has_identifier: bool


async def people_known_as(
    connection: Connection, vault: Vault, names: Iterable[str], person_ids: Iterable[UUID] = ()
) -> list[Person]:
    """Lock and return those who bear any of these names or ids, so that one person gets one open case."""
    rows = await connection.fetch(
        """
        SELECT person_id, entry, supervisors, teams
          FROM person
         WHERE person_id = ANY (ARRAY(SELECT person_id FROM person_name WHERE name = ANY ($1::text[])) || $2::uuid[])
         ORDER BY person_id
           FOR NO KEY UPDATE
        """,
        list(names),
        list(person_ids),
    )
    return await _with_names(connection, vault, rows)


async def people_close_to(connection: Connection, vault: Vault, people: Sequence[Person]) -> list[Person]:
    """The supervisors and team mates of these people, as far as the directory knows them; without a lock."""
    stated = sorted({name for person in people for name in person.supervisors | person.teams})
    teams = sorted({name for person in people for name in person.teams})
    if not stated:
        return []
    rows = await connection.fetch(
        """
        SELECT person_id, entry, supervisors, teams
          FROM person
         WHERE person_id = ANY (ARRAY(SELECT person_id FROM person_name WHERE name = ANY ($1::text[])))
            OR teams && $2::text[]
        """,
        stated,
        teams,
    )
    return await _with_names(connection, vault, rows)


async def bearers(connection: Connection, names: Iterable[str]) -> dict[str, list[Bearer]]:
    """Whom each of these names means."""
    rows = await connection.fetch(
        """
        SELECT n.name, n.person_id, n.kind, p.digest,
               EXISTS (SELECT FROM person_name AS o WHERE o.person_id = n.person_id AND o.kind <> 'address')
               AS has_identifier
          FROM person_name AS n
          JOIN person AS p USING (person_id)
         WHERE n.name = ANY ($1::text[])
         ORDER BY n.name, n.person_id
        """,
        list(names),
    )
    found: dict[str, list[Bearer]] = {}
    for row in rows:
        bearer = Bearer(row["person_id"], row["kind"], row["digest"], row["has_identifier"])
        found.setdefault(row["name"], []).append(bearer)
    return found


async def save_people(connection: Connection, vault: Vault, people: Sequence[PersonRow]) -> None:
    """Write people and add their names; what they were called before stays known."""
    if not people:
        return
    people = sorted(people, key=lambda row: row.person.person_id)
    await connection.execute(
        """
        INSERT INTO person (person_id, entry, digest, supervisors, teams)
        SELECT person_id, entry, digest, string_to_array(supervisors, ','), string_to_array(teams, ',')
          FROM unnest($1::uuid[], $2::bytea[], $3::uuid[], $4::text[], $5::text[])
               AS t (person_id, entry, digest, supervisors, teams)
        ON CONFLICT (person_id) DO UPDATE
           SET entry = excluded.entry, digest = excluded.digest,
               supervisors = excluded.supervisors, teams = excluded.teams
        """,
        [row.person.person_id for row in people],
        [_locked(vault, row.person) for row in people],
        [row.digest for row in people],
        [",".join(sorted(row.person.supervisors)) for row in people],
        [",".join(sorted(row.person.teams)) for row in people],
    )
    named = [(name, row.person.person_id, kind) for row in people for name, kind in _kinds(row)]
    await connection.execute(
        """
        INSERT INTO person_name (name, person_id, kind)
        SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[])
        ON CONFLICT (name, person_id) DO NOTHING
        """,
        [name for name, _, _ in named],
        [person_id for _, person_id, _ in named],
        [kind for _, _, kind in named],
    )


async def strangers(connection: Connection, names: Iterable[str]) -> Names:
    """Those of these names whose bearers are known to be no physicians."""
    rows = await connection.fetch("SELECT name FROM stranger WHERE name = ANY ($1::text[])", list(names))
    return frozenset(row["name"] for row in rows)


async def save_strangers(connection: Connection, names: Iterable[str]) -> None:
    """Remember that whoever is called so is no physician."""
    await connection.execute(
        "INSERT INTO stranger (name) SELECT unnest($1::text[]) ON CONFLICT (name) DO NOTHING", sorted(names)
    )


def _kinds(row: PersonRow) -> list[tuple[str, str]]:
    person = row.person
    identifiers = [(name, "identifier") for name in sorted(person.identified - row.addresses)]
    references = [(name, "reference") for name in sorted(person.references)]
    return identifiers + references + [(name, "address") for name in sorted(row.addresses)]


async def _with_names(connection: Connection, vault: Vault, rows: Sequence[asyncpg.Record]) -> list[Person]:
    if not rows:
        return []
    named = await connection.fetch(
        "SELECT person_id, name, kind FROM person_name WHERE person_id = ANY ($1::uuid[])",
        [row["person_id"] for row in rows],
    )
    identified: dict[UUID, set[str]] = {row["person_id"]: set() for row in rows}
    references: dict[UUID, set[str]] = {row["person_id"]: set() for row in rows}
    for name in named:
        kept = references if name["kind"] == "reference" else identified
        kept[name["person_id"]].add(name["name"])
    return [_read(vault, row, identified[row["person_id"]], references[row["person_id"]]) for row in rows]


def _locked(vault: Vault, person: Person) -> bytes:
    record = records.EntryRecord(contact=person.contact, attributes=dict(person.attributes))
    return records.lock(vault, record, f"person.entry/{person.person_id}")


def _read(vault: Vault, row: asyncpg.Record, identified: set[str], references: set[str]) -> Person:
    record = records.unlock(vault, records.EntryRecord, row["entry"], f"person.entry/{row['person_id']}")
    return Person(
        person_id=row["person_id"],
        identified=frozenset(identified),
        references=frozenset(references),
        attributes=record.attributes,
        contact=record.contact,
        supervisors=frozenset(row["supervisors"]),
        teams=frozenset(row["teams"]),
    )
