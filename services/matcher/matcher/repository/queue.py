"""
What is due: referrals that seek a supporter, windows that are over, attempts that are to be checked again.

Every claim locks the referral and skips what another process holds, so that several share the work.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.database import Connection

_CHECKABLE = """
          FROM referral
          JOIN programme_rules ON programme_rules.programme_id = referral.programme_id
                              AND programme_rules.digest = referral.programme_digest
         WHERE referral_id = ANY (ARRAY (SELECT referral_id FROM to_check))
           AND (NOT stuck OR try_at <= statement_timestamp())
"""


@dataclass(frozen=True)
class Due:
    """Whether a round has attempts to check or to end, the programmes it is to match for, and when it is due again."""

    changed: bool
    unanswered: bool
    seeking: list[str]
    seconds: float | None
    """Until a window ends or a referral is to be tried again; negative if that is past."""


async def look(connection: Connection, until: datetime) -> Due:
    """
    What is due now, where windows that were over by `until` are to be ended.

    Asked with every batch: subqueries instead of joins keep it to the first entries of indexes, whatever the planner
    knew of the tables as they were when the statement was planned.
    """
    row = await connection.fetchrow(
        f"""
        WITH ends AS (
            SELECT min(answer_by) AS first FROM (
                SELECT answer_by FROM match
                 WHERE stage = 'proposed' AND answer_by IS NOT NULL
                   AND (SELECT NOT stuck OR try_at <= statement_timestamp()
                          FROM referral WHERE referral.referral_id = match.referral_id)
                 ORDER BY answer_by LIMIT 1) AS earliest
        )
        SELECT EXISTS (SELECT {_CHECKABLE}) AS changed,
               coalesce(ends.first <= $1, false) AS unanswered,
               ARRAY (SELECT programme_id FROM pool
                       WHERE EXISTS (SELECT FROM referral
                                      WHERE referral.programme_id = pool.programme_id AND seeking
                                        AND (tried_version IS DISTINCT FROM pool.version
                                             OR try_at <= statement_timestamp()))
                       ORDER BY programme_id) AS seeking,
               extract(epoch FROM least(
                   ends.first,
                   (SELECT min(try_at) FROM referral WHERE (seeking OR stuck) AND try_at > statement_timestamp())
               ) - statement_timestamp())::float AS seconds
          FROM ends
        """,  # noqa: S608  constant
        until,
    )
    assert row is not None
    return Due(**row)


async def claim_seeking(connection: Connection, programme: str, limit: int) -> list[UUID]:
    """Claim referrals of a programme that are to be tried now, the longest waiting first."""
    rows = await connection.fetch(
        """
        SELECT referral_id
          FROM referral JOIN pool USING (programme_id)
         WHERE programme_id = $1 AND seeking
           AND (tried_version IS DISTINCT FROM pool.version OR try_at <= statement_timestamp())
         ORDER BY received_at, referral_id
         LIMIT $2
           FOR UPDATE OF referral SKIP LOCKED
        """,
        programme,
        limit,
    )
    return [row["referral_id"] for row in rows]


async def claim_unanswered(connection: Connection, until: datetime, limit: int) -> list[UUID]:
    """Claim referrals whose proposal was not answered in its window, where that was over by `until`."""
    rows = await connection.fetch(
        """
        SELECT referral_id
          FROM match JOIN referral USING (referral_id)
         WHERE stage = 'proposed' AND answer_by <= $1 AND (NOT stuck OR try_at <= statement_timestamp())
         ORDER BY answer_by
         LIMIT $2
           FOR UPDATE OF referral SKIP LOCKED
        """,
        until,
        limit,
    )
    return [row["referral_id"] for row in rows]


async def claim_changed(connection: Connection, limit: int) -> list[UUID]:
    """Claim referrals whose open attempt is to be checked again, where the rules to check it by are known."""
    rows = await connection.fetch(
        f"SELECT referral_id {_CHECKABLE} ORDER BY referral_id LIMIT $1 FOR UPDATE OF referral SKIP LOCKED",
        limit,
    )
    return [row["referral_id"] for row in rows]


async def check(connection: Connection, referral_ids: Collection[UUID]) -> None:
    """Have the open attempts of these referrals, which are locked, checked again."""
    await connection.execute(
        "INSERT INTO to_check SELECT * FROM unnest($1::uuid[]) AS given (referral_id) ORDER BY 1 ON CONFLICT DO NOTHING",
        list(referral_ids),
    )


async def check_attempts_of(connection: Connection, supporter_ids: Collection[str]) -> None:
    """Have every open attempt of these supporters, who are locked, checked again."""
    await connection.execute(
        """
        INSERT INTO to_check
        SELECT referral_id FROM match WHERE supporter_id = ANY($1::text[]) AND stage <> 'ended' ORDER BY referral_id
        ON CONFLICT DO NOTHING
        """,
        list(supporter_ids),
    )


async def begin_check(connection: Connection, referral_ids: Collection[UUID]) -> None:
    """Say that these are being checked; before what they are checked by is read, lest a change meanwhile is missed."""
    await connection.execute("DELETE FROM to_check WHERE referral_id = ANY($1::uuid[])", list(referral_ids))


async def claim_one(connection: Connection, referral_id: UUID) -> bool:
    """Lock one referral unless another process holds it."""
    row = await connection.fetchrow("SELECT FROM referral WHERE referral_id = $1 FOR UPDATE SKIP LOCKED", referral_id)
    return row is not None


async def set_aside(connection: Connection, referral_id: UUID, try_at: datetime) -> None:
    """Mark a referral that fails as stuck: it is tried again at `try_at`, or when its pool changes."""
    await connection.execute(
        """
        UPDATE referral
           SET stuck = true, try_at = $2,
               tried_version = (SELECT version FROM pool WHERE pool.programme_id = referral.programme_id)
         WHERE referral_id = $1
        """,
        referral_id,
        try_at,
    )
