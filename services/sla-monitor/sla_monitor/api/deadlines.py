"""The clocks of a programme that somebody waits for, the earliest due first, a page at a time."""

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from chassis import Transactions
from chassis.http import Caller, Problem, require, transactions_of
from fastapi import APIRouter, Depends, Query
from peerline.events.deadlines import ClockKind
from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter

from sla_monitor.domain.case import WHOLE_CASE
from sla_monitor.domain.decisions import Standing
from sla_monitor.domain.outcomes import NEVER
from sla_monitor.repository import standings
from sla_monitor.repository.standings import OpenClock, Place

router = APIRouter()
_PLACE = TypeAdapter(tuple[AwareDatetime, UUID, ClockKind, Annotated[int, Field(ge=0, lt=2**31)]])


class DeadlineView(BaseModel):
    """
    An open clock: what it waits for has not happened, and neither its case nor its attempt has ended.

    `overdue` says that its due time has passed; `state` becomes breached where that is told, which is never for a
    physician's response, and moments later for others. `attempt` is absent where the clock is the whole case's, `due_at`
    while a pause is open; such a clock stands behind all that are due. `escalated` counts the further steps that were
    told, `acknowledged_at` is when somebody took note.
    """

    referral_id: UUID
    clock: str
    attempt: int | None
    firmness: str
    state: Standing
    overdue: bool
    starts_at: datetime
    due_at: datetime | None
    escalated: int
    acknowledged_at: datetime | None


class Deadlines(BaseModel):
    """A page of open clocks; `next` is what `after` has to be for the following one, absent at the end."""

    deadlines: list[DeadlineView]
    next: str | None


@router.get("/v1/deadlines")
async def open_deadlines(
    programme: str,
    _caller: Annotated[Caller, Depends(require("operator", "coordinator"))],
    transactions: Annotated[Transactions, Depends(transactions_of)],
    due_before: AwareDatetime | None = None,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Deadlines:
    """The open clocks of a programme, those due before an instant where one is given; 404 for an unknown programme."""
    if programme not in transactions.surroundings.programmes:
        raise Problem(404, "unknown-programme")
    place = None if after is None else _place(after)
    async with transactions.begin() as work:
        found = await standings.open_clocks(work.connection, programme, before=due_before, after=place, limit=limit + 1)
        now = work.now
    page = found[:limit]
    return Deadlines(deadlines=[_view(clock, now) for clock in page], next=_next(page) if found[limit:] else None)


def _view(clock: OpenClock, now: datetime) -> DeadlineView:
    due_at, referral_id, kind, attempt = clock.place
    return DeadlineView(
        referral_id=referral_id,
        clock=kind,
        attempt=attempt if attempt != WHOLE_CASE else None,
        firmness=clock.firmness,
        state=clock.state,
        overdue=due_at < now,
        starts_at=clock.starts_at,
        due_at=due_at if due_at < NEVER else None,
        escalated=clock.escalated,
        acknowledged_at=clock.acknowledged_at,
    )


def _next(page: Sequence[OpenClock]) -> str:
    return base64.urlsafe_b64encode(_PLACE.dump_json(page[-1].place)).decode()


def _place(after: str) -> Place:
    """The place that `next` of a page named; Problem for anything else."""
    try:
        return Place(*_PLACE.validate_json(base64.urlsafe_b64decode(after)))
    except ValueError:  # neither base64, nor JSON, nor a place
        raise Problem(422, "wrong-value", field="after") from None
