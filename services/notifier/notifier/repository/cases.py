"""Cases and attempts: locked, read and written as the fold's state."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from uuid import UUID

import asyncpg
from chassis.database import Connection

from notifier.domain.state import Attempt, Case

CASE_FACTS = [column.name for column in fields(Case) if column.name != "attempts"]
ATTEMPT_FACTS = [column.name for column in fields(Attempt)]


@dataclass
class MatchRow:
    """What is kept of one attempt beside the fold's facts. `contact` is encrypted."""

    match_id: UUID
    contact: bytes | None = None
    zone: str | None = None


@dataclass
class CaseRow:
    """One case with all its attempts. `contact` is encrypted."""

    referral_id: UUID
    programme: str
    programme_digest: str
    sequence: int = 0
    received_at: datetime | None = None
    occurred_at: datetime | None = None
    contact: bytes | None = None
    contact_sequence: int | None = None
    zone: str | None = None
    traceparent: str | None = None
    look_at: datetime | None = None
    case: Case = field(default_factory=Case)
    matches: dict[int, MatchRow] = field(default_factory=dict)


async def lock(connection: Connection, known: Sequence[CaseRow]) -> dict[UUID, CaseRow]:
    """Lock these cases, in the order of their ids; one that is not there begins as given."""
    rows = sorted(known, key=lambda row: row.referral_id)
    await connection.execute(
        """
        INSERT INTO outreach_case (referral_id, programme, programme_digest, traceparent)
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
        ON CONFLICT (referral_id) DO NOTHING
        """,
        [row.referral_id for row in rows],
        [row.programme for row in rows],
        [row.programme_digest for row in rows],
        [row.traceparent for row in rows],
    )
    return await lock_known(connection, [row.referral_id for row in rows])


async def lock_known(connection: Connection, referral_ids: Sequence[UUID]) -> dict[UUID, CaseRow]:
    """Lock those of these cases that are there, in the order of their ids."""
    found = await connection.fetch(
        "SELECT * FROM outreach_case WHERE referral_id = ANY($1::uuid[]) ORDER BY referral_id FOR UPDATE", referral_ids
    )
    return await _with_attempts(connection, found)


async def lock_due(connection: Connection, until: datetime, limit: int) -> dict[UUID, CaseRow]:
    """Lock cases that time had come to by `until`; one that another process holds is left to it."""
    found = await connection.fetch(
        """
        SELECT * FROM outreach_case WHERE look_at <= $1 ORDER BY look_at LIMIT $2 FOR UPDATE SKIP LOCKED
        """,
        until,
        limit,
    )
    return await _with_attempts(connection, found)


async def look_later(connection: Connection, referral_id: UUID, at: datetime) -> None:
    """Look at a case again then, whatever it says itself."""
    await connection.execute("UPDATE outreach_case SET look_at = $2 WHERE referral_id = $1", referral_id, at)


async def next_look(connection: Connection) -> float | None:
    """Seconds until time comes to a case, or None."""
    seconds: float | None = await connection.fetchval(
        "SELECT extract(epoch FROM min(look_at) - statement_timestamp())::float FROM outreach_case WHERE look_at IS NOT NULL"
    )
    return seconds


async def read(connection: Connection, referral_id: UUID) -> CaseRow | None:
    """One case, without a lock."""
    found = await connection.fetch("SELECT * FROM outreach_case WHERE referral_id = $1", referral_id)
    return (await _with_attempts(connection, found)).get(referral_id)


async def _with_attempts(connection: Connection, found: Sequence[asyncpg.Record]) -> dict[UUID, CaseRow]:
    attempts = await connection.fetch(
        "SELECT * FROM outreach_attempt WHERE referral_id = ANY($1::uuid[]) ORDER BY referral_id, number",
        [row["referral_id"] for row in found],
    )
    return {
        row["referral_id"]: _case_row(row, [a for a in attempts if a["referral_id"] == row["referral_id"]])
        for row in found
    }


