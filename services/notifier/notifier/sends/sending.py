"""
Sending: planned -> sending -> sent | refused (tried again) | failed | unknown.

A message is claimed, and the claim committed, before anything connects. A message that is being sent is
never taken over: if whoever claimed it is gone, nobody knows what became of it, and a coordinator decides.
"""

import asyncio
import hashlib
import random
import secrets
from datetime import timedelta

from chassis import THE_WORLD, Transactions, UnitOfWork
from chassis.log import logger
from chassis.telemetry import span

from notifier import contacts, metrics
from notifier.casework import Cases, due
from notifier.domain.facts import Claimed, Handed, Message, Recipient, Undelivered
from notifier.domain.retry import backoff
from notifier.repository import cases as stored
from notifier.repository import links, sends
from notifier.repository.cases import CaseRow
from notifier.repository.links import Link
from notifier.sends import letters
from notifier.sends.letters import Letter, Sender
from notifier.sends.smtp import Fate, MailServer, hand_over

LINK_LIFE = timedelta(days=60)
AT_A_TIME = 100
SHORTEST_PAUSE = 0.2  # seconds: what is due but waits for another process or message is looked at again
SET_ASIDE = timedelta(hours=1)
STALE = timedelta(seconds=30)
"""A message may be sent as long as our inputs are known up to so long ago: a withdrawal may be among the rest."""
CATCHING_UP = timedelta(seconds=1)
WITH_LINK = {
    Message.SUPPORTER_ASKED: "supporter",
    Message.SUPPORTER_REMINDED: "supporter",
    Message.PHYSICIAN_INVITED: "physician",
}
log = logger("notifier")


async def run(transactions: Transactions) -> timedelta | None:
    """Send what is due, one message after the other, and tell when something is due again."""
    async with transactions.begin() as work:
        await _give_up_abandoned(work)
        await _wait_for_contact_hours(work)
        is_stale = await _is_stale(work)
    if is_stale:
        return CATCHING_UP
    while await send_next(transactions):
        pass
    return await _until_due(transactions)


async def _is_stale(work: UnitOfWork) -> bool:
    return (await work.horizon()).behind > STALE


async def send_next(transactions: Transactions) -> bool:
    """Send the most overdue message; False where none is due, or where we do not know what is wanted by now."""
    claimed = None
    # From before the claim: a process that was stopped meanwhile must not send what others gave up as unknown.
    deadline = asyncio.get_running_loop().time() + transactions.get(MailServer).timeout
    try:
        async with transactions.begin() as work:
            claimed = None if await _is_stale(work) else await sends.claim(work.connection)
            if claimed is None:
                return False
            row, letter = await _claim(work, claimed)
    except THE_WORLD:
        raise
    except Exception as error:  # one message that cannot be written must not hold up the others
        if claimed is None:
            raise
        await _set_aside(transactions, claimed, error)
        return True
    if letter:
        await _deliver(transactions, claimed, row, letter, deadline)
    return True


async def _claim(work: UnitOfWork, claimed: sends.Claimed) -> tuple[CaseRow, Letter | None]:
    """Write the letter of a claimed message; without an address it has failed already."""
    cases = await Cases.known(work, [claimed.referral_id])
    row = cases.rows[claimed.referral_id]
    try:
        letter = await _letter(work, claimed, row)
    except (contacts.NoContact, ValueError):
        await _end(work, claimed, Fate.FAILED, "no-address")
        return row, None
    cases.take(claimed.referral_id, Claimed(work.now, Message(claimed.message)))
    await cases.settle()
    return row, letter


async def _letter(work: UnitOfWork, claimed: sends.Claimed, row: CaseRow) -> Letter:
    """The letter, with a private link of its own; raises NoContact or ValueError without an address."""
    message, sender = Message(claimed.message), work.get(Sender)
    programme = work.programmes[row.programme]
    return letters.write(
        message,
        programme,
        sender,
        to=_address(work, message, claimed, row),
        link=await _link(work, message, claimed, sender),
        reference=str(row.referral_id),
        message_id=claimed.message_id,
        at=work.now,
    )


def _address(work: UnitOfWork, message: Message, claimed: sends.Claimed, row: CaseRow) -> str:
    if message.recipient is Recipient.COORDINATOR:
        return work.programmes[row.programme].coordinator.email
    if message.recipient is Recipient.SUPPORTER:
        return contacts.supporter(work, row, claimed.attempt or 0).email
    address = contacts.physician(work, row).email
    if not address:
        raise contacts.NoContact("no-address")
    return address


