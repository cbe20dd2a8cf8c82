"""Cases as rows: locked, read as the fold's state, and written back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg
from chassis.database import Connection
from peerline.events import ProgrammeRef

from matcher.domain.rules import Rules
from matcher.domain.state import Attempt, Case, Profile, Stage
from matcher.repository.rules import RULES


@dataclass(slots=True)
class Record:
    """
    A locked referral: the fold's state, and what stands beside it.

    `before` is the state as it was read. `rests` has the end of the cool-off that an attempt began. With `to_check` an
    open attempt is checked against the rules again.
    """

    referral_id: UUID
    programme: ProgrammeRef
    rules: Rules | None
    sequence: int
    received_at: datetime | None
    traceparent: str | None
    joined_into: UUID | None
    profile: bytes | None
    profile_version: int
    tried_version: int | None
    tried_roster: int | None
    try_at: datetime | None
    stuck: bool
    case: Case
    before: Case
    rests: dict[int, datetime | None] = field(default_factory=dict)
    touched: bool = False
    to_check: bool = False

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        return self.touched or self.case != self.before


async def lock(connection: Connection, named: Mapping[UUID, ProgrammeRef]) -> dict[UUID, Record]:
    """
    Lock these referrals, in the order of their ids, so that two transactions cannot wait for each other.

    A referral that is not known yet gets an empty row: whatever is said of it first is kept.
    """
    ids = sorted(named)
    await connection.execute(
        """
        INSERT INTO referral (referral_id, programme_id, programme_digest)
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[]) AS given (referral_id, programme_id, digest)
         ORDER BY referral_id
        ON CONFLICT (referral_id) DO NOTHING
        """,
        ids,
        [named[each].id for each in ids],
        [named[each].digest for each in ids],
    )
    return await read_locked(connection, ids)


async def read_locked(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, Record]:
    """Lock and read those of these referrals that have a row."""
    rows = await connection.fetch(
        """
        SELECT referral.*, programme_rules.rules
          FROM referral
          LEFT JOIN programme_rules
            ON programme_rules.programme_id = referral.programme_id
           AND programme_rules.digest = referral.programme_digest
         WHERE referral_id = ANY($1::uuid[])
         ORDER BY referral_id
           FOR UPDATE OF referral
        """,
        list(ids),
    )
    found = [row["referral_id"] for row in rows]
    attempts = await _attempts(connection, found)
    joins = await _joins(connection, found)
    return {
        row["referral_id"]: _record(row, attempts.get(row["referral_id"], []), joins.get(row["referral_id"], ()))
        for row in rows
    }


async def _attempts(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, list[asyncpg.Record]]:
    rows = await connection.fetch(
        "SELECT * FROM match WHERE referral_id = ANY($1::uuid[]) ORDER BY referral_id, attempt", ids
    )
    found: dict[UUID, list[asyncpg.Record]] = {}
    for row in rows:
        found.setdefault(row["referral_id"], []).append(row)
    return found


async def _joins(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, tuple[tuple[UUID, Profile], ...]]:
    rows = await connection.fetch(
        """
        SELECT joined_into, referral_id, profile_sequence, profile_readable
          FROM referral
         WHERE joined_into = ANY($1::uuid[]) AND profile_sequence IS NOT NULL
         ORDER BY referral_id
        """,
        ids,
    )
    found: dict[UUID, tuple[tuple[UUID, Profile], ...]] = {}
    for row in rows:
        join = (row["referral_id"], Profile(row["profile_sequence"], row["profile_readable"]))
        found[row["joined_into"]] = (*found.get(row["joined_into"], ()), join)
    return found


def _record(row: asyncpg.Record, attempts: Sequence[asyncpg.Record], joins: tuple[tuple[UUID, Profile], ...]) -> Record:
    case = _case(row, attempts, joins)
    return Record(
        referral_id=row["referral_id"],
        programme=ProgrammeRef(id=row["programme_id"], digest=row["programme_digest"]),
        rules=RULES.validate_json(row["rules"]) if row["rules"] else None,
        sequence=row["sequence"],
        received_at=row["received_at"],
        traceparent=row["traceparent"],
        joined_into=row["joined_into"],
        profile=row["profile"],
        profile_version=row["profile_version"],
        tried_version=row["tried_version"],
        tried_roster=row["tried_roster"],
        try_at=row["try_at"],
        stuck=row["stuck"],
        case=case,
        before=case,
        rests={each["attempt"]: each["rest_until"] for each in attempts},
    )


def _case(row: asyncpg.Record, attempts: Sequence[asyncpg.Record], joins: tuple[tuple[UUID, Profile], ...]) -> Case:
    known = row["profile_sequence"] is not None
    return Case(
        created=row["created"],
        joined=row["joined"],
        invites_first=row["invites_first"],
        profile=Profile(row["profile_sequence"], row["profile_readable"]) if known else None,
        joins=joins,
        withdrawn=row["withdrawn"],
        stands=row["stands"],
        wish=(row["wish_at"], row["wish_wants"]) if row["wish_at"] else None,
        closed_at=row["closed_at"],
        attempts=tuple(_attempt(each) for each in attempts),
        allowance=row["allowance"],
        unavailable_for=row["unavailable_for"],
    )


def _attempt(row: asyncpg.Record) -> Attempt:
    return Attempt(
        number=row["attempt"],
        supporter=row["supporter_id"],
        stage=Stage(row["stage"]),
        confirmed=row["confirmed"],
        declined=row["declined"],
        other_at=row["other_at"],
        answer_by=row["answer_by"],
        release_requested=row["release_requested"],
        left=row["supporter_left"],
    )


async def save(connection: Connection, records: Sequence[Record]) -> None:
    """Write referrals that were locked by `lock`, and their attempts."""
    await connection.executemany(
        """
        UPDATE referral
           SET programme_digest = $2, sequence = $3, received_at = $4, traceparent = $5, joined_into = $6,
               profile = $7, profile_version = $8, created = $9, joined = $10, invites_first = $11,
               profile_sequence = $12, profile_readable = $13, withdrawn = $14, stands = $15,
               wish_at = $16, wish_wants = $17, closed_at = $18, allowance = $19, unavailable_for = $20,
               seeking = $21, tried_version = $22, tried_roster = $23, try_at = $24, stuck = $25,
               programme_id = $26
         WHERE referral_id = $1
        """,
        [_referral_row(record) for record in records],
    )
    await connection.executemany(
        """
        INSERT INTO match (referral_id, attempt, supporter_id, stage, confirmed, declined, other_at, answer_by,
                           release_requested, supporter_left, rest_until)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        ON CONFLICT (referral_id, attempt) DO UPDATE
           SET stage = excluded.stage, confirmed = excluded.confirmed, declined = excluded.declined,
               other_at = excluded.other_at, answer_by = excluded.answer_by,
               release_requested = excluded.release_requested, supporter_left = excluded.supporter_left,
               rest_until = excluded.rest_until
        """,
        [_match_row(record, attempt) for record in records for attempt in record.case.attempts],
    )


def _referral_row(record: Record) -> tuple[object, ...]:
    case = record.case
    profile, wish = case.profile or (None, None), case.wish or (None, None)
    return (
        record.referral_id,
        record.programme.digest,
        record.sequence,
        record.received_at,
        record.traceparent,
        record.joined_into,
        record.profile,
        record.profile_version,
        case.created,
        case.joined,
        case.invites_first,
        *profile,
        case.withdrawn,
        case.stands,
        *wish,
        case.closed_at,
        case.allowance,
        case.unavailable_for,
        case.seeking,
        record.tried_version,
        record.tried_roster,
        record.try_at,
        record.stuck,
        record.programme.id,
    )


def _match_row(record: Record, attempt: Attempt) -> tuple[object, ...]:
    return (
        record.referral_id,
        attempt.number,
        attempt.supporter,
        attempt.stage.value,
        attempt.confirmed,
        attempt.declined,
        attempt.other_at,
        attempt.answer_by,
        attempt.release_requested,
        attempt.left,
        record.rests.get(attempt.number),
    )


async def forget(connection: Connection, ids: Sequence[UUID]) -> None:
    """Delete whom we asked and what we knew; a bare row stays, so that a late fact opens nothing again."""
    await connection.execute("DELETE FROM match WHERE referral_id = ANY($1::uuid[])", ids)


async def profiles(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, list[tuple[UUID, bytes]]]:
    """The encrypted profiles of these referrals and of what was joined into them, with whose each is."""
    rows = await connection.fetch(
        """
        SELECT referral_id AS case_id, referral_id, profile FROM referral
         WHERE referral_id = ANY($1::uuid[]) AND profile IS NOT NULL
        UNION ALL
        SELECT joined_into AS case_id, referral_id, profile FROM referral
         WHERE joined_into = ANY($1::uuid[]) AND profile IS NOT NULL
        """,
        ids,
    )
    found: dict[UUID, list[tuple[UUID, bytes]]] = {}
    for row in rows:
        found.setdefault(row["case_id"], []).append((row["referral_id"], row["profile"]))
    return found
