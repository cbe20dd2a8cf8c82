"""What operators and coordinators do to any service: worklist and quarantine."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query, Request

from chassis import offsets, quarantine, worklist
from chassis.http import Caller, Problem, require, transactions_of
from chassis.replay import Replay
from chassis.taking_over import BEYOND_END
from chassis.work import Transactions, UnitOfWork
from chassis.worklist import Item

router = APIRouter(prefix="/v1")
Anybody = Annotated[Caller, Depends(require("coordinator", "operator"))]
Operator = Annotated[Caller, Depends(require("operator"))]
Database = Annotated[Transactions, Depends(transactions_of)]


async def stays(_work: UnitOfWork, _item: Item, _body: Mapping[str, Any]) -> None:
    """Refuse a plain resolve: the matter behind the item would go on waiting, seen by nobody."""
    raise Problem(409, "has-to-be-decided")


async def go_on(work: UnitOfWork, item: Item, _body: Mapping[str, Any]) -> None:
    """Read a halted topic on; for an hour, more may be set aside for the same reason."""
    await quarantine.release(work.connection, item.subject, item.reason)


async def read_from_beginning(work: UnitOfWork, item: Item, _body: Mapping[str, Any]) -> None:
    """Read a topic that was made anew as it is now, all of it: nothing of it is passed over."""
    await offsets.begin_again(work.connection, item.subject)


async def discard(work: UnitOfWork, item: Item, _body: Mapping[str, Any]) -> None:
    """Give a quarantined record up."""
    topic, partition, offset = item.subject.rsplit("/", 2)
    await quarantine.discard(work.connection, topic, int(partition), int(offset))


ACTIONS: worklist.Actions = {
    "halted": {"go-on": go_on, worklist.RESOLVE: stays},
    BEYOND_END: {"read-from-beginning": read_from_beginning, worklist.RESOLVE: stays},
    "quarantined": {"discard": discard, worklist.RESOLVE: stays},
    "restored": {worklist.RESOLVE: stays},
}
"""What can be done about the chassis' own items; a quarantined record is also replayed (below), a restored database is resumed
(resuming.py)."""


@router.get("/worklist")
async def list_items(
    _caller: Anybody,
    transactions: Database,
    request: Request,
    after: datetime | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """The open items, oldest first, with the actions that each allows."""
    async with transactions.begin() as work:
        items = await worklist.open_items(work.connection, after=after, limit=limit)
    actions: worklist.Actions = request.app.state.actions
    return {"items": [asdict(item) | {"actions": _allowed(actions.get(item.kind, {}))} for item in items]}


def _allowed(actions: Mapping[str, worklist.Action]) -> list[str]:
    """The names of the actions that can succeed."""
    resolves = actions.get(worklist.RESOLVE) is not stays
    return [name for name in actions if name != worklist.RESOLVE] + [worklist.RESOLVE] * resolves


@router.post("/worklist/{item_id}/{action}")
async def act(
    item_id: UUID,
    action: str,
    _caller: Anybody,
    transactions: Database,
    request: Request,
    body: Annotated[dict[str, Any] | None, Body()] = None,
) -> dict[str, str]:
    """Act on an item; it is resolved by the act."""
    actions: worklist.Actions = request.app.state.actions
    async with transactions.begin() as work:
        item = await worklist.claim(work.connection, item_id)
        if item is None:
            raise Problem(404, "no-open-item")
        known: Mapping[str, worklist.Action] = actions.get(item.kind, {})
        if action in known:
            await known[action](work, item, body or {})
        elif action != worklist.RESOLVE:
            raise Problem(404, "no-such-action")
        await work.resolve_item(item.kind, subject=item.subject, resolution=action)
    return {"resolved": action}


@router.get("/quarantine")
async def list_quarantine(
    _caller: Operator, transactions: Database, limit: Annotated[int, Query(ge=1, le=500)] = 100
) -> dict[str, Any]:
    """The records that wait in quarantine, oldest first; never their content."""
    async with transactions.begin() as work:
        return {"entries": [asdict(entry) for entry in await quarantine.entries(work.connection, limit)]}


@router.post("/quarantine/{entry_id}/replay")
async def replay(entry_id: UUID, _caller: Operator, request: Request) -> dict[str, Any]:
    """Take a record again; 409 with the reason code where it still cannot be taken."""
    again: Replay = request.app.state.replay
    try:
        reason = await again.replay(entry_id)
    except LookupError:
        raise Problem(404, "not-in-quarantine") from None
    if reason:
        raise Problem(409, reason)
    return {"replayed": True}
