"""What a coordinator or an operator does: pause sending, end or change a case, settle a delivery."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID, uuid4

from chassis import Item, Transactions, UnitOfWork, stays
from chassis.http import Caller, Problem, require, transactions_of
from chassis.worklist import Actions
from fastapi import APIRouter, Depends

from notifier.casework import Cases
from notifier.domain.facts import ClosedByCoordinator, Fact, Handed, Message, OtherRequested, Unreachable, WaitedOn
from notifier.repository import sends

router = APIRouter(prefix="/v1")
Anybody = Annotated[Caller, Depends(require("coordinator", "operator"))]
Database = Annotated[Transactions, Depends(transactions_of)]


async def paused(transactions: Transactions) -> dict[str, Any]:
    """The programmes whose sending is paused, for `/ready`: a pause is meant, and no fault."""
    async with transactions.begin() as work:
        return {"ok": True, "paused": await sends.paused(work.connection)}


@router.get("/outreach")
async def show_outreach(_caller: Anybody, transactions: Database) -> dict[str, Any]:
    """The programmes whose sending is paused, and the number of messages by state."""
    async with transactions.begin() as work:
        since, counts = await sends.summary(work.connection)
    return {"paused": since, "sends": counts}


@router.post("/outreach/{programme}/pause")
async def pause(programme: str, _caller: Anybody, transactions: Database) -> dict[str, str]:
    """Send nothing more for a programme."""
    async with transactions.begin() as work:
        _known(work, programme)
        await sends.pause(work.connection, programme)
        work.wake()
    return {"paused": programme}


@router.post("/outreach/{programme}/resume")
async def resume(programme: str, _caller: Anybody, transactions: Database) -> dict[str, str]:
    """Send again for a programme; what is out of contact hours by now waits for the next."""
    async with transactions.begin() as work:
        _known(work, programme)
        await sends.resume(work.connection, programme)
        work.wake()
    return {"resumed": programme}


@router.post("/cases/{referral_id}/close")
async def close(referral_id: UUID, _caller: Anybody, transactions: Database) -> dict[str, str]:
    """Close a case; a supporter who holds the contact is told to stop."""
    return await _act(transactions, referral_id, ClosedByCoordinator)


@router.post("/cases/{referral_id}/other-supporter")
async def ask_another(referral_id: UUID, _caller: Anybody, transactions: Database) -> dict[str, str]:
    """The physician asked for another supporter: the first is told to stop before anyone else is asked."""
    return await _act(transactions, referral_id, OtherRequested)


async def _act(transactions: Transactions, referral_id: UUID, fact: type[Fact]) -> dict[str, str]:
    async with transactions.begin() as work:
        cases = await Cases.known(work, [referral_id])
        if referral_id not in cases.rows:
            raise Problem(404, "no-such-case")
        phase = cases.take(referral_id, fact(work.now)).phase
        await cases.settle()
    return {"phase": phase}


def _known(work: UnitOfWork, programme: str) -> None:
    if programme not in work.programmes:
        raise Problem(404, "no-such-programme")


async def mark_delivered(work: UnitOfWork, item: Item, _body: Mapping[str, Any]) -> None:
    """The coordinator knows that it arrived: what follows from its delivery follows now."""
    sent = await sends.overrule(work.connection, UUID(item.subject), "sent")
    if sent:
        await _take(work, sent.referral_id, Handed(work.now, Message(sent.message), sent.attempt))


async def send_again(work: UnitOfWork, item: Item, _body: Mapping[str, Any]) -> None:
    """The coordinator knows that it did not arrive: a message of its own is planned, if it is still wanted."""
    failed = await sends.overrule(work.connection, UUID(item.subject), "failed")
    if failed:
        again = sends.Planned(
            failed.referral_id, failed.message, f"again/{item.id}", failed.attempt, uuid4().hex, work.now, None
        )
        cases = await Cases.known(work, [failed.referral_id])
        await sends.plan(work.connection, [again])
        await cases.settle()


async def match_again(work: UnitOfWork, item: Item, _body: Mapping[str, Any]) -> None:
    """This supporter cannot be reached: somebody else is to be asked."""
    failed = await sends.overrule(work.connection, UUID(item.subject), "failed")
    if failed and failed.attempt:
        await _take(work, failed.referral_id, Unreachable(work.now, failed.attempt))


async def close_case(work: UnitOfWork, item: Item, _body: Mapping[str, Any]) -> None:
    """Nothing more is to be expected: the case ends."""
    await _take(work, _referral(item), ClosedByCoordinator(work.now))


async def wait_on(work: UnitOfWork, item: Item, _body: Mapping[str, Any]) -> None:
    """Wait as long again; who stays silent is put here again."""
    await _take(work, _referral(item), WaitedOn(work.now))


async def seek_another(work: UnitOfWork, item: Item, _body: Mapping[str, Any]) -> None:
    """The supporter who holds the contact is told to stop, and another is sought."""
    await _take(work, _referral(item), OtherRequested(work.now))


def _referral(item: Item) -> UUID:
    if item.referral_id is None:
        raise Problem(409, "not-about-a-referral")
    return item.referral_id


async def _take(work: UnitOfWork, referral_id: UUID, fact: Fact) -> None:
    cases = await Cases.known(work, [referral_id])
    cases.take(referral_id, fact)
    await cases.settle()


DELIVERY = {"delivered": mark_delivered, "send-again": send_again, "match-again": match_again, "resolve": stays}
ACTIONS: Actions = {
    "delivery-unknown": DELIVERY,
    "delivery-failed": DELIVERY,
    "unreadable": {"close": close_case, "resolve": stays},
    "no-referral": {"close": close_case, "resolve": stays},
    "silent": {"close": close_case, "wait": wait_on, "other-supporter": seek_another, "resolve": stays},
    "release-requested": {"close": close_case, "other-supporter": seek_another},
    "two-supporters": {"close": close_case, "other-supporter": seek_another},
}
