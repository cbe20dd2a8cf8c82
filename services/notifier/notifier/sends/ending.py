"""What follows from the fate of a message: it has ended, or is tried again; an unclear end is a coordinator's."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from chassis import THE_WORLD, Transactions, UnitOfWork

from notifier.casework import Cases, due
from notifier.domain.facts import Handed, Message, Undelivered
from notifier.domain.retry import backoff
from notifier.repository import sends
from notifier.repository.sends import Claimed
from notifier.sends.smtp import Deadline, Fate, MailServer

STOPPING = 8.0  # seconds that messages on their way have to arrive when the process is told to stop


async def let_arrive(send_all: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Send until done, or told to stop by the event: what is cut off then would be a coordinator's to clear up."""
    stopping = asyncio.Event()
    sending = asyncio.ensure_future(send_all(stopping))
    try:
        await asyncio.shield(sending)
    except asyncio.CancelledError:
        stopping.set()
        await asyncio.wait({sending}, timeout=STOPPING)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        raise


async def write_down(
    transactions: Transactions, deadline: Deadline, write: Callable[[UnitOfWork], Awaitable[None]]
) -> None:
    """Write down what became of a message: where the database is away, as long as nobody has given it up as unknown."""
    pause = 0.1
    while True:
        try:
            async with transactions.begin() as work:
                await write(work)
            return
        except THE_WORLD:
            if -deadline.left > transactions.get(MailServer).timeout:
                raise
        await asyncio.sleep(pause)
        pause = min(2 * pause, 2)


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
