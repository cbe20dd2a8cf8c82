"""What waits in any service, and news of deadlines, as it was last said."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.database import Connection


@dataclass(frozen=True)
class Attention:
    """
    An item as a service last said it, or news of a referral. `programme` is None for the whole installation.

    `due_at` is of a breach that was noticed late, which was when it was opened here.
    """

    item_id: UUID
    kind: str
    programme: str | None
    urgent: bool
    opened_at: datetime | None = None
    resolved_at: datetime | None = None
    referral_id: UUID | None = None
    is_news: bool = False
    due_at: datetime | None = None


async def note(connection: Connection, changes: Iterable[Attention]) -> None:
    """Fold changes in; any order and any repeat gives the same."""
    await connection.executemany(
        """
        INSERT INTO attention AS known (item_id, kind, programme, urgent, opened_at, resolved_at, referral_id, is_news,
                                        due_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (item_id) DO UPDATE
           SET opened_at = greatest(known.opened_at, excluded.opened_at),
               resolved_at = greatest(known.resolved_at, excluded.resolved_at)
        """,
        [
            (c.item_id, c.kind, c.programme, c.urgent, c.opened_at, c.resolved_at, c.referral_id, c.is_news, c.due_at)
            for c in changes
        ],
    )
