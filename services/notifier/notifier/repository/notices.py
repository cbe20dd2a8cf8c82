"""What waits in any service, and the messages that tell coordinators of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from chassis.database import Connection

from notifier.domain.notices import Told, Untold


@dataclass(frozen=True)
class Attention:
    """An item as a service last said it, or news of a referral. `programme` is None for the whole installation."""

    item_id: UUID
    kind: str
    programme: str | None
    urgent: bool
    opened_at: datetime | None = None
    resolved_at: datetime | None = None
    referral_id: UUID | None = None
    is_news: bool = False


@dataclass(frozen=True)
class Addressee:
    """
    A programme's coordinator.

    Where `is_shared`, what belongs to none of the `known` programmes is told to this one too: it concerns the
    whole installation, and of all coordinators with the same address one is told.
    """

    programme: str
    known: Sequence[str]
    is_shared: bool


@dataclass(frozen=True)
class Claimed:
    """A notice that this process, and no other, is sending."""

    notice_id: UUID
    programme: str
    kind: str
    message_id: str
    tries: int


@dataclass(frozen=True)
class Count:
    """So many items of a kind are open, the oldest for so long."""

    kind: str
    items: int
    oldest: timedelta


async def note(connection: Connection, changes: Iterable[Attention]) -> None:
    """Fold changes in; any order and any repeat gives the same."""
    await connection.executemany(
        """
        INSERT INTO attention AS known (item_id, kind, programme, urgent, opened_at, resolved_at, referral_id, is_news)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (item_id) DO UPDATE
           SET opened_at = greatest(known.opened_at, excluded.opened_at),
               resolved_at = greatest(known.resolved_at, excluded.resolved_at)
        """,
        [
            (c.item_id, c.kind, c.programme, c.urgent, c.opened_at, c.resolved_at, c.referral_id, c.is_news)
            for c in changes
        ],
    )


async def untold(connection: Connection, to: Addressee) -> Untold | None:
    """
    What this coordinator has not been told of, or None.

    Urgent is what no notice was ever made about: what one of unknown fate told is left to the next digest.
    """
    row = await connection.fetchrow(
        """
        SELECT bool_or(a.urgent AND NOT EXISTS (
                   SELECT FROM notice_item n
                    WHERE n.item_id = a.item_id AND n.programme = $1 AND n.opened_at = a.opened_at)) AS is_urgent,
               min(a.opened_at) AS since
          FROM open_attention a
         WHERE (a.programme = $1 OR ($2 AND coalesce(a.programme, '') <> ALL($3::text[])))
           AND NOT EXISTS (
               SELECT FROM notice_item n JOIN notice USING (notice_id)
                WHERE n.item_id = a.item_id AND n.programme = $1 AND n.opened_at = a.opened_at
                  AND notice.state IN ('planned', 'sending', 'refused', 'sent'))
        """,
        to.programme,
        to.is_shared,
        to.known,
    )
    return Untold(row["is_urgent"], row["since"]) if row and row["since"] else None


async def lock_coordinator(connection: Connection, programme: str) -> Told | None:
    """When this coordinator was last told, locked; None where another process is telling."""
    await connection.execute("INSERT INTO coordinator (programme) VALUES ($1) ON CONFLICT DO NOTHING", programme)
    row = await connection.fetchrow(
        "SELECT urgent_at, digest_on FROM coordinator WHERE programme = $1 FOR UPDATE SKIP LOCKED", programme
    )
    return Told(**row) if row else None


async def plan(connection: Connection, to: Addressee, kind: str, message_id: str, told: Told) -> None:
    """Plan a notice about what this locked coordinator was not told of; an urgent one about what is urgent of it."""
    await connection.execute(
        "UPDATE coordinator SET urgent_at = $2, digest_on = $3 WHERE programme = $1",
        to.programme,
        told.urgent_at,
        told.digest_on,
    )
    await connection.execute(
        """
        WITH planned AS (
            INSERT INTO notice (programme, kind, message_id) VALUES ($1, $4, $5) RETURNING notice_id)
        INSERT INTO notice_item (notice_id, item_id, opened_at, programme)
        SELECT planned.notice_id, a.item_id, a.opened_at, $1
          FROM planned, open_attention a
         WHERE (a.programme = $1 OR ($2 AND coalesce(a.programme, '') <> ALL($3::text[])))
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
        RETURNING notice_id, programme, kind, message_id, tries
        """
    )
    return Claimed(**row) if row else None


async def open_of_notice(connection: Connection, notice_id: UUID) -> list[Count]:
    """What a notice is about and is still open, by kind."""
    rows = await connection.fetch(
        """
        SELECT kind, count(*)::int AS items, statement_timestamp() - min(a.opened_at) AS oldest
          FROM open_attention a JOIN notice_item n USING (item_id)
         WHERE n.notice_id = $1 GROUP BY kind ORDER BY min(a.opened_at)
        """,
        notice_id,
    )
    return [Count(**row) for row in rows]


async def open_of_programme(connection: Connection, to: Addressee) -> list[Count]:
    """All that is open for a coordinator, told or not, by kind."""
    rows = await connection.fetch(
        """
        SELECT kind, count(*)::int AS items, statement_timestamp() - min(opened_at) AS oldest
          FROM open_attention a
         WHERE a.programme = $1 OR ($2 AND coalesce(a.programme, '') <> ALL($3::text[]))
         GROUP BY kind ORDER BY min(opened_at)
        """,
        to.programme,
        to.is_shared,
        to.known,
    )
    return [Count(**row) for row in rows]


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
