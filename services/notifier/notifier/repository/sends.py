"""Messages: planned under a unique key, claimed by one process, ended once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
from chassis.database import Connection


@dataclass(frozen=True)
class Planned:
    """A message to be sent at `due_at` or later, before `window_ends` where it keeps contact hours."""

    referral_id: UUID
    message: str
    about: str
    attempt: int | None
    message_id: str
    due_at: datetime
    window_ends: datetime | None


@dataclass(frozen=True)
class Claimed:
    """A message that this process, and no other, is sending."""

    send_id: UUID
    referral_id: UUID
    message: str
    attempt: int | None
    message_id: str
    tries: int


@dataclass(frozen=True)
class Late:
    """A message that missed its contact hours."""

    send_id: UUID
    referral_id: UUID
    message: str
    attempt: int | None


async def plan(connection: Connection, planned: Iterable[Planned]) -> None:
    """Plan messages; one that was planned before, under the same key, is left as it is."""
    planned = list(planned)
    if not planned:
        return
    await connection.executemany(
        """
        INSERT INTO send (referral_id, message, about, attempt, message_id, due_at, window_ends)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (referral_id, message, about) DO NOTHING
        """,
        [(p.referral_id, p.message, p.about, p.attempt, p.message_id, p.due_at, p.window_ends) for p in planned],
    )


async def drop_unwanted(connection: Connection, referral_ids: Sequence[UUID]) -> list[UUID]:
    """Give up the messages of these locked cases that are no longer wanted and were not claimed; gives which."""
    rows = await connection.fetch(
        """
        UPDATE send SET state = 'dropped', ended_at = statement_timestamp()
         WHERE referral_id = ANY($1::uuid[]) AND state IN ('planned', 'refused')
           AND send_id NOT IN (SELECT send_id FROM wanted_send WHERE referral_id = ANY($1::uuid[]))
        RETURNING send_id
        """,
        referral_ids,
    )
    return [row["send_id"] for row in rows]


async def claim(connection: Connection, limit: int) -> list[Claimed]:
    """
    Take the most overdue messages that may go, and lock their cases, so that neither changes till commit.

    What another process holds is skipped. Under the locks each is looked at again: what the case as it is then
    no longer wants is dropped. Whoever claims commits before connecting.
    """
    due = await connection.fetch(
        """
        SELECT s.send_id
          FROM free_send s
          JOIN outreach_case c USING (referral_id)
         WHERE s.due_at <= statement_timestamp()
         ORDER BY s.due_at
         LIMIT $1
           FOR UPDATE OF s, c SKIP LOCKED
        """,
        limit,
    )
    if not due:
        return []
    rows = await connection.fetch(
        """
        UPDATE send s
           SET state = CASE WHEN wanted THEN 'sending' ELSE 'dropped' END,
               claimed_at = CASE WHEN wanted THEN statement_timestamp() END,
               ended_at = CASE WHEN NOT wanted THEN statement_timestamp() END,
               tries = tries + wanted::int
          FROM (SELECT d.send_id, w.send_id IS NOT NULL AS wanted
                  FROM unnest($1::uuid[]) d (send_id) LEFT JOIN wanted_send w USING (send_id)) again
         WHERE s.send_id = again.send_id AND s.state IN ('planned', 'refused')
        RETURNING s.send_id, referral_id, message, attempt, message_id, tries, state
        """,
        [row["send_id"] for row in due],
    )
    return [_claimed(row) for row in rows if row["state"] == "sending"]


def _claimed(row: asyncpg.Record) -> Claimed:
    return Claimed(row["send_id"], row["referral_id"], row["message"], row["attempt"], row["message_id"], row["tries"])


async def finish(connection: Connection, ended: Sequence[tuple[Claimed, str, str]]) -> set[UUID]:
    """End messages, each by its claim, with a state and a code; gives those that nobody had ended already."""
    rows = await connection.fetch(
        """
        UPDATE send SET state = given.state, code = given.code, ended_at = statement_timestamp()
          FROM unnest($1::uuid[], $2::int[], $3::text[], $4::text[]) AS given (send_id, tries, state, code)
         WHERE send.send_id = given.send_id AND send.state = 'sending' AND send.tries = given.tries
        RETURNING send.send_id
        """,
        [claimed.send_id for claimed, _, _ in ended],
        [claimed.tries for claimed, _, _ in ended],
        [state for _, state, _ in ended],
        [code for _, _, code in ended],
    )
    return {row["send_id"] for row in rows}


async def refuse(
    connection: Connection, claimed: Claimed, code: str, due_at: datetime, window_ends: datetime | None
) -> bool:
    """Put a refused message back, to be tried at `due_at`; False where this claim of it was ended already."""
    row = await connection.fetchrow(
        """
        UPDATE send SET state = 'refused', code = $2, due_at = $3, window_ends = $4
         WHERE send_id = $1 AND state = 'sending' AND tries = $5 RETURNING send_id
        """,
        claimed.send_id,
        code,
        due_at,
        window_ends,
        claimed.tries,
    )
    return row is not None


async def abandoned(connection: Connection, after: timedelta, limit: int) -> list[Claimed]:
    """Messages that were claimed longer ago than any try may last: whoever claimed them is gone."""
    rows = await connection.fetch(
        """
        SELECT send_id, referral_id, message, attempt, message_id, tries
          FROM send
         WHERE state = 'sending' AND claimed_at < statement_timestamp() - $1::interval
         ORDER BY claimed_at LIMIT $2
        """,
        after,
        limit,
    )
    return [_claimed(row) for row in rows]


async def late(connection: Connection, limit: int) -> list[Late]:
    """Lock messages whose contact hours ended before they were claimed."""
    rows = await connection.fetch(
        """
        SELECT send_id, referral_id, message, attempt
          FROM send
         WHERE state IN ('planned', 'refused') AND window_ends <= statement_timestamp()
         ORDER BY window_ends LIMIT $1 FOR UPDATE SKIP LOCKED
        """,
        limit,
    )
    return [Late(**row) for row in rows]


async def postpone(connection: Connection, send_id: UUID, due_at: datetime, window_ends: datetime | None) -> None:
    """Set when a message that was not claimed is due."""
    await connection.execute(
        "UPDATE send SET due_at = $2, window_ends = $3 WHERE send_id = $1 AND state IN ('planned', 'refused')",
        send_id,
        due_at,
        window_ends,
    )


async def next_due(connection: Connection, within: timedelta) -> float | None:
    """Seconds until the next message may go, negative where it is due already; None where none is due `within`."""
    seconds: float | None = await connection.fetchval(
        """
        SELECT extract(epoch FROM due_at - statement_timestamp())::float
          FROM free_send
         WHERE due_at <= statement_timestamp() + $1::interval
         ORDER BY due_at
         LIMIT 1
        """,
        within,
    )
    return seconds


async def next_abandoned(connection: Connection, after: timedelta) -> float | None:
    """Seconds until a message that is being sent counts as abandoned; None where none is."""
    seconds: float | None = await connection.fetchval(
        """
        SELECT extract(epoch FROM min(claimed_at) + $1::interval - statement_timestamp())::float
          FROM send WHERE state = 'sending'
        """,
        after,
    )
    return seconds


async def in_doubt(connection: Connection, referral_id: UUID, message: str, attempt: int | None) -> list[UUID]:
    """The messages of this kind about one attempt, or about none, that failed or may have."""
    rows = await connection.fetch(
        """
        SELECT send_id FROM send
         WHERE referral_id = $1 AND message = $2 AND attempt IS NOT DISTINCT FROM $3 AND state IN ('unknown', 'failed')
        """,
        referral_id,
        message,
        attempt,
    )
    return [row["send_id"] for row in rows]


async def overrule(connection: Connection, send_id: UUID, state: str) -> Claimed | None:
    """A coordinator says how an unknown or failed message ended; None where it is neither."""
    row = await connection.fetchrow(
        """
        UPDATE send SET state = $2, code = 'overruled' WHERE send_id = $1 AND state IN ('unknown', 'failed')
        RETURNING send_id, referral_id, message, attempt, message_id, tries
        """,
        send_id,
        state,
    )
    return _claimed(row) if row else None


async def doubt(connection: Connection, messages: Sequence[str]) -> list[Claimed]:
    """
    End as unknown the messages of these kinds that a database which was set back may not know to have been sent.

    These are what was due when it was found, what was planned since (read again, or for a case that is new), and
    whatever belongs to a case of which something was lost; not what a coordinator has ordered since.
    """
    rows = await connection.fetch(
        """
        UPDATE send SET state = 'unknown', code = 'restored', ended_at = statement_timestamp()
          FROM restoration
         WHERE send.state IN ('planned', 'refused') AND send.message = ANY($1::text[]) AND about NOT LIKE 'again/%'
           AND (due_at <= halted_at OR planned_at >= halted_at
                OR EXISTS (SELECT FROM lost_event
                            WHERE lost_event.referral_id = send.referral_id::text AND found_at >= halted_at))
        RETURNING send_id, send.referral_id, message, attempt, message_id, tries
        """,
        messages,
    )
    return [Claimed(**row) for row in rows]


async def pause(connection: Connection, programme: str) -> None:
    """Send nothing more for a programme; no error where it is paused."""
    await connection.execute("INSERT INTO outreach_pause (programme) VALUES ($1) ON CONFLICT DO NOTHING", programme)


async def resume(connection: Connection, programme: str) -> None:
    """Send again for a programme; no error where it is not paused."""
    await connection.execute("DELETE FROM outreach_pause WHERE programme = $1", programme)


async def paused(connection: Connection) -> list[str]:
    """The programmes whose sending is paused."""
    return [row["programme"] for row in await connection.fetch("SELECT programme FROM outreach_pause ORDER BY 1")]


async def summary(connection: Connection) -> tuple[dict[str, datetime], dict[str, int]]:
    """The paused programmes since when, and the number of messages by state."""
    paused = await connection.fetch("SELECT programme, since FROM outreach_pause ORDER BY programme")
    counts = await connection.fetch("SELECT state, count(*) AS sends FROM send GROUP BY state ORDER BY state")
    return {row["programme"]: row["since"] for row in paused}, {row["state"]: row["sends"] for row in counts}
