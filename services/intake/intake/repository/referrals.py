"""Referrals, and the answers that were given."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
from chassis.database import Connection
from chassis.keys import Vault

from intake.domain.cases import Referral, Standing
from intake.repository import records


async def people_of(
    connection: Connection, incidents: Iterable[UUID] = (), referral_ids: Iterable[UUID] = ()
) -> set[UUID]:
    """The people whom the referrals of these incidents, or with these ids, are for."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT person_id
          FROM referral
         WHERE (incident_key = ANY ($1::uuid[]) OR referral_id = ANY ($2::uuid[])) AND person_id IS NOT NULL
        """,
        list(incidents),
        list(referral_ids),
    )
    return {row["person_id"] for row in rows}


async def lock_referrals(
    connection: Connection,
    vault: Vault,
    *,
    incidents: Iterable[UUID] = (),
    people: Iterable[UUID] = (),
    referral_ids: Iterable[UUID] = (),
) -> list[Referral]:
    """Lock and return the referrals of these incidents, those with these ids, and all of these people's not closed."""
    rows = await connection.fetch(
        """
        SELECT *
          FROM referral
         WHERE incident_key = ANY ($1::uuid[])
            OR referral_id = ANY ($2::uuid[])
            OR (person_id = ANY ($3::uuid[]) AND standing <> 'closed')
         ORDER BY referral_id
           FOR UPDATE
        """,
        list(incidents),
        list(referral_ids),
        list(people),
    )
    return [_read(vault, row) for row in rows]


async def save_referrals(connection: Connection, vault: Vault, referrals: Mapping[UUID, Referral]) -> None:
    """Write referrals as they now are."""
    if not referrals:
        return
    rows = [referrals[referral_id] for referral_id in sorted(referrals)]
    await connection.execute(
        """
        INSERT INTO referral AS r (referral_id, programme, digest, incident_key, person_id, names, standing,
                                   received_at, inputs, into_id, opened, retracted, excluded, sequence, traceparent,
                                   stands)
        SELECT referral_id, programme, digest, incident_key, person_id, string_to_array(names, ','), standing,
               received_at, inputs, into_id, opened, retracted, string_to_array(excluded, ','), sequence, traceparent,
               stands
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::uuid[], $6::text[], $7::text[],
                      $8::timestamptz[], $9::bytea[], $10::uuid[], $11::boolean[], $12::boolean[], $13::text[],
                      $14::integer[], $15::text[], $16::boolean[])
               AS t (referral_id, programme, digest, incident_key, person_id, names, standing,
                     received_at, inputs, into_id, opened, retracted, excluded, sequence, traceparent, stands)
        ON CONFLICT (referral_id) DO UPDATE
           SET programme = excluded.programme, digest = excluded.digest, person_id = excluded.person_id,
               names = excluded.names, standing = excluded.standing, into_id = excluded.into_id,
               opened = excluded.opened, retracted = excluded.retracted, excluded = excluded.excluded,
               stands = excluded.stands, sequence = greatest(r.sequence, excluded.sequence)
        """,
        *_columns(vault, rows),
    )


async def count_at_least(connection: Connection, referral_id: UUID, sequence: int) -> None:
    """Let the next event of a referral have a later number than this, where the referral is known."""
    await connection.execute(
        "UPDATE referral SET sequence = greatest(sequence, $2) WHERE referral_id = $1", referral_id, sequence
    )


async def unresolved_ids(connection: Connection, names: Iterable[str]) -> list[UUID]:
    """The referrals of people whom nobody knew, and who bear any of these names."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT referral_id
          FROM referral CROSS JOIN unnest(names) AS own (name) JOIN unnest($1::text[]) AS given (name) USING (name)
         WHERE standing = 'unresolved'
        """,
        list(names),
    )
    return [row["referral_id"] for row in rows]


async def count_settled(connection: Connection, referral_ids: Sequence[UUID]) -> int:
    """How many of these are no longer unresolved."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM referral WHERE referral_id = ANY ($1::uuid[]) AND standing <> 'unresolved'",
        referral_ids,
    )
    return count


async def claim_answers(
    connection: Connection, vault: Vault, keys: Iterable[UUID]
) -> dict[UUID, tuple[UUID, records.AnswerRecord]]:
    """
    What was answered under these keys, and the digests of what was asked; a key is missing the first time.

    Locks the keys, so that the same question asked twice at a time is answered once.
    """
    wanted = list(keys)
    await connection.execute(
        "SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS key", sorted(key.int >> 65 for key in wanted)
    )
    rows = await connection.fetch(
        "SELECT answer_key, digest, content FROM answer WHERE answer_key = ANY ($1::uuid[])", wanted
    )
    return {row["answer_key"]: (row["digest"], _read_answer(vault, row)) for row in rows}


async def save_answers(
    connection: Connection, vault: Vault, answers: Mapping[UUID, tuple[UUID, records.AnswerRecord]]
) -> None:
    """Keep what is answered under each key, and the digest of what was asked."""
    if not answers:
        return
    await connection.execute(
        """
        INSERT INTO answer (answer_key, digest, content)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bytea[])
        """,
        list(answers),
        [digest for digest, _ in answers.values()],
        [records.lock(vault, answer, f"answer.content/{key}") for key, (_, answer) in answers.items()],
    )


def _read_answer(vault: Vault, row: asyncpg.Record) -> records.AnswerRecord:
    return records.unlock(vault, records.AnswerRecord, row["content"], f"answer.content/{row['answer_key']}")


def _columns(vault: Vault, rows: Sequence[Referral]) -> tuple[list[Any], ...]:
    return (
        [r.referral_id for r in rows],
        [r.programme for r in rows],
        [r.digest for r in rows],
        [r.incident for r in rows],
        [r.person for r in rows],
        [",".join(sorted(r.names)) for r in rows],
        [r.standing.value for r in rows],
        [r.received_at for r in rows],
        [_locked(vault, r) for r in rows],
        [r.into for r in rows],
        [r.opened for r in rows],
        [r.retracted for r in rows],
        [",".join(sorted(r.excluded)) for r in rows],
        [r.sequence for r in rows],
        [r.traceparent for r in rows],
        [r.stands for r in rows],
    )


def _locked(vault: Vault, referral: Referral) -> bytes:
    return records.lock(vault, records.InputsRecord(inputs=referral.inputs), f"referral.inputs/{referral.referral_id}")


def _read(vault: Vault, row: asyncpg.Record) -> Referral:
    record = records.unlock(vault, records.InputsRecord, row["inputs"], f"referral.inputs/{row['referral_id']}")
    return Referral(
        referral_id=row["referral_id"],
        programme=row["programme"],
        digest=row["digest"],
        incident=row["incident_key"],
        person=row["person_id"],
        names=frozenset(row["names"]),
        standing=Standing(row["standing"]),
        received_at=row["received_at"],
        inputs=record.inputs,
        into=row["into_id"],
        opened=row["opened"],
        retracted=row["retracted"],
        excluded=frozenset(row["excluded"]),
        sequence=row["sequence"],
        traceparent=row["traceparent"],
        stands=row["stands"],
    )
