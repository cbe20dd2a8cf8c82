"""The physician's page, where the programme makes the first contact: wants to talk, not now, does not want to."""

from typing import Annotated

from chassis.http import public
from fastapi import APIRouter, Depends, Form
from fastapi.responses import Response

from notifier.casework import Cases
from notifier.domain.facts import Answer, Answered
from notifier.domain.state import Case
from notifier.pages import private
from notifier.repository import cases as stored

router = APIRouter(dependencies=[Depends(public)])


@router.api_route("/p/{token}", methods=["GET", "HEAD"])
async def show_page(token: str, transactions: private.Database) -> Response:
    """Show the offer; changes nothing."""
    async with transactions.begin() as work:
        link = await private.link_of(work, token, "physician")
        row = await stored.read(work.connection, link.referral_id) if link else None
        if row is None or row.case.forgotten_at:
            return private.nothing_here()
        return private.show(
            "physician.html",
            programme=work.programmes[row.programme],
            stage=_stage(row.case),
            may_change=bool(row.case.holders),
            form=private.form_token(token),
        )


@router.post("/p/{token}")
async def answer(
    token: str, transactions: private.Database, action: Annotated[str, Form()] = "", form: Annotated[str, Form()] = ""
) -> Response:
    """Take the answer, if it still applies; a second click changes nothing."""
    async with transactions.begin() as work:
        link = await private.link_of(work, token, "physician")
        if link is None:
            return private.nothing_here()
        if private.is_from_form(token, form) and action in set(Answer):
            cases = await Cases.known(work, [link.referral_id])
            if link.referral_id in cases.rows:
                cases.take(link.referral_id, Answered(work.now, Answer(action)))
                await cases.settle()
    return private.see(f"/p/{token}")


def _stage(case: Case) -> str:
    if case.closed_at:
        return "closed"
    if case.wanted_at:
        return "wanted"
    return "not-now" if case.not_now_at else "offered"
