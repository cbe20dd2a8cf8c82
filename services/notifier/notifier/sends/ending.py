"""What follows from the fate of a message: it has ended, or is tried again; an unclear end is a coordinator's."""

import random

from chassis import UnitOfWork

from notifier.casework import Cases, due
from notifier.domain.facts import Handed, Message, Undelivered
from notifier.domain.retry import backoff
from notifier.repository import sends
from notifier.repository.sends import Claimed
from notifier.sends.smtp import Fate, MailServer


async def end(work: UnitOfWork, claimed: Claimed, fate: Fate, code: str) -> None:
    """Write down what became of a message, unless somebody else did already."""
    server = work.get(MailServer)
    if fate is Fate.REFUSED and claimed.tries < server.tries:
        await _try_again(work, claimed, server, code)
        return
    fate = Fate.FAILED if fate is Fate.REFUSED else fate
    cases = await Cases.known(work, [claimed.referral_id])
    if not await sends.finish(work.connection, claimed, fate, code):
        return
    message = Message(claimed.message)
    if fate is Fate.SENT:
        cases.take(claimed.referral_id, Handed(work.now, message, claimed.attempt))
    else:
        unknown = fate is Fate.UNKNOWN
        cases.take(claimed.referral_id, Undelivered(work.now, message, str(claimed.send_id), unknown, claimed.attempt))
    await cases.settle()


async def _try_again(work: UnitOfWork, claimed: Claimed, server: MailServer, code: str) -> None:
    cases = await Cases.known(work, [claimed.referral_id])
    row = cases.rows[claimed.referral_id]
    pause = backoff(claimed.tries, random.random(), base=server.retry_base, cap=server.retry_cap)  # noqa: S311  jitter
    programme = work.programmes[row.programme]
    due_at, window_ends = due(programme, row, Message(claimed.message), claimed.attempt, work.now + pause)
    if await sends.refuse(work.connection, claimed, code, due_at, window_ends):
        await sends.drop_unwanted(work.connection, [claimed.referral_id])
        work.wake()  # every replica has to know when it is due now
