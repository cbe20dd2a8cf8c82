"""What the sweep reads and writes: the clocks that are due next, and what time has decided about them."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from chassis.database import Connection

from sla_monitor.domain.case import Case, Clock, ClockName
from sla_monitor.domain.decisions import next_at
from sla_monitor.domain.outcomes import account_of
from sla_monitor.repository.clocks import with_clocks


async def claim_due(connection: Connection, until: datetime, limit: int) -> list[Case]:
    """
    Lock and read the cases of up to `limit` clocks that are due, the longest due first; skip what others hold.

    The clocks are read by a second statement, after the locks: the first one's view of them may date
    from before another replica decided about them.
    """
    rows = await connection.fetch(
        """
        SELECT r.referral_id, r.sequence, r.closed_at, r.withdrawn_at, r.retraction_declined, r.forgotten,
               r.traceparent, r.reached_at, r.pauses
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
    return list((await with_clocks(connection, rows)).values())


async def until_next(connection: Connection, until: datetime) -> timedelta | None:
    """
    How long until the sweep, which decides up to `until` now, has something to decide; None if never.

    What is due already waits for the inputs, and is looked at again after as long as they are behind, in half a second
    at the latest. What is not is waited for by the time that it is now, however far behind the inputs are.
    """
    wait: timedelta | None = await connection.fetchval(
        """
        SELECT CASE WHEN next_at <= statement_timestamp() AND next_at > $1
                    THEN least(interval '0.5 seconds', statement_timestamp() - $1)
                    ELSE next_at - statement_timestamp() END
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


async def save_decided(connection: Connection, decided: Sequence[tuple[Case, Collection[ClockName]]]) -> None:
    """
    Write what time has decided about these cases, which are locked: their counts, and the clocks that are named.

    Only the columns are written that decisions of time change: of the others most are as long as an explanation.
    """
    await connection.execute(
        """
        UPDATE referral r SET sequence = n.sequence
          FROM unnest($1::uuid[], $2::int[]) AS n (referral_id, sequence)
         WHERE r.referral_id = n.referral_id
        """,
        [case.referral_id for case, _ in decided],
        [case.sequence for case, _ in decided],
    )
    clocks = [(case, case.clocks[name]) for case, names in decided for name in names]
    if clocks:
        await _save_verdicts(connection, clocks)


async def _save_verdicts(connection: Connection, clocks: Sequence[tuple[Case, Clock]]) -> None:
    await connection.execute(
        """
        UPDATE clock c
           SET (approached, verdict, escalated, noticed_at, next_at, outcome, late_noticed)
             = (n.approached, n.verdict, n.escalated, n.noticed_at, n.next_at, n.outcome, n.late_noticed)
          FROM unnest($1::uuid[], $2::text[], $3::int[], $4::bool[], $5::text[], $6::int[], $7::timestamptz[],
                      $8::timestamptz[], $9::text[], $10::bool[])
            AS n (referral_id, kind, attempt, approached, verdict, escalated, noticed_at, next_at, outcome, late_noticed)
         WHERE (c.referral_id, c.kind, c.attempt) = (n.referral_id, n.kind, n.attempt)
        """,
        *zip(*(_verdict(case, clock) for case, clock in clocks), strict=True),
    )


def _verdict(case: Case, clock: Clock) -> tuple[object, ...]:
    account = account_of(case, clock)
    return (
        case.referral_id,
        clock.kind,
        clock.attempt,
        clock.approached,
        clock.verdict,
        clock.escalated,
        clock.noticed_at,
        next_at(case, clock),
        account.outcome,
        account.late_noticed,
    )
