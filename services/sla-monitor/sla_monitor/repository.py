"""Every statement of the monitor. Clocks are read and written under the lock of their referral's row."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
from chassis.database import Connection

from sla_monitor.domain.decisions import next_at
from sla_monitor.domain.facts import Case, Clock, Start, Verdict


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
        RETURNING referral_id, sequence, closed_at, withdrawn_at, retraction_declined, forgotten, traceparent
        """,
        list(referral_ids),
    )
    return await _with_clocks(connection, rows)


async def claim_due(connection: Connection, until: datetime, limit: int) -> list[Case]:
    """
    Lock and read the cases of up to `limit` clocks that are due, the longest due first; skip what others hold.

    The clocks are read by a second statement, after the locks: the first one's view of them may date
    from before another replica decided about them.
    """
    rows = await connection.fetch(
        """
        SELECT r.referral_id, r.sequence, r.closed_at, r.withdrawn_at, r.retraction_declined, r.forgotten,
               r.traceparent
          FROM clock c
          JOIN referral r USING (referral_id)
         WHERE c.next_at <= $1
         ORDER BY c.next_at
         LIMIT $2
           FOR UPDATE OF r SKIP LOCKED
        """,
        until,
        limit,
    )
    return list((await _with_clocks(connection, rows)).values())


async def until_next(connection: Connection, until: datetime) -> timedelta | None:
    """
    How long until the sweep, which decides up to `until` now, has something to decide; None if never.

    What is due already waits for the inputs, and is looked at again in half a second.
    """
    wait: timedelta | None = await connection.fetchval(
        """
        SELECT CASE WHEN next_at <= statement_timestamp() AND next_at > $1 THEN interval '0.5 seconds'
                    ELSE next_at - $1 END
          FROM clock WHERE next_at IS NOT NULL ORDER BY next_at LIMIT 1
        """,
        until,
    )
    return wait


async def put_off(connection: Connection, referral_id: UUID, until: datetime, delay: timedelta) -> None:
    """Let a case that cannot be decided stand aside for a while; its due times stay what they are."""
    await connection.execute(
        "UPDATE clock SET next_at = $2::timestamptz + $3::interval WHERE referral_id = $1 AND next_at <= $2",
        referral_id,
        until,
        delay,
    )


async def read_case(connection: Connection, referral_id: UUID) -> Case | None:
    """A case as it stands, without a lock; None where it is not known."""
    rows = await connection.fetch(
        """
        SELECT referral_id, sequence, closed_at, withdrawn_at, retraction_declined, forgotten, traceparent
          FROM referral WHERE referral_id = $1
        """,
        referral_id,
    )
    return (await _with_clocks(connection, rows)).get(referral_id)


async def save(connection: Connection, cases: Sequence[Case]) -> None:
    """Write these cases, which are locked, with all their clocks; a forgotten one keeps none."""
    await _save_referrals(connection, cases)
    clocks = [(case, clock) for case in cases for clock in case.clocks.values()]
    if clocks:
        await _save_clocks(connection, clocks)
    if forgotten := [case.referral_id for case in cases if case.forgotten]:
        await connection.execute("DELETE FROM clock WHERE referral_id = ANY($1::uuid[])", forgotten)


async def _with_clocks(connection: Connection, rows: Iterable[asyncpg.Record]) -> dict[UUID, Case]:
    cases = {row["referral_id"]: dict(row) for row in rows}
    found = await connection.fetch("SELECT * FROM clock WHERE referral_id = ANY($1::uuid[])", list(cases))
    clocks: dict[UUID, dict[str, Clock]] = defaultdict(dict)
    for row in found:
        clocks[row["referral_id"]][row["kind"]] = _clock(row)
    return {referral_id: Case(**case, clocks=clocks[referral_id]) for referral_id, case in cases.items()}


def _clock(row: asyncpg.Record) -> Clock:
    return Clock(
        kind=row["kind"],
        begun=row["begun"],
        start=None if row["due_at"] is None else _start(row),
        stopped_at=row["stopped_at"],
        told_due_at=row["told_due_at"],
        approached=row["approached"],
        verdict=None if row["verdict"] is None else Verdict(row["verdict"]),
        corrected=row["corrected"],
    )


def _start(row: asyncpg.Record) -> Start:
    return Start(
        due_at=row["due_at"],
        starts_at=row["starts_at"],
        entered_at=row["entered_at"],
        warn_at=row["warn_at"],
        firmness=row["firmness"],
        programme_id=row["programme_id"],
        programme_digest=row["programme_digest"],
        explanation=row["explanation"],
    )


async def _save_referrals(connection: Connection, cases: Sequence[Case]) -> None:
    await connection.execute(
        """
        UPDATE referral r
           SET (sequence, closed_at, withdrawn_at, retraction_declined, forgotten, traceparent)
             = (n.sequence, n.closed_at, n.withdrawn_at, n.retraction_declined, n.forgotten, n.traceparent)
          FROM unnest($1::uuid[], $2::int[], $3::timestamptz[], $4::timestamptz[], $5::bool[], $6::bool[], $7::text[])
            AS n (referral_id, sequence, closed_at, withdrawn_at, retraction_declined, forgotten, traceparent)
         WHERE r.referral_id = n.referral_id
        """,
        [case.referral_id for case in cases],
        [case.sequence for case in cases],
        [case.closed_at for case in cases],
        [case.withdrawn_at for case in cases],
        [case.retraction_declined for case in cases],
        [case.forgotten for case in cases],
        [case.traceparent for case in cases],
    )


async def _save_clocks(connection: Connection, clocks: Sequence[tuple[Case, Clock]]) -> None:
    await connection.execute(
        """
        INSERT INTO clock (referral_id, kind, begun, due_at, starts_at, entered_at, warn_at, firmness, programme_id,
                           programme_digest, explanation, stopped_at, told_due_at, approached, verdict, corrected,
                           next_at)
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::bool[], $4::timestamptz[], $5::timestamptz[],
                             $6::timestamptz[], $7::timestamptz[], $8::text[], $9::text[], $10::text[], $11::text[],
                             $12::timestamptz[], $13::timestamptz[], $14::bool[], $15::text[], $16::bool[],
                             $17::timestamptz[])
        ON CONFLICT (referral_id, kind) DO UPDATE
           SET (begun, due_at, starts_at, entered_at, warn_at, firmness, programme_id, programme_digest, explanation,
                stopped_at, told_due_at, approached, verdict, corrected, next_at)
             = (excluded.begun, excluded.due_at, excluded.starts_at, excluded.entered_at, excluded.warn_at,
                excluded.firmness, excluded.programme_id, excluded.programme_digest, excluded.explanation,
                excluded.stopped_at, excluded.told_due_at, excluded.approached, excluded.verdict, excluded.corrected,
                excluded.next_at)
        """,
        *zip(*(_columns(case, clock) for case, clock in clocks), strict=True),
    )


def _columns(case: Case, clock: Clock) -> tuple[object, ...]:
    return (
        case.referral_id,
        clock.kind,
        clock.begun,
        *_start_columns(clock.start),
        clock.stopped_at,
        clock.told_due_at,
        clock.approached,
        clock.verdict,
        clock.corrected,
        next_at(case, clock),
    )


def _start_columns(start: Start | None) -> tuple[object, ...]:
    if start is None:
        return (None,) * 8
    return (
        start.due_at,
        start.starts_at,
        start.entered_at,
        start.warn_at,
        start.firmness,
        start.programme_id,
        start.programme_digest,
        start.explanation,
    )