async def _link(work: UnitOfWork, message: Message, claimed: sends.Claimed, sender: Sender) -> str:
    """A fresh private link: the token stands in the mail only, its hash here."""
    audience = WITH_LINK.get(message)
    if audience is None:
        return ""
    token = secrets.token_urlsafe(32)
    link = Link(claimed.referral_id, audience, claimed.attempt)
    await links.replace(work.connection, hashlib.sha256(token.encode()).digest(), claimed.send_id, link, LINK_LIFE)
    return f"{sender.public_url}/{audience[0]}/{token}"


async def _deliver(
    transactions: Transactions, claimed: sends.Claimed, row: CaseRow, letter: Letter, deadline: float
) -> None:
    server, sender = transactions.get(MailServer), transactions.get(Sender)
    with span("send mail", traceparent=row.traceparent, kind=claimed.message), metrics.SEND_SECONDS.time():
        fate, code = await hand_over(server, sender.address, letter.recipient, letter.content, deadline)
        metrics.SENDS.labels(claimed.message, fate).inc()
        log.info("message_handed", referral_id=str(claimed.referral_id), kind=claimed.message, status=fate, code=code)
        async with transactions.begin() as work:
            await _end(work, claimed, fate, code)


async def _end(work: UnitOfWork, claimed: sends.Claimed, fate: Fate, code: str) -> None:
    """Write down what became of a message, unless somebody else did already."""
    server = work.get(MailServer)
    if fate is Fate.REFUSED and claimed.tries < server.tries:
        await _try_again(work, claimed, server, code)
        return
    fate = Fate.FAILED if fate is Fate.REFUSED else fate
    cases = await Cases.known(work, [claimed.referral_id])
    if not await sends.finish(work.connection, claimed.send_id, fate, code):
        return
    message = Message(claimed.message)
    if fate is Fate.SENT:
        cases.take(claimed.referral_id, Handed(work.now, message, claimed.attempt))
    else:
        unknown = fate is Fate.UNKNOWN
        cases.take(claimed.referral_id, Undelivered(work.now, message, str(claimed.send_id), unknown, claimed.attempt))
    await cases.settle()


async def _try_again(work: UnitOfWork, claimed: sends.Claimed, server: MailServer, code: str) -> None:
    cases = await Cases.known(work, [claimed.referral_id])
    row = cases.rows[claimed.referral_id]
    pause = backoff(claimed.tries, random.random(), base=server.retry_base, cap=server.retry_cap)  # noqa: S311  jitter
    programme = work.programmes[row.programme]
    due_at, window_ends = due(programme, row, Message(claimed.message), claimed.attempt, work.now + pause)
    if await sends.refuse(work.connection, claimed.send_id, code, due_at, window_ends):
        await sends.drop_unwanted(work.connection, [claimed.referral_id])


async def _give_up_abandoned(work: UnitOfWork) -> None:
    """Whoever claimed these is gone: from now on it is a coordinator's decision."""
    abandoned = await sends.abandoned(work.connection, work.get(MailServer).abandoned_after, AT_A_TIME)
    for claimed in sorted(abandoned, key=lambda send: send.referral_id):  # cases are locked in this order everywhere
        metrics.SENDS.labels(claimed.message, Fate.UNKNOWN).inc()
        await _end(work, claimed, Fate.UNKNOWN, "abandoned")


async def _wait_for_contact_hours(work: UnitOfWork) -> None:
    """Messages that missed their hours, because we were down or paused, wait for the next ones."""
    for late in await sends.late(work.connection, AT_A_TIME):
        row = await stored.read(work.connection, late.referral_id)
        if row and row.programme in work.programmes:
            programme = work.programmes[row.programme]
            due_at, window_ends = due(programme, row, Message(late.message), late.attempt, work.now)
            await sends.postpone(work.connection, late.send_id, due_at, window_ends)


async def _set_aside(transactions: Transactions, claimed: sends.Claimed, error: Exception) -> None:
    """A message that cannot even be written, by a fault of ours, waits an hour on the worklist."""
    log.error(
        "message_set_aside", referral_id=str(claimed.referral_id), kind=claimed.message, error=type(error).__name__
    )
    async with transactions.begin() as work:
        again_at = work.now + SET_ASIDE  # its hours end when they begin, so that the next ones are found then
        await sends.postpone(work.connection, claimed.send_id, again_at, again_at)
        await work.open_item(
            "stuck", subject=str(claimed.send_id), referral_id=claimed.referral_id, reason=type(error).__name__
        )


async def _until_due(transactions: Transactions) -> timedelta | None:
    async with transactions.begin() as work:
        waits = [
            await sends.next_due(work.connection),
            await sends.next_abandoned(work.connection, work.get(MailServer).abandoned_after),
        ]
    seconds = min((wait for wait in waits if wait is not None), default=None)
    return None if seconds is None else timedelta(seconds=max(SHORTEST_PAUSE, seconds))
