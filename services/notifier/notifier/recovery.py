"""
After a restore: what the outreach topic says that this database has lost.

What was sent in the time that was lost cannot all be known: a mail may have gone whose step was never
published. So what was due, or is planned anew from what is read again, is not sent by itself: a coordinator decides,
as about every message whose fate is unknown.
"""

from chassis import Recovery, UnitOfWork
from peerline.compartments import StepDetail
from peerline.events import Audience, Event, OutreachLogged
from peerline.sealing import Unreadable

from notifier.casework import Cases
from notifier.domain.facts import Message, Recalled, Recipient, Undelivered
from notifier.domain.state import Page
from notifier.repository import sends
from notifier.repository.cases import MatchRow

TO_PEOPLE = [message.value for message in Message if message.recipient is not Recipient.COORDINATOR]
"""A coordinator who is told twice is not harmed, and one who is never told might be."""

NEEDS_LINK = (Page.WISH, Page.NAME, Page.CONTACT)


async def recall(event: Event, work: UnitOfWork) -> None:
    """Know a step again."""
    assert isinstance(event, OutreachLogged)
    cases = await Cases.of_events(work, [event])
    row = cases.rows[event.referral_id]
    row.sequence = max(row.sequence, event.sequence)
    if event.attempt and event.match_id:
        row.matches.setdefault(event.attempt, MatchRow(event.match_id))
    if step := await _step(event, work):
        cases.take(event.referral_id, Recalled(event.occurred_at, step, event.attempt))
    await cases.settle()


async def _step(event: OutreachLogged, work: UnitOfWork) -> str | None:
    if event.step is not None:
        return event.step
    try:
        return work.open(event, Audience.NOTIFIER, StepDetail).step
    except Unreadable as fault:
        await work.open_item(
            "step-unknown",
            subject=str(event.event_id),
            referral_id=event.referral_id,
            programme=event.programme.id,
            reason=fault.reason,
        )
        return None


async def settle(work: UnitOfWork) -> None:
    """Before sending goes on: whatever may have been sent is a coordinator's, and so are links that were lost."""
    doubtful = await sends.doubt(work.connection, TO_PEOPLE)
    without_link = await sends.without_link(work.connection)
    cases = await Cases.known(work, sorted({send.referral_id for send in doubtful} | set(without_link)))
    for send in doubtful:
        fact = Undelivered(work.now, Message(send.message), str(send.send_id), unknown=True, attempt=send.attempt)
        cases.take(send.referral_id, fact)
    for referral_id in without_link:
        row = cases.rows[referral_id]
        for number in without_link[referral_id]:
            if row.case.page(number) in NEEDS_LINK:
                await work.open_item(
                    "link-lost",
                    subject=f"{referral_id}/{number}",
                    referral_id=referral_id,
                    programme=row.programme,
                    reason=row.case.page(number).value,
                    urgent=True,
                )
    if cases.rows:
        await cases.settle()


RECOVERY = Recovery(recall, settle)
