"""What follows from the fate of a message: it has ended, or is tried again; an unclear end is a coordinator's."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from chassis import THE_WORLD, Transactions, UnitOfWork

from notifier.casework import Cases, due
from notifier.domain.facts import Handed, Message, Undelivered
from notifier.domain.retry import backoff
from notifier.repository import sends
from notifier.repository.sends import Claimed
from notifier.sends.smtp import Deadline, Fate, MailServer
from notifier.wakeups import SENDING

STOPPING = 8.0  # seconds that messages on their way have to arrive when the process is told to stop


@dataclass(frozen=True)
class Outcome:
    """What became of a message: an SMTP status, or what happened instead, is its code."""

    claimed: Claimed
    fate: Fate
    code: str


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


async def end(work: UnitOfWork, outcomes: Sequence[Outcome]) -> None:
    """Write down what became of messages, each unless somebody else did already."""
    again = [each for each in outcomes if each.fate is Fate.REFUSED and each.claimed.tries < work.get(MailServer).tries]
    for each in again:
        await _try_again(work, each.claimed, work.get(MailServer), each.code)
    over = {each.claimed.send_id: _final(each) for each in outcomes if each not in again}
    if not over:
        return
    cases = await Cases.known(work, [each.claimed.referral_id for each in over.values()])
    ended = await sends.finish(work.connection, [(each.claimed, each.fate, each.code) for each in over.values()])
    for send_id, each in over.items():
        if send_id in ended:
            cases.take(each.claimed.referral_id, _fact(work, each))
    if ended:
        await cases.settle()


def _final(outcome: Outcome) -> Outcome:
    """An outcome after which nothing is tried again."""
    return replace(outcome, fate=Fate.FAILED) if outcome.fate is Fate.REFUSED else outcome


def _fact(work: UnitOfWork, outcome: Outcome) -> Handed | Undelivered:
    claimed, message = outcome.claimed, Message(outcome.claimed.message)
    if outcome.fate is Fate.SENT:
        return Handed(work.now, message, claimed.attempt)
    return Undelivered(work.now, message, str(claimed.send_id), outcome.fate is Fate.UNKNOWN, claimed.attempt)


async def _try_again(work: UnitOfWork, claimed: Claimed, server: MailServer, code: str) -> None:
    cases = await Cases.known(work, [claimed.referral_id])
    row = cases.rows[claimed.referral_id]
    pause = backoff(claimed.tries, random.random(), base=server.retry_base, cap=server.retry_cap)  # noqa: S311  jitter
    programme = work.programmes[row.programme]
    due_at, window_ends = due(programme, row, Message(claimed.message), claimed.attempt, work.now + pause)
    if await sends.refuse(work.connection, claimed, code, due_at, window_ends):
        await sends.drop_unwanted(work.connection, [claimed.referral_id])
        work.wake(SENDING)  # every replica has to know when it is due now
