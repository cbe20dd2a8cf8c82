"""Claiming what is due: each message is written with its claim, and the claim committed before anything connects."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from chassis import THE_WORLD, Transactions, UnitOfWork, restored
from chassis.log import logger

from notifier import contacts
from notifier.casework import Cases
from notifier.domain import facts
from notifier.domain.facts import Message, Recipient
from notifier.repository import links, sends
from notifier.repository.cases import CaseRow
from notifier.repository.links import Fresh, Link
from notifier.repository.sends import Claimed
from notifier.sends import letters
from notifier.sends.ending import Outcome, end
from notifier.sends.letters import Letter, Sender
from notifier.sends.overdue import put_off
from notifier.sends.smtp import Deadline, Fate, MailServer
from notifier.wakeups import OVERDUE

LINK_LIFE = timedelta(days=60)
STALE = timedelta(seconds=30)
"""A message may be sent as long as our inputs are known up to so long ago: a withdrawal may be among the rest."""
WITH_LINK = {
    Message.SUPPORTER_ASKED: "supporter",
    Message.SUPPORTER_REMINDED: "supporter",
    Message.PHYSICIAN_INVITED: "physician",
}
log = logger("notifier")


@dataclass(frozen=True)
class Ready:
    """A message that is claimed, written, and to be handed over before the deadline."""

    claimed: Claimed
    letter: Letter
    deadline: Deadline
    traceparent: str | None


async def claim_due(transactions: Transactions, limit: int) -> list[Ready]:
    """Claim up to `limit` of the most overdue messages; none where we do not know what is wanted by now."""
    claimed: list[Claimed] = []
    # From before the claim: a process that was stopped meanwhile must not send what others gave up as unknown.
    deadline = Deadline.after(transactions.get(MailServer).timeout)
    try:
        async with transactions.begin() as work:
            # Asked for each claim: while we wait for messages on their way, the database may be set back.
            if not await is_stale(work):
                claimed = await sends.claim(work.connection, limit)
            return await _write(work, claimed, deadline)
    except THE_WORLD:
        raise
    except Exception as error:  # one message that cannot be written must not hold up the others
        if not claimed:
            raise
        if len(claimed) == 1:
            await _set_aside(transactions, claimed[0], error)
            return []
    return [ready for _ in claimed for ready in await claim_due(transactions, 1)]


async def is_stale(work: UnitOfWork) -> bool:
    """Whether too little is known of what has been said by now, or, after a restore, of what has been sent."""
    return (await work.horizon()).behind > STALE or not await restored.may_act(work.connection)


async def _write(work: UnitOfWork, claimed: list[Claimed], deadline: Deadline) -> list[Ready]:
    """Write the letters of claimed messages; one without an address has failed already."""
    if not claimed:
        return []
    cases = await Cases.known(work, [each.referral_id for each in claimed])
    ready, nowhere, fresh, changed = [], [], [], False
    for each in claimed:
        row = cases.rows[each.referral_id]
        link, url = _link(each, work.get(Sender))
        try:
            letter = _letter(work, each, row, url)
        except (contacts.NoContact, ValueError):
            nowhere.append(each)
            continue
        before = row.case
        changed |= cases.take(each.referral_id, facts.Claimed(work.now, Message(each.message))) != before
        ready.append(Ready(each, letter, deadline, row.traceparent))
        fresh += link
    if fresh:
        await links.replace(work.connection, fresh, LINK_LIFE)
    if changed:
        await cases.settle()
    work.wake_by(work.now + work.get(MailServer).abandoned_after, OVERDUE)
    await work.resolve_items("stuck", subjects=[str(each.send_id) for each in claimed])  # these could be written
    await end(work, [Outcome(each, Fate.FAILED, "no-address") for each in nowhere])
    return ready


def _letter(work: UnitOfWork, claimed: Claimed, row: CaseRow, link: str) -> Letter:
    """The letter, with its private link; raises NoContact or ValueError without an address."""
    message = Message(claimed.message)
    return letters.write(
        message,
        work.programmes[row.programme],
        work.get(Sender),
        to=_address(work, message, claimed, row),
        link=link,
        message_id=claimed.message_id,
        at=work.now,
    )


def _address(work: UnitOfWork, message: Message, claimed: Claimed, row: CaseRow) -> str:
    if message.recipient is Recipient.SUPPORTER:
        return contacts.supporter(work, row, claimed.attempt or 0).email
    address = contacts.physician(work, row).email
    if not address:
        raise contacts.NoContact("no-address")
    return address


def _link(claimed: Claimed, sender: Sender) -> tuple[list[Fresh], str]:
    """A fresh private link for a message that has one, and its address: the token stands in the mail only."""
    audience = WITH_LINK.get(Message(claimed.message))
    if audience is None:
        return [], ""
    token = secrets.token_urlsafe(32)
    link = Link(claimed.referral_id, audience, claimed.attempt)
    fresh = Fresh(hashlib.sha256(token.encode()).digest(), claimed.send_id, link)
    return [fresh], f"{sender.public_url}/{audience[0]}/{token}"


async def _set_aside(transactions: Transactions, claimed: Claimed, error: Exception) -> None:
    """A message that cannot even be written, by a fault of ours, waits an hour on the worklist."""
    log.error(
        "message_set_aside", referral_id=str(claimed.referral_id), kind=claimed.message, error=type(error).__name__
    )
    async with transactions.begin() as work:
        await put_off(work, claimed.send_id, claimed.referral_id, type(error).__name__)
