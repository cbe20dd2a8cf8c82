"""Items for a human. Whatever is neither moving nor closed stands here."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
from peerline.events import WORKLIST_CHANGED

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


@dataclass(frozen=True)
class Change:
    """An item was opened or resolved at this instant."""

    item: Item
    is_open: bool
    at: datetime


Tell = Callable[["UnitOfWork", Change], Awaitable[None]]
"""What a service does with every change of its worklist, in the transaction that makes it."""

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
) -> Change | None:
    """Open an item; None where one of this kind and subject is open."""
    row = await connection.fetchrow(
        f"""
        INSERT INTO worklist_item (kind, subject, referral_id, programme, reason, urgent)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (kind, subject) WHERE resolved_at IS NULL DO NOTHING
        RETURNING {COLUMNS}, since AS at
        """,  # noqa: S608  constant
        kind,
        subject,
        referral_id,
        programme,
        reason,
        urgent,
    )
    return _change(row, is_open=True) if row else None


async def resolve(connection: Connection, *, kind: str, subjects: Collection[str], resolution: str) -> list[Change]:
    """Close the open items of this kind about these subjects, of which most may have none."""
    rows = await connection.fetch(
        f"""
        UPDATE worklist_item SET resolved_at = statement_timestamp(), resolution = $3
         WHERE kind = $1 AND subject = ANY($2::text[]) AND resolved_at IS NULL
        RETURNING {COLUMNS}, resolved_at AS at
        """,  # noqa: S608  constant
        kind,
        list(subjects),
        resolution,
    )
    return [_change(row, is_open=False) for row in rows]


def _change(row: asyncpg.Record, *, is_open: bool) -> Change:
    return Change(Item(**{name: value for name, value in row.items() if name != "at"}), is_open, row["at"])


def id_of(work: "UnitOfWork", item: Item) -> UUID:
    """The same at each opening, and another in each service: two may set the same record aside."""
    return work.ids.item(item.kind, f"{work.surroundings.service}/{item.subject}")


async def announce(work: "UnitOfWork", change: Change) -> None:
    """Publish a change on the service's own topic, so that notifier tells those whom it concerns."""
    kind, item = WORKLIST_CHANGED.get(work.surroundings.own_topic), change.item
    if kind is None:
        return
    item_id = id_of(work, item)
    programme = work.programmes.get(item.programme) if item.programme else None
    event = kind(
        event_id=work.ids.event(kind.name, item_id, item.id, "opened" if change.is_open else "resolved"),
        referral_id=item.referral_id or item_id,
        programme=programme.ref if programme else None,
        sequence=1 if change.is_open else 2,
        occurred_at=change.at,
        item_id=item_id,
        kind=item.kind,
        urgent=item.urgent,
        is_open=change.is_open,
    )
    work.publish(event)


async def resolve_about(connection: Connection, kind: str, referral_id: UUID, *, resolution: str) -> list[Change]:
    """Close the open items of this kind about a referral."""
    rows = await connection.fetch(
        f"""
        UPDATE worklist_item SET resolved_at = statement_timestamp(), resolution = $3
         WHERE kind = $1 AND referral_id = $2 AND resolved_at IS NULL
        RETURNING {COLUMNS}, resolved_at AS at
        """,  # noqa: S608  constant
        kind,
        referral_id,
        resolution,
    )
    return [_change(row, is_open=False) for row in rows]


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


async def open_subjects(connection: Connection, kind: str) -> set[str]:
    """What the open items of a kind are about."""
    rows = await connection.fetch("SELECT subject FROM worklist_item WHERE kind = $1 AND resolved_at IS NULL", kind)
    return {row["subject"] for row in rows}


async def summary(connection: Connection) -> list[tuple[str, int, float]]:
    """Kind, count and age of the oldest (seconds) of the open items."""
    rows = await connection.fetch(
        """
        SELECT kind, count(*) AS items, extract(epoch FROM statement_timestamp() - min(since))::float AS oldest
          FROM worklist_item WHERE resolved_at IS NULL GROUP BY kind
        """
    )
    return [(row["kind"], row["items"], row["oldest"]) for row in rows]
