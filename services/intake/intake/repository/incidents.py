"""Incidents, and the reports of them that were taken."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from chassis.database import Connection
from chassis.keys import Vault

from intake.domain.book import Incident
from intake.domain.people import Names
from intake.repository import records

#: "peerlDIR": held shared by every decision, exclusively by a load, so that neither overlooks the other.
DIRECTORY_LOCK = 0x7065_6572_6C44_4952


async def hold_directory(connection: Connection) -> None:
    """Keep the directory as it is until the end of the transaction. Taken before any other lock."""
    await connection.execute("SELECT pg_advisory_xact_lock_shared($1)", DIRECTORY_LOCK)


async def change_directory(connection: Connection) -> None:
    """Wait for all decisions under way and keep others out until the end of the transaction."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", DIRECTORY_LOCK)


async def claim_incidents(connection: Connection, vault: Vault, sources: Mapping[UUID, str]) -> dict[UUID, Incident]:
    """
    Lock these incidents, by key and source, whether known or not; return those that are known.

    The row lock makes processes that race on one incident decide one after the other.
    """
    keys = sorted(sources)
    await connection.execute(
        """
        INSERT INTO incident (incident_key, source)
        SELECT incident_key, source
          FROM unnest($1::uuid[], $2::text[]) AS t (incident_key, source)
         ORDER BY incident_key
        ON CONFLICT (incident_key) DO NOTHING
        """,
        keys,
        [sources[key] for key in keys],
    )
    rows = await connection.fetch(
        """
        SELECT incident_key, record
          FROM incident
         WHERE incident_key = ANY ($1::uuid[])
         ORDER BY incident_key
           FOR UPDATE
        """,
        keys,
    )
    return {row["incident_key"]: _read(vault, row["incident_key"], row["record"]) for row in rows if row["record"]}


async def source_of(connection: Connection, key: UUID) -> str | None:
    """The source of an incident."""
    source: str | None = await connection.fetchval("SELECT source FROM incident WHERE incident_key = $1", key)
    return source


async def read_incident(connection: Connection, vault: Vault, key: UUID) -> Incident | None:
    """An incident as it is, without a lock."""
    record = await connection.fetchval("SELECT record FROM incident WHERE incident_key = $1", key)
    return _read(vault, key, record) if record else None


async def save_incidents(
    connection: Connection, vault: Vault, incidents: Mapping[UUID, tuple[Incident, Names]]
) -> None:
    """Write what is known of incidents, and everything that their people are called."""
    if not incidents:
        return
    await connection.execute(
        """
        UPDATE incident AS i
           SET record = t.record, names = string_to_array(t.names, ',')
          FROM unnest($1::uuid[], $2::bytea[], $3::text[]) AS t (incident_key, record, names)
         WHERE i.incident_key = t.incident_key
        """,
        list(incidents),
        [_locked(vault, incident) for incident, _ in incidents.values()],
        [",".join(sorted(names)) for _, names in incidents.values()],
    )


async def seen_reports(connection: Connection, report_keys: Iterable[UUID]) -> dict[UUID, bool]:
    """Which of these reports were taken before, and whether each was a conflict."""
    rows = await connection.fetch(
        "SELECT report_key, conflict FROM report WHERE report_key = ANY ($1::uuid[])", list(report_keys)
    )
    return {row["report_key"]: row["conflict"] for row in rows}


async def save_reports(connection: Connection, reports: Mapping[UUID, tuple[UUID, bool]]) -> None:
    """Remember reports by key: their incident, and whether they were a conflict."""
    if not reports:
        return
    await connection.execute(
        """
        INSERT INTO report (report_key, incident_key, conflict)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::boolean[])
        ON CONFLICT (report_key) DO NOTHING
        """,
        list(reports),
        [incident for incident, _ in reports.values()],
        [conflict for _, conflict in reports.values()],
    )


async def mark_for_review(connection: Connection, names: Iterable[str]) -> int:
    """Have the incidents looked at again in which anybody is called one of these; returns how many."""
    # Not by `names && $1`: for the thousands of names of a directory that reads every incident there is.
    status = await connection.execute(
        """
        UPDATE incident SET to_review = true
         WHERE record IS NOT NULL
           AND incident_key = ANY (ARRAY (SELECT named.incident_key
                                            FROM unnest($1::text[]) AS given (name)
                                            JOIN incident AS named ON named.names @> ARRAY[given.name]))
        """,
        list(names),
    )
    return int(status.rpartition(" ")[2])


async def mark_incident(connection: Connection, key: UUID) -> None:
    """Have one incident looked at again."""
    await connection.execute("UPDATE incident SET to_review = true WHERE incident_key = $1", key)


async def next_to_review(connection: Connection) -> tuple[UUID, str] | None:
    """Claim an incident that is to be looked at again: key and source. The mark is taken off."""
    row = await connection.fetchrow(
        """
        UPDATE incident SET to_review = false
         WHERE incident_key = (SELECT incident_key FROM incident
                                WHERE to_review ORDER BY incident_key LIMIT 1
                                  FOR UPDATE SKIP LOCKED)
        RETURNING incident_key, source
        """
    )
    return (row["incident_key"], row["source"]) if row else None


async def unmark_incident(connection: Connection, key: UUID) -> None:
    """Take the mark off an incident that cannot be looked at."""
    await connection.execute("UPDATE incident SET to_review = false WHERE incident_key = $1", key)


def _locked(vault: Vault, incident: Incident) -> bytes:
    return records.lock(vault, records.IncidentRecord(incident=incident), f"incident.record/{incident.key}")


def _read(vault: Vault, key: UUID, record: bytes) -> Incident:
    return records.unlock(vault, records.IncidentRecord, record, f"incident.record/{key}").incident
