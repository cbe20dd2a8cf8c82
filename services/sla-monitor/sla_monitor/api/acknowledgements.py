"""Taking note of a clock that approaches or is breached, which stops its further steps."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from chassis import Transactions
from chassis.http import Caller, Problem, require, transactions_of
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from sla_monitor.domain.acknowledgement import NoSuchClock, NothingToAcknowledge, acknowledge
from sla_monitor.domain.case import WHOLE_CASE, ClockName
from sla_monitor.publication import publish
from sla_monitor.repository import clocks

router = APIRouter()


class Acknowledgement(BaseModel):
    """That somebody has taken note of a clock: the first who did, and when. `acknowledged_by` is the name of a token."""

    referral_id: UUID
    clock: str
    attempt: int | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None


@router.post("/v1/cases/{referral_id}/clocks/{kind}/acknowledgement")
async def acknowledge_clock(
    referral_id: UUID,
    kind: str,
    caller: Annotated[Caller, Depends(require("coordinator"))],
    transactions: Annotated[Transactions, Depends(transactions_of)],
    attempt: Annotated[int | None, Query(ge=1)] = None,
) -> Acknowledgement:
    """
    Take note of a clock, of an attempt where it is an attempt's; again changes nothing.

    404 where there is no such clock, 409 where it neither approaches nor is breached.
    """
    name = ClockName(kind, attempt or WHOLE_CASE)
    async with transactions.begin() as work:
        # The lock makes a case where there is none; with the refusal it is rolled back.
        case = (await clocks.open_cases(work.connection, {referral_id}))[referral_id]
        try:
            case, decisions = acknowledge(case, name, work.now, caller.name)
        except NoSuchClock:
            raise Problem(404, "unknown-clock") from None
        except NothingToAcknowledge:
            raise Problem(409, "neither-approaching-nor-breached") from None
        if decisions:
            await clocks.save(work.connection, [publish(case, decisions, work)])
    clock = case.clocks[name]
    return Acknowledgement(
        referral_id=referral_id,
        clock=kind,
        attempt=attempt,
        acknowledged_at=clock.acknowledged_at,
        acknowledged_by=clock.acknowledged_by,
    )
