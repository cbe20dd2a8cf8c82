"""How an attempt or a case ends; only notifier ends a match whose supporter holds the contact."""

from dataclasses import replace
from datetime import datetime

from notifier.domain.decisions import Decisions, Log, Plan, Resolve
from notifier.domain.facts import Message
from notifier.domain.state import Case, Page, Phase

BEFORE_CONTACT = frozenset({Page.ASKED, Page.WISH, Page.NAME})


def declined(case: Case, number: int, at: datetime, why: str = "") -> tuple[Case, Decisions]:
    """This supporter will not do it; nothing changes once the contact was shown or the page is void."""
    if case.page(number) not in BEFORE_CONTACT:
        return case, ()
    codes = (("why", why),) if why else ()
    ended = case.having(replace(case.attempt(number), declined_at=at))
    return ended, (Log("supporter-declined", ended.phase, number, codes),)


def stopped(case: Case, number: int, at: datetime) -> tuple[Case, Decisions]:
    """A supporter who holds the contact is to make no use of it any more, and is told so."""
    ended = case.having(replace(case.attempt(number), stopped_at=at))
    return ended, (Plan(Message.SUPPORTER_STOPPED, f"attempt-{number}", number),)


def closed(case: Case, at: datetime, by: int | None = None) -> tuple[Case, Decisions]:
    """Close the case, once. `by` is the attempt whose supporter closes it; whoever else holds the contact is told."""
    if case.closed_at:
        return case, ()
    orders: Decisions = ()
    for number in case.holders:
        if number == by:
            case = case.having(replace(case.attempt(number), done_at=at))
        else:
            case, order = stopped(case, number, at)
            orders += order
    log = Log("closed", Phase.CLOSED, by)
    return replace(case, closed_at=at), (*orders, log, Resolve("no-referral"))