def _case_row(row: asyncpg.Record, attempts: Sequence[asyncpg.Record]) -> CaseRow:
    folded = tuple(Attempt(**{name: attempt[name] for name in ATTEMPT_FACTS}) for attempt in attempts)
    facts = {name: row[name] for name in CASE_FACTS}
    case = Case(**facts | {"refused_into": frozenset(row["refused_into"])}, attempts=folded)
    beside = {name: value for name, value in row.items() if name not in CASE_FACTS}
    matches = {
        attempt["number"]: MatchRow(attempt["match_id"], attempt["contact"], attempt["zone"]) for attempt in attempts
    }
    return CaseRow(**beside, case=case, matches=matches)


async def save(connection: Connection, rows: Iterable[CaseRow]) -> None:
    """Write locked cases and their attempts as they are now."""
    rows = list(rows)
    await connection.executemany(
        """
        UPDATE outreach_case
           SET sequence = $2, received_at = $3, occurred_at = $4, contact = $5, contact_sequence = $6, zone = $7,
               traceparent = $8, look_at = $9, invites = $10, created_at = $11, readable = $12, invited_at = $13,
               wanted_at = $14, not_now_at = $15, stands_at = $16, silent_at = $17, unread_at = $18, refused_into = $19,
               waited_at = $20, closed_at = $21, forgotten_at = $22
         WHERE referral_id = $1
        """,
        [_case_values(row) for row in rows],
    )
    await connection.executemany(
        """
        INSERT INTO outreach_attempt AS known
               (referral_id, match_id, contact, zone, number, proposed_at, confirmed_at, released_at, notified_at,
                accepted_at, declined_at, shown_at, attempted_at, made_at, reminded_at, silent_at, stopped_at, done_at,
                permitted_at, sent_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
        ON CONFLICT (referral_id, number) DO UPDATE
           SET contact = excluded.contact, zone = excluded.zone, proposed_at = excluded.proposed_at,
               confirmed_at = excluded.confirmed_at, released_at = excluded.released_at, notified_at = excluded.notified_at,
               accepted_at = excluded.accepted_at, declined_at = excluded.declined_at, shown_at = excluded.shown_at,
               attempted_at = excluded.attempted_at, made_at = excluded.made_at, reminded_at = excluded.reminded_at,
               silent_at = excluded.silent_at, stopped_at = excluded.stopped_at, done_at = excluded.done_at,
               permitted_at = excluded.permitted_at, sent_at = excluded.sent_at
        """,
        [
            _attempt_values(row, attempt)
            for row in rows
            for attempt in row.case.attempts
            if attempt.number in row.matches
        ],
    )


def _case_values(row: CaseRow) -> tuple[object, ...]:
    beside = (
        row.received_at,
        row.occurred_at,
        row.contact,
        row.contact_sequence,
        row.zone,
        row.traceparent,
        row.look_at,
    )
    facts = {name: getattr(row.case, name) for name in CASE_FACTS} | {"refused_into": sorted(row.case.refused_into)}
    return (row.referral_id, row.sequence, *beside, *facts.values())


def _attempt_values(row: CaseRow, attempt: Attempt) -> tuple[object, ...]:
    match = row.matches[attempt.number]
    facts = (getattr(attempt, name) for name in ATTEMPT_FACTS)
    return (row.referral_id, match.match_id, match.contact, match.zone, *facts)


async def forget(connection: Connection, referral_ids: Sequence[UUID]) -> None:
    """
    Delete links, messages and contacts of forgotten cases, whose rows stay as tombstones.

    A supporter who is still to be told to stop is told first: that message and its contact stay.
    """
    await connection.execute(
        """
        DELETE FROM send WHERE referral_id = ANY($1::uuid[])
           AND NOT (message = 'supporter-stopped' AND state IN ('planned', 'refused', 'sending'))
        """,
        referral_ids,
    )
    await connection.execute("DELETE FROM link WHERE referral_id = ANY($1::uuid[])", referral_ids)
    await connection.execute(
        "UPDATE outreach_case SET contact = NULL, zone = NULL WHERE referral_id = ANY($1::uuid[])", referral_ids
    )
    await connection.execute(
        """
        UPDATE outreach_attempt a SET contact = NULL, zone = NULL
         WHERE referral_id = ANY($1::uuid[])
           AND NOT EXISTS (SELECT FROM send s WHERE s.referral_id = a.referral_id AND s.attempt = a.number)
        """,
        referral_ids,
    )
