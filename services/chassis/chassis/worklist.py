"""Items for a human. Whatever is neither moving nor closed stands here."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from chassis.database import Connection

if TYPE_CHECKING:
    from chassis.work import UnitOfWork

RESOLVE = "resolve"


@dataclass(frozen=True)
class Item:
    """One open item. `subject` tells it apart from others of its kind and names nobody."""

    id: UUID
    kind: str
    subject: str
    referral_id: UUID | None
    programme: str | None
    reason: str
    urgent: bool
    since: datetime


Action = Callable[["UnitOfWork", Item, Mapping[str, Any]], Awaitable[None]]
Actions = Mapping[str, Mapping[str, Action]]
COLUMNS = "id, kind, subject, referral_id, programme, reason, urgent, since"


async def open_item(
    connection: Connection,
    *,
    kind: str,
    subject: str,
    referral_id: UUID | None,
    programme: str | None,
    reason: str,
    urgent: bool,
) -> None:
    """Open an item unless one of this kind and subject is open."""
    await connection.execute(
        """
        INSERT INTO worklist_item (kind, subject, referral_id, programme, reason, urgent)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (kind, subject) WHERE resolved_at IS NULL DO NOTHING
        """,
        kind,
        subject,
        referral_id,
        programme,
        reason,
        urgent,
    )


async def resolve(connection: Connection, *, kind: str, subject: str, resolution: str) -> None:
    """Close the open item of this kind and subject, if there is one."""
    await connection.execute(
        """
        UPDATE worklist_item SET resolved_at = statement_timestamp(), resolution = $3
         WHERE kind = $1 AND subject = $2 AND resolved_at IS NULL
        """,
        kind,
        subject,
        resolution,
    )


async def resolve_about(connection: Connection, *, kind: str, referral_id: UUID, resolution: str) -> None:
    """Close the open items of this kind about a referral."""
    await connection.execute(
        """
        UPDATE worklist_item SET resolved_at = statement_timestamp(), resolution = $3
         WHERE kind = $1 AND referral_id = $2 AND resolved_at IS NULL
        """,
        kind,
        referral_id,
        resolution,
    )


async def claim(connection: Connection, item_id: UUID) -> Item | None:
    """Lock an open item for an action, or None where it is not open."""
    row = await connection.fetchrow(
        f"SELECT {COLUMNS} FROM worklist_item WHERE id = $1 AND resolved_at IS NULL FOR UPDATE",  # noqa: S608  constant
        item_id,
    )
    return Item(**row) if row else None


async def open_items(connection: Connection, *, after: datetime | None, limit: int) -> list[Item]:
    """The open items, oldest first, from `after` on."""
    rows = await connection.fetch(
        f"""
        SELECT {COLUMNS} FROM worklist_item
         WHERE resolved_at IS NULL AND ($1::timestamptz IS NULL OR since > $1)
         ORDER BY since, id LIMIT $2
        """,  # noqa: S608  constant
        after,
        limit,
    )
    return [Item(**row) for row in rows]


async def summary(connection: Connection) -> list[tuple[str, int, float]]:
    """Kind, count and age of the oldest (seconds) of the open items."""
    rows = await connection.fetch(
        """
        SELECT kind, count(*) AS items, extract(epoch FROM statement_timestamp() - min(since))::float AS oldest
          FROM worklist_item WHERE resolved_at IS NULL GROUP BY kind
        """
    )
    return [(row["kind"], row["items"], row["oldest"]) for row in rows]
