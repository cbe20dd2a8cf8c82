"""The supporter's page: room? then the name, then the contact, then what came of it."""

from typing import Annotated

from chassis import UnitOfWork
from chassis.http import public
from fastapi import APIRouter, Depends, Form
from fastapi.responses import Response

from notifier import contacts
from notifier.casework import Cases
from notifier.domain.facts import Button, Pressed
from notifier.domain.state import Page
from notifier.pages import private
from notifier.repository import cases as stored
from notifier.repository.cases import CaseRow

router = APIRouter(dependencies=[Depends(public)])
SHOWS_PHYSICIAN = (Page.NAME, Page.CONTACT)


@router.api_route("/s/{token}", methods=["GET", "HEAD"])
async def show_page(token: str, transactions: private.Database) -> Response:
    """Show where the match stands; changes nothing, however often it is opened and by whom."""
    async with transactions.begin() as work:
        link = await private.link_of(work, token, "supporter")
        row = await stored.read(work.connection, link.referral_id) if link else None
        if link is None or row is None or link.attempt is None or row.case.forgotten_at:
            return private.nothing_here()
        return _page(work, row, link.attempt, token)


@router.post("/s/{token}")
async def press(
    token: str, transactions: private.Database, action: Annotated[str, Form()] = "", form: Annotated[str, Form()] = ""
) -> Response:
    """Do what a button says, if it still applies; a second click changes nothing."""
    async with transactions.begin() as work:
        link = await private.link_of(work, token, "supporter")
        if link is None or link.attempt is None:
            return private.nothing_here()
        if private.is_from_form(token, form) and action in set(Button):
            cases = await Cases.known(work, [link.referral_id])
            if link.referral_id in cases.rows and _is_offered(Button(action), work, cases.rows[link.referral_id]):
                cases.take(link.referral_id, Pressed(work.now, link.attempt, Button(action)))
                await cases.settle()
    return private.see(f"/s/{token}")


def _is_offered(button: Button, work: UnitOfWork, row: CaseRow) -> bool:
    """What is owed already may be sent whatever the programme's file says by now."""
    return button is not Button.PERMITTED or work.programmes[row.programme].supporters_send_resources


def _page(work: UnitOfWork, row: CaseRow, attempt: int, token: str) -> Response:
    stage, known = row.case.page(attempt), row.case.attempt(attempt)
    try:
        physician = contacts.physician(work, row) if stage in SHOWS_PHYSICIAN else None
    except contacts.NoContact:
        return private.nothing_here()
    return private.show(
        "supporter.html",
        programme=work.programmes[row.programme],
        stage=stage.value,
        name=physician.name if physician else "",
        contact=physician if stage is Page.CONTACT else None,
        attempted=known.attempted_at is not None,
        made=known.made_at is not None,
        permitted=known.permitted_at is not None,
        owes_resources=known.owes_resources,
        form=private.form_token(token),
    )
