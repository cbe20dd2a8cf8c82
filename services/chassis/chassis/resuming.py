"""An operator looks at what a restored database had lost, and lets the service go on."""

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from chassis import restored
from chassis.http import Caller, Problem, require, transactions_of
from chassis.log import logger
from chassis.recovery import ITEM, Recovery
from chassis.work import Transactions

PATIENCE = 10.0  # seconds in which the gap must have been read again, else the caller asks once more
router = APIRouter(prefix="/v1")
Anybody = Annotated[Caller, Depends(require("coordinator", "operator"))]
Operator = Annotated[Caller, Depends(require("operator"))]
Database = Annotated[Transactions, Depends(transactions_of)]
log = logger("chassis")


@router.get("/restored")
async def show(
    _caller: Anybody, transactions: Database, limit: Annotated[int, Query(ge=1, le=500)] = 100
) -> dict[str, Any]:
    """Since when it is halted (null: it is not), and what this service had lost; coordinates and ids only."""
    async with transactions.begin() as work:
        halt = await restored.halted(work.connection)
        events = await restored.lost_events(work.connection, limit)
    return {
        "halted_since": halt.since,
        "lost": halt.events,
        "not_recalled": halt.not_recalled,
        "events": [asdict(event) for event in events],
    }


@router.post("/resume")
async def resume(_caller: Operator, transactions: Database, request: Request) -> dict[str, Any]:
    """Go on. 409 where nothing is halted, or the gap of the input was not read again yet."""
    async with transactions.begin() as work:
        if not await restored.is_halted(work.connection):
            raise Problem(409, "not-halted")
    if not await _has_read_on(transactions):
        raise Problem(409, "still-reading")
    recovery: Recovery | None = request.app.state.recovery
    async with transactions.begin() as work:
        halt = await restored.halted(work.connection)
        if recovery:
            await recovery.settle(work)
        await restored.resume(work.connection)
        await work.resolve_item(ITEM, subject=transactions.surroundings.service, resolution="resume")
        work.wake()
    log.warning("resumed_after_restore", count=halt.events)
    return {"resumed": True, "lost": halt.events}


async def _has_read_on(transactions: Transactions) -> bool:
    """Whether everything that stood on the input when it was asked is taken, by whichever replica; waits a little."""
    async with transactions.begin() as work:
        asked_at = work.now
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                async with transactions.begin() as work:
                    if (await work.horizon()).certain >= asked_at:
                        return True
                await asyncio.sleep(0.1)
    except TimeoutError:
        return False
