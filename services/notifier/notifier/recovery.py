"""
After a restore: what the outreach topic says that this database has lost.

What was sent in the time that was lost cannot all be known: a mail may have gone whose step was never
published. So what was due, or is planned anew from what is read again, is not sent by itself: a coordinator decides,
as about every message whose fate is unknown.
"""

from collections.abc import Collection

from chassis import Recovery, UnitOfWork
from peerline.compartments import StepDetail
from peerline.events import Audience, Event, OutreachLogged
from peerline.sealing import Unreadable

from notifier.casework import Cases
from notifier.domain import recall as recall_rules
from notifier.domain.facts import Message, Recalled, Undelivered
from notifier.repository import links, sends
from notifier.repository.cases import CaseRow, MatchRow


async def recall(event: Event, work: UnitOfWork) -> None:
    """Know a step again."""
    assert isinstance(event, OutreachLogged)
    cases = await Cases.of_events(work, [event])
    row = cases.rows[event.referral_id]
    row.sequence = max(row.sequence, event.sequence)
    if event.attempt and event.match_id:
        row.matches.setdefault(event.attempt, MatchRow(event.match_id))
    if step := await _step(event, work):
        cases.take(event.referral_id, Recalled(event.occurred_at, step, event.attempt, event.into))
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
    doubtful = await sends.doubt(work.connection, [message.value for message in Message])
    linked = await links.of_cases_with_losses(work.connection)
    cases = await Cases.known(work, sorted({send.referral_id for send in doubtful} | linked.keys()))
    for send in doubtful:
        fact = Undelivered(work.now, Message(send.message), str(send.send_id), unknown=True, attempt=send.attempt)
        cases.take(send.referral_id, fact)
    for referral_id, known in linked.items():
        await _list_lost_links(work, cases.rows[referral_id], known)
    if cases.rows:
        await cases.settle()


async def _list_lost_links(work: UnitOfWork, row: CaseRow, known: Collection[tuple[str, int | None]]) -> None:
    """Only the hash of a link is kept, and it is gone: what was mailed opens nothing, and nobody would be told."""
    for audience, attempt in recall_rules.pages_in_use(row.case):
        if (audience, attempt) not in known:
            await work.open_item(
                "link-lost",
                subject=f"{row.referral_id}/{attempt or audience}",
                referral_id=row.referral_id,
                programme=row.programme,
                reason=audience,
                urgent=True,
            )


RECOVERY = Recovery(recall, settle)
