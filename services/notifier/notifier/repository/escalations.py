"""Further steps after a breach: what is to be told of each beside what every item has."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from chassis.database import Connection


@dataclass(frozen=True)
class Escalation:
    """A step of the clock of a referral, or of an attempt of it, for whoever has the role; the item is its event."""

    item_id: UUID
    deadline_id: UUID
    role: str
    level: int
    clock: str
    attempt: int | None
    due_at: datetime


@dataclass(frozen=True)
class Overdue:
    """What a message says of a step."""

    role: str
    level: int
    clock: str
    attempt: int | None
    referral_id: UUID
    overdue: timedelta


async def note(connection: Connection, escalations: Iterable[Escalation]) -> None:
    """Keep what these items are about; any repeat changes nothing."""
    await connection.executemany(
        """
        INSERT INTO escalation (item_id, deadline_id, role, level, clock, attempt, due_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING
        """,
        [(e.item_id, e.deadline_id, e.role, e.level, e.clock, e.attempt, e.due_at) for e in escalations],
    )


async def drop(connection: Connection, deadline_ids: Collection[UUID]) -> None:
    """Tell no more of the steps of these deadlines; what was told already is over already."""
    await connection.execute(
        """
        UPDATE attention a SET resolved_at = statement_timestamp()
          FROM escalation e
         WHERE e.item_id = a.item_id AND e.deadline_id = ANY($1::uuid[]) AND a.resolved_at IS NULL
        """,
        deadline_ids,
    )


async def of_notice(connection: Connection, notice_id: UUID, limit: int) -> list[Overdue]:
    """The steps that a notice is about and that are still to be told, the longest overdue first."""
    rows = await connection.fetch(
        """
        SELECT e.role, e.level, e.clock, e.attempt, a.referral_id, statement_timestamp() - e.due_at AS overdue
          FROM open_attention a JOIN notice_item n USING (item_id) JOIN escalation e USING (item_id)
         WHERE n.notice_id = $1 ORDER BY e.due_at, a.referral_id, e.level LIMIT $2
        """,
        notice_id,
        limit,
    )
    return [Overdue(**row) for row in rows]
