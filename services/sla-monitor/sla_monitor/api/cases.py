"""What an operator or coordinator may ask about a case's clocks. Nothing here names a person."""

import json
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from chassis import Transactions
from chassis.http import Caller, Problem, require, transactions_of
from fastapi import APIRouter, Depends
from pydantic import BaseModel

from sla_monitor.domain.case import FIRST_CONTACT, WHOLE_CASE, Case, Clock, Start
from sla_monitor.domain.decisions import Standing, late_noticed, standing
from sla_monitor.domain.outcomes import NEVER
from sla_monitor.domain.recorded import KnownPause
from sla_monitor.repository import clocks

router = APIRouter()


class StepView(BaseModel):
    """Who is told of a breach, and from when on, unless somebody comes or acknowledges it; `told` where it was told."""

    to: str
    at: datetime
    told: bool


class ClockView(BaseModel):
    """
    One clock: how it stands, when it is due, and why then. Times are UTC, but for `due_local`.

    `attempt` is absent where the clock is the whole case's. `reached_at` stands beside a first contact, which an
    attempt to reach the physician stops. What the due time was reckoned by is pinned: `calendar` where days count.
    `acknowledged_by` names a token; it is absent where a database that was set back has lost it. `noticed_at` is when a
    breach was told; `late_noticed` where that was minutes later than it could be. While it is `paused` there is no
    `due_at`.
    """

    clock: str
    attempt: int | None
    state: Standing
    firmness: str
    programme: str
    starts_at: datetime
    due_at: datetime | None
    due_local: str | None
    zone: str | None
    calendar: str | None
    tzdata: str | None
    stopped_at: datetime | None
    reached_at: datetime | None
    late_entry: bool
    noticed_at: datetime | None
    late_noticed: bool
    corrected: bool
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    escalation: list[StepView]
    explanation: str
    steps: list[dict[str, Any]]


class PauseView(BaseModel):
    """A pause as it was last recorded: open without an end, of every clock of the case without a kind."""

    pause_id: UUID
    begins_at: datetime
    ends_at: datetime | None
    code: str
    clock: str | None


class CaseClocks(BaseModel):
    """The clocks of one case, the earliest due first, and its pauses, the earliest first."""

    referral_id: UUID
    clocks: list[ClockView]
    pauses: list[PauseView]


@router.get("/v1/cases/{referral_id}/clocks")
async def clocks_of_case(
    referral_id: UUID,
    _caller: Annotated[Caller, Depends(require("operator", "coordinator"))],
    transactions: Annotated[Transactions, Depends(transactions_of)],
) -> CaseClocks:
    """The clocks of a case; 404 where no clock of it was ever started, or it was forgotten."""
    async with transactions.begin() as work:
        case = await clocks.read_case(work.connection, referral_id)
    if case is None or not (shown := view_of(case)).clocks:
        raise Problem(404, "unknown-case")
    return shown


def view_of(case: Case) -> CaseClocks:
    """What is shown of a case."""
    views = sorted(_views(case), key=lambda view: (view.due_at or NEVER, view.clock))
    pauses = sorted(map(_pause, case.pauses.values()), key=lambda pause: (pause.begins_at, pause.pause_id))
    return CaseClocks(referral_id=case.referral_id, clocks=views, pauses=pauses)


def _pause(pause: KnownPause) -> PauseView:
    return PauseView(
        pause_id=pause.pause_id, begins_at=pause.begins_at, ends_at=pause.ends_at, code=pause.code, clock=pause.clock
    )


def _views(case: Case) -> list[ClockView]:
    begun = [clock for clock in case.clocks.values() if clock.begun]
    return [_view(case, clock, clock.start) for clock in begun if clock.start is not None]


def _view(case: Case, clock: Clock, start: Start) -> ClockView:
    pinned = start.pinned
    return ClockView(
        clock=clock.kind,
        attempt=clock.attempt if clock.attempt != WHOLE_CASE else None,
        state=standing(case, clock),
        firmness=start.firmness,
        programme=start.programme_id,
        starts_at=start.starts_at,
        due_at=None if start.suspended else start.due_at,
        due_local=pinned and pinned.due_local,
        zone=pinned and pinned.zone,
        calendar=pinned and pinned.calendar_version,
        tzdata=pinned and pinned.tzdata,
        stopped_at=case.stop_of(clock),
        reached_at=case.reached_at if clock.kind == FIRST_CONTACT else None,
        late_entry=start.late_entry,
        noticed_at=clock.noticed_at,
        late_noticed=clock.noticed_at is not None and late_noticed(start, clock.noticed_at),
        corrected=clock.corrected,
        acknowledged_at=clock.acknowledged_at,
        acknowledged_by=clock.acknowledged_by,
        escalation=[
            StepView(to=step.to, at=start.due_at + step.after, told=number < clock.escalated)
            for number, step in enumerate(start.escalation)
        ],
        explanation=start.explanation,
        steps=json.loads(pinned.steps) if pinned else [],
    )
