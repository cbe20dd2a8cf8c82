"""
What is due: referrals that seek a supporter, windows that are over, matches whose rules have changed.

Every claim locks the referral and skips what another process holds, so that several share the work.
"""

from datetime import datetime
from uuid import UUID

from chassis.database import Connection


async def programmes_seeking(connection: Connection) -> list[str]:
    """Programmes with a referral that is to be tried now."""
    rows = await connection.fetch(
        """
        SELECT programme_id FROM pool
         WHERE EXISTS (SELECT FROM referral
                        WHERE referral.programme_id = pool.programme_id AND seeking
                          AND (tried_version IS DISTINCT FROM pool.version OR try_at <= statement_timestamp()))
         ORDER BY programme_id
        """
    )
    return [row["programme_id"] for row in rows]


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
    """Claim referrals with an open attempt whose supporter's roster entry or whose own profile has changed."""
    rows = await connection.fetch(
        """
        SELECT referral_id
          FROM match JOIN referral USING (referral_id) JOIN supporter USING (supporter_id)
         WHERE stage <> 'ended' AND (NOT stuck OR try_at <= statement_timestamp())
           AND (match.supporter_version <> supporter.version
                OR match.profile_version <> referral.profile_version)
         ORDER BY referral_id
         LIMIT $1
           FOR UPDATE OF referral SKIP LOCKED
        """,
        limit,
    )
    return [row["referral_id"] for row in rows]


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


async def next_due(connection: Connection) -> float | None:
    """Seconds until a window ends or a referral is to be tried again; negative if that is past."""
    seconds: float | None = await connection.fetchval(
        """
        SELECT extract(epoch FROM least(
            (SELECT min(answer_by) FROM match JOIN referral USING (referral_id)
              WHERE stage = 'proposed' AND NOT stuck),
            (SELECT min(try_at) FROM referral WHERE (seeking OR stuck) AND try_at > statement_timestamp())
        ) - statement_timestamp())::float
        """
    )
    return seconds
