"""What an operator or coordinator may ask about a case's clocks. Nothing here names a person."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from chassis import Transactions
from chassis.http import Caller, Problem, require, transactions_of
from fastapi import APIRouter, Depends
from pydantic import BaseModel

from sla_monitor import repository
from sla_monitor.domain.decisions import Standing, standing
from sla_monitor.domain.facts import Case, Clock, Start

router = APIRouter()


class ClockView(BaseModel):
    """One clock: how it stands, when it is due, and why then. Times are UTC."""

    clock: str
    state: Standing
    firmness: str
    programme: str
    starts_at: datetime
    due_at: datetime
    stopped_at: datetime | None
    late_entry: bool
    corrected: bool
    explanation: str


class CaseClocks(BaseModel):
    """The clocks of one case, the earliest due first."""

    referral_id: UUID
    clocks: list[ClockView]


@router.get("/v1/cases/{referral_id}/clocks")
async def clocks_of_case(
    referral_id: UUID,
    _caller: Annotated[Caller, Depends(require("operator", "coordinator"))],
    transactions: Annotated[Transactions, Depends(transactions_of)],
) -> CaseClocks:
    """The clocks of a case; 404 where no clock of it was ever started, or it was forgotten."""
    async with transactions.begin() as work:
        case = await repository.read_case(work.connection, referral_id)
    views = [] if case is None else _views(case)
    if not views:
        raise Problem(404, "unknown-case")
    return CaseClocks(referral_id=referral_id, clocks=sorted(views, key=lambda view: (view.due_at, view.clock)))


def _views(case: Case) -> list[ClockView]:
    begun = [clock for clock in case.clocks.values() if clock.begun]
    return [_view(case, clock, clock.start) for clock in begun if clock.start is not None]


def _view(case: Case, clock: Clock, start: Start) -> ClockView:
    return ClockView(
        clock=clock.kind,
        state=standing(case, clock),
        firmness=start.firmness,
        programme=start.programme_id,
        starts_at=start.starts_at,
        due_at=start.due_at,
        stopped_at=clock.stopped_at,
        late_entry=start.late_entry,
        corrected=clock.corrected,
        explanation=start.explanation,
    )
