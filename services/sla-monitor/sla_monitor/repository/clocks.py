"""Clocks are read and written under the lock of their referral's row."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

import asyncpg
from chassis.database import Connection

from sla_monitor.domain.case import Case, Clock, ClockName, Pinned, Start, Verdict
from sla_monitor.domain.decisions import next_at
from sla_monitor.domain.outcomes import account_of
from sla_monitor.repository import recorded

_START = (
    "due_at",
    "starts_at",
    "entered_at",
    "warn_at",
    "firmness",
    "programme_id",
    "programme_digest",
    "explanation",
    "any_later",
    "suspended",
)
_PINNED = ("zone", "due_local", "calendar_version", "tzdata", "steps")
"""Columns that are read and written as the fields of Start and of Pinned."""


async def open_cases(connection: Connection, referral_ids: Collection[UUID]) -> dict[UUID, Case]:
    """
    Make these cases where they are missing, lock them, and read them.

    Each row is made or locked lowest id first, so that transactions wait for each other in one order.
    """
    rows = await connection.fetch(
        """
        INSERT INTO referral (referral_id)
        SELECT DISTINCT referral_id FROM unnest($1::uuid[]) AS wanted (referral_id) ORDER BY referral_id
        ON CONFLICT (referral_id) DO UPDATE SET referral_id = excluded.referral_id
        RETURNING referral_id, sequence, closed_at, withdrawn_at, retraction_declined, forgotten, traceparent,
                  reached_at, pauses
        """,
        list(referral_ids),
    )
    return await with_clocks(connection, rows)


async def read_case(connection: Connection, referral_id: UUID) -> Case | None:
    """A case as it stands, without a lock; None where it is not known."""
    rows = await connection.fetch(
        """
        SELECT referral_id, sequence, closed_at, withdrawn_at, retraction_declined, forgotten, traceparent, reached_at,
               pauses
          FROM referral WHERE referral_id = $1
        """,
        referral_id,
    )
    return (await with_clocks(connection, rows)).get(referral_id)


async def save(connection: Connection, cases: Sequence[Case]) -> None:
    """
    Write these cases, which are locked, with those of their clocks that have changed.

    Of a forgotten one's clocks only what reports count is kept, and not whose they were.
    """
    await _save_referrals(connection, cases)
    clocks = [(case, clock) for case in cases for clock in case.clocks.values()]
    if clocks:
        await _save_clocks(connection, clocks)
    if forgotten := [case.referral_id for case in cases if case.forgotten]:
        await _forget(connection, forgotten)


async def _forget(connection: Connection, referral_ids: Collection[UUID]) -> None:
    await connection.execute(
        """
        WITH gone AS (DELETE FROM clock WHERE referral_id = ANY($1::uuid[]) RETURNING *)
        INSERT INTO forgotten_clock (programme_id, month, kind, firmness, outcome, waited, entered_after,
                                     late_noticed, reported_within)
        SELECT programme_id, month, kind, firmness, outcome, waited, entered_after, late_noticed, reported_within
          FROM gone WHERE month IS NOT NULL
        """,
        referral_ids,
    )


async def with_clocks(connection: Connection, rows: Iterable[asyncpg.Record]) -> dict[UUID, Case]:
    """The cases of these rows of `referral`, each with its clocks as they are now."""
    cases = {row["referral_id"]: {**row, "pauses": recorded.read_pauses(row["pauses"])} for row in rows}
    if not cases:
        return {}
    found = await connection.fetch("SELECT * FROM clock WHERE referral_id = ANY($1::uuid[])", list(cases))
    clocks: dict[UUID, dict[ClockName, Clock]] = defaultdict(dict)
    for row in found:
        clock = _clock(row)
        clocks[row["referral_id"]][clock.name] = clock
    return {referral_id: Case(**case, clocks=clocks[referral_id]) for referral_id, case in cases.items()}


def _clock(row: asyncpg.Record) -> Clock:
    return Clock(
        kind=row["kind"],
        attempt=row["attempt"],
        begun=row["begun"],
        start=None if row["due_at"] is None else _start(row),
        started=recorded.read_starts(row["started"]),
        stopped_at=row["stopped_at"],
        released_at=row["released_at"],
        told_due_at=row["told_due_at"],
        approached=row["approached"],
        verdict=None if row["verdict"] is None else Verdict(row["verdict"]),
        corrected=row["corrected"],
        escalated=row["escalated"],
        acknowledged_at=row["acknowledged_at"],
        acknowledged_by=row["acknowledged_by"],
        noticed_at=row["noticed_at"],
    )


def _start(row: asyncpg.Record) -> Start:
    pinned = None if row["steps"] is None else Pinned(**{name: row[name] for name in _PINNED})
    steps, within = recorded.read_steps(row["escalation"]), row["reported_within"] or 0
    return Start(**{name: row[name] for name in _START}, pinned=pinned, escalation=steps, reported_within=within)


async def _save_referrals(connection: Connection, cases: Sequence[Case]) -> None:
    await connection.execute(
        """
        UPDATE referral r
           SET (sequence, closed_at, withdrawn_at, retraction_declined, forgotten, traceparent, reached_at, pauses)
             = (n.sequence, n.closed_at, n.withdrawn_at, n.retraction_declined, n.forgotten, n.traceparent, n.reached_at,
                n.pauses)
          FROM unnest($1::uuid[], $2::int[], $3::timestamptz[], $4::timestamptz[], $5::bool[], $6::bool[], $7::text[],
                      $8::timestamptz[], $9::jsonb[])
            AS n (referral_id, sequence, closed_at, withdrawn_at, retraction_declined, forgotten, traceparent, reached_at,
                  pauses)
         WHERE r.referral_id = n.referral_id
        """,
        [case.referral_id for case in cases],
        [case.sequence for case in cases],
        [case.closed_at for case in cases],
        [case.withdrawn_at for case in cases],
        [case.retraction_declined for case in cases],
        [case.forgotten for case in cases],
        [case.traceparent for case in cases],
        [case.reached_at for case in cases],
        [recorded.written_pauses(case.pauses) for case in cases],
    )


async def _save_clocks(connection: Connection, clocks: Sequence[tuple[Case, Clock]]) -> None:
    await connection.execute(
        """
        INSERT INTO clock (referral_id, kind, attempt, begun,
                           due_at, starts_at, entered_at, warn_at,
                           firmness, programme_id, programme_digest, explanation, any_later, suspended,
                           zone, due_local, calendar_version, tzdata, steps,
                           stopped_at, released_at, told_due_at, approached, verdict, corrected, next_at,
                           open_due_at, month, outcome, waited, entered_after, late_noticed, started,
                           escalation, escalated, acknowledged_at, acknowledged_by, noticed_at, reported_within)
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[], $4::bool[],
                             $5::timestamptz[], $6::timestamptz[], $7::timestamptz[], $8::timestamptz[],
                             $9::text[], $10::text[], $11::text[], $12::text[], $13::bool[], $14::bool[],
                             $15::text[], $16::text[], $17::text[], $18::text[], $19::jsonb[],
                             $20::timestamptz[], $21::timestamptz[], $22::timestamptz[], $23::bool[], $24::text[],
                             $25::bool[], $26::timestamptz[],
                             $27::timestamptz[], $28::date[], $29::text[], $30::int[], $31::int[], $32::bool[],
                             $33::jsonb[], $34::jsonb[], $35::int[], $36::timestamptz[], $37::text[],
                             $38::timestamptz[], $39::smallint[])
        ON CONFLICT (referral_id, kind, attempt) DO UPDATE
           SET (begun, due_at, starts_at, entered_at, warn_at,
                firmness, programme_id, programme_digest, explanation, any_later, suspended,
                zone, due_local, calendar_version, tzdata, steps,
                stopped_at, released_at, told_due_at, approached, verdict, corrected, next_at,
                open_due_at, month, outcome, waited, entered_after, late_noticed, started,
                escalation, escalated, acknowledged_at, acknowledged_by, noticed_at, reported_within)
             = (excluded.begun, excluded.due_at, excluded.starts_at, excluded.entered_at, excluded.warn_at,
                excluded.firmness, excluded.programme_id, excluded.programme_digest, excluded.explanation,
                excluded.any_later, excluded.suspended,
                excluded.zone, excluded.due_local, excluded.calendar_version, excluded.tzdata, excluded.steps,
                excluded.stopped_at, excluded.released_at, excluded.told_due_at, excluded.approached,
                excluded.verdict, excluded.corrected, excluded.next_at,
                excluded.open_due_at, excluded.month, excluded.outcome, excluded.waited, excluded.entered_after,
                excluded.late_noticed, excluded.started,
                excluded.escalation, excluded.escalated, excluded.acknowledged_at, excluded.acknowledged_by,
                excluded.noticed_at, excluded.reported_within)
         WHERE clock.* IS DISTINCT FROM excluded.*
        """,
        *zip(*(_columns(case, clock) for case, clock in clocks), strict=True),
    )


def _columns(case: Case, clock: Clock) -> tuple[object, ...]:
    pinned = clock.start and clock.start.pinned
    return (
        case.referral_id,
        clock.kind,
        clock.attempt,
        clock.begun,
        *(getattr(clock.start, name, False if name == "suspended" else None) for name in _START),
        *(getattr(pinned, name, None) for name in _PINNED),
        clock.stopped_at,
        clock.released_at,
        clock.told_due_at,
        clock.approached,
        clock.verdict,
        clock.corrected,
        next_at(case, clock),
        *account_of(case, clock),
        recorded.written_starts(clock.started),
        recorded.written_steps(clock.start.escalation if clock.start else ()),
        clock.escalated,
        clock.acknowledged_at,
        clock.acknowledged_by,
        clock.noticed_at,
        clock.start.reported_within or None if clock.start else None,
    )
