"""Private links: only the hash of a token is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from chassis.database import Connection


@dataclass(frozen=True)
class Link:
    """Whom a link belongs to: a supporter's attempt of a case, or the physician."""

    referral_id: UUID
    audience: str
    attempt: int | None


@dataclass(frozen=True)
class Fresh:
    """A link that a message takes with it; its token stands in the mail only, its hash here."""

    token_hash: bytes
    send_id: UUID
    link: Link


async def replace(connection: Connection, links: Sequence[Fresh], life: timedelta) -> None:
    """Give each message its link; one of an earlier try of the same message, which was refused, becomes void."""
    await connection.execute(
        """
        WITH earlier AS (DELETE FROM link WHERE send_id = ANY($2::uuid[]))
        INSERT INTO link (token_hash, send_id, referral_id, audience, attempt, expires_at)
        SELECT given.*, statement_timestamp() + $6::interval
          FROM unnest($1::bytea[], $2::uuid[], $3::uuid[], $4::text[], $5::int[]) AS given
        """,
        [each.token_hash for each in links],
        [each.send_id for each in links],
        [each.link.referral_id for each in links],
        [each.link.audience for each in links],
        [each.link.attempt for each in links],
        life,
    )


async def find(connection: Connection, token_hash: bytes, audience: str) -> Link | None:
    """The link of a token, or None where there is none, it has expired, or it is somebody else's page."""
    row = await connection.fetchrow(
        """
        SELECT referral_id, audience, attempt
          FROM link WHERE token_hash = $1 AND audience = $2 AND expires_at > statement_timestamp()
        """,
        token_hash,
        audience,
    )
    return Link(**row) if row else None


async def of_cases_with_losses(connection: Connection) -> dict[UUID, set[tuple[str, int | None]]]:
    """The cases of which a database that was set back has lost something, with the links that it has."""
    rows = await connection.fetch(
        """
        SELECT c.referral_id, link.audience, link.attempt
          FROM outreach_case c LEFT JOIN link USING (referral_id)
         WHERE EXISTS (SELECT FROM lost_event, restoration
                        WHERE lost_event.referral_id = c.referral_id::text AND found_at >= halted_at)
        """
    )
    found: dict[UUID, set[tuple[str, int | None]]] = {}
    for row in rows:
        found.setdefault(row["referral_id"], set()).add((row["audience"], row["attempt"]))
    return found


async def delete_expired(connection: Connection, limit: int) -> None:
    """Delete some links that no longer open anything, those that ended first."""
    await connection.execute(
        """
        DELETE FROM link
         WHERE token_hash IN (SELECT token_hash FROM link WHERE expires_at < statement_timestamp()
                               ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)
        """,
        limit,
    )
