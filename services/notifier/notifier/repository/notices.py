"""The messages that tell coordinators, and others who have a role, of what waits in any service."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
from chassis.database import Connection

from notifier.domain.notices import Told, Untold


@dataclass(frozen=True)
class Addressee:
    """
    A programme's coordinator, or another who has one of its `roles`; one person may have several.

    Where `is_shared`, what belongs to none of the `known` programmes is told to this one too: it concerns the
    whole installation, and of all coordinators with the same address one is told.
    """

    programme: str
    known: Sequence[str]
    is_shared: bool
    roles: Sequence[str] = ("coordinator",)

    @property
    def role(self) -> str:
        """By which of their roles they are known here."""
        return self.roles[0]


@dataclass(frozen=True)
class Claimed:
    """A notice that this process, and no other, is sending."""

    notice_id: UUID
    programme: str
    role: str
    kind: str
    message_id: str
    tries: int


@dataclass(frozen=True)
class Late:
    """When breaches that were noticed late had been due, and when they were noticed: the first and the last of each."""

    due_from: datetime
    due_to: datetime
    noticed_from: datetime
    noticed_to: datetime


@dataclass(frozen=True)
class Count:
    """So many items of a kind are open, the oldest for so long; those noticed late are counted apart."""

    kind: str
    items: int
    oldest: timedelta
    late: Late | None = None


async def untold(connection: Connection, to: Addressee) -> Untold | None:
    """
    What this addressee has not been told of, or None.

    Urgent is what no notice was ever made about: what one of unknown fate told is left to the next digest.
    """
    row = await connection.fetchrow(
        """
        SELECT bool_or(a.urgent AND NOT EXISTS (
                   SELECT FROM notice_item n
                    WHERE n.item_id = a.item_id AND n.programme = $1 AND n.opened_at = a.opened_at)) AS is_urgent,
               min(a.opened_at) AS since
          FROM open_attention a
         WHERE ((a.programme = $1 AND a.role = ANY($4::text[]))
                OR ($2 AND coalesce(a.programme, '') <> ALL($3::text[])))
           AND NOT EXISTS (
               SELECT FROM notice_item n JOIN notice USING (notice_id)
                WHERE n.item_id = a.item_id AND n.programme = $1 AND n.opened_at = a.opened_at
                  AND notice.state IN ('planned', 'sending', 'refused', 'sent'))
        """,
        to.programme,
        to.is_shared,
        to.known,
        to.roles,
    )
    return Untold(row["is_urgent"], row["since"]) if row and row["since"] else None


async def lock_coordinator(connection: Connection, to: Addressee) -> Told | None:
    """When this addressee was last told, locked; None where another process is telling."""
    await connection.execute(
        "INSERT INTO coordinator (programme, role) VALUES ($1, $2) ON CONFLICT DO NOTHING", to.programme, to.role
    )
    row = await connection.fetchrow(
        "SELECT urgent_at, digest_on FROM coordinator WHERE programme = $1 AND role = $2 FOR UPDATE SKIP LOCKED",
        to.programme,
        to.role,
    )
    return Told(**row) if row else None


async def plan(connection: Connection, to: Addressee, kind: str, message_id: str, told: Told) -> None:
    """Plan a notice about what this locked addressee was not told of; an urgent one about what is urgent of it."""
    await connection.execute(
        "UPDATE coordinator SET urgent_at = $2, digest_on = $3 WHERE programme = $1 AND role = $4",
        to.programme,
        told.urgent_at,
        told.digest_on,
        to.role,
    )
    await connection.execute(
        """
        WITH planned AS (
            INSERT INTO notice (programme, kind, message_id, role) VALUES ($1, $4, $5, $7) RETURNING notice_id)
        INSERT INTO notice_item (notice_id, item_id, opened_at, programme)
        SELECT planned.notice_id, a.item_id, a.opened_at, $1
          FROM planned, open_attention a
         WHERE ((a.programme = $1 AND a.role = ANY($6::text[]))
                OR ($2 AND coalesce(a.programme, '') <> ALL($3::text[])))
           AND ($4 = 'digest' OR a.urgent)
           AND NOT EXISTS (
               SELECT FROM notice_item n JOIN notice USING (notice_id)
                WHERE n.item_id = a.item_id AND n.programme = $1 AND n.opened_at = a.opened_at
                  AND ($4 = 'urgent' OR notice.state IN ('planned', 'sending', 'refused', 'sent')))
        """,
        to.programme,
        to.is_shared,
        to.known,
        kind,
        message_id,
        to.roles,
        to.role,
    )


async def claim(connection: Connection) -> Claimed | None:
    """Take the most overdue notice. Whoever claims commits before connecting."""
    row = await connection.fetchrow(
        """
        UPDATE notice SET state = 'sending', claimed_at = statement_timestamp(), tries = tries + 1
         WHERE notice_id = (
               SELECT notice_id FROM notice
                WHERE state IN ('planned', 'refused') AND due_at <= statement_timestamp()
                ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING notice_id, programme, role, kind, message_id, tries
        """
    )
    return Claimed(**row) if row else None


async def open_of_notice(connection: Connection, notice_id: UUID) -> list[Count]:
    """What a notice is about and is still open, by kind."""
    rows = await connection.fetch(
        """
        SELECT a.kind, count(*)::int AS items, statement_timestamp() - min(a.opened_at) AS oldest,
               min(news.due_at) AS due_from, max(news.due_at) AS due_to,
               min(a.opened_at) AS noticed_from, max(a.opened_at) AS noticed_to
          FROM open_attention a JOIN notice_item n USING (item_id) JOIN attention news USING (item_id)
         WHERE n.notice_id = $1 GROUP BY a.kind, news.due_at IS NULL ORDER BY min(a.opened_at)
        """,
        notice_id,
    )
    return [_count(row) for row in rows]


async def open_of_programme(connection: Connection, to: Addressee) -> list[Count]:
    """All that is open for an addressee, told or not, by kind."""
    rows = await connection.fetch(
        """
        SELECT a.kind, count(*)::int AS items, statement_timestamp() - min(a.opened_at) AS oldest,
               min(news.due_at) AS due_from, max(news.due_at) AS due_to,
               min(a.opened_at) AS noticed_from, max(a.opened_at) AS noticed_to
          FROM open_attention a JOIN attention news USING (item_id)
         WHERE (a.programme = $1 AND a.role = ANY($4::text[]))
            OR ($2 AND coalesce(a.programme, '') <> ALL($3::text[]))
         GROUP BY a.kind, news.due_at IS NULL ORDER BY min(a.opened_at)
        """,
        to.programme,
        to.is_shared,
        to.known,
        to.roles,
    )
    return [_count(row) for row in rows]


def _count(row: asyncpg.Record) -> Count:
    late = None if row["due_from"] is None else Late(**{field.name: row[field.name] for field in fields(Late)})
    return Count(row["kind"], row["items"], row["oldest"], late)


async def references(connection: Connection, notice_id: UUID, limit: int) -> list[UUID]:
    """The referrals that a notice is about."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT a.referral_id FROM open_attention a JOIN notice_item n USING (item_id)
         WHERE n.notice_id = $1 AND a.referral_id IS NOT NULL ORDER BY a.referral_id LIMIT $2
        """,
        notice_id,
        limit,
    )
    return [row["referral_id"] for row in rows]


async def finish(connection: Connection, claimed: Claimed, state: str, code: str) -> bool:
    """End a notice by this claim of it; False where somebody ended that already. News that was told is over."""
    ended = await connection.fetchrow(
        """
        UPDATE notice SET state = $2, code = $3, ended_at = statement_timestamp()
         WHERE notice_id = $1 AND state = 'sending' AND tries = $4 RETURNING notice_id
        """,
        claimed.notice_id,
        state,
        code,
        claimed.tries,
    )
    if ended and state == "sent":
        await connection.execute(
            """
            UPDATE attention SET resolved_at = statement_timestamp()
             WHERE is_news AND item_id IN (SELECT item_id FROM notice_item WHERE notice_id = $1)
            """,
            claimed.notice_id,
        )
    return ended is not None


async def refuse(connection: Connection, claimed: Claimed, code: str, due_at: datetime) -> None:
    """Put a refused notice back, to be tried at `due_at`, unless this claim of it was ended already."""
    await connection.execute(
        """
        UPDATE notice SET state = 'refused', code = $2, due_at = $3
         WHERE notice_id = $1 AND state = 'sending' AND tries = $4
        """,
        claimed.notice_id,
        code,
        due_at,
        claimed.tries,
    )


async def give_up_abandoned(connection: Connection, after: timedelta) -> int:
    """Whoever claimed these is gone, and nobody knows what became of them; gives how many."""
    rows = await connection.fetch(
        """
        UPDATE notice SET state = 'unknown', code = 'abandoned', ended_at = statement_timestamp()
         WHERE state = 'sending' AND claimed_at < statement_timestamp() - $1::interval RETURNING notice_id
        """,
        after,
    )
    return len(rows)


async def next_due(connection: Connection) -> float | None:
    """Seconds until a refused notice is to be tried again; None without any."""
    seconds: float | None = await connection.fetchval(
        """
        SELECT extract(epoch FROM min(due_at) - statement_timestamp())::float
          FROM notice WHERE state IN ('planned', 'refused')
        """
    )
    return seconds


async def prune(connection: Connection) -> None:
    """Forget what was over longer ago than any record that a topic still holds (35 days) and a week more."""
    await connection.execute(
        """
        DELETE FROM attention WHERE resolved_at < statement_timestamp() - interval '42 days'
           AND (opened_at IS NULL OR opened_at <= resolved_at)
        """
    )
    await connection.execute(
        """
        DELETE FROM notice n WHERE ended_at < statement_timestamp() - interval '42 days'
           AND NOT EXISTS (SELECT FROM notice_item i WHERE i.notice_id = n.notice_id)
        """
    )
