"""
Sending: planned -> sending -> sent | refused (tried again) | failed | unknown.

A message is claimed, and the claim committed, before anything connects. A message that is being sent is
never taken over: if whoever claimed it is gone, nobody knows what became of it, and a coordinator decides.
"""

import asyncio
from datetime import timedelta

from chassis import Transactions
from chassis.log import logger
from chassis.telemetry import span

from notifier import metrics
from notifier.repository import sends
from notifier.sends.claiming import Ready, claim_due, is_stale
from notifier.sends.ending import Outcome, let_arrive
from notifier.sends.endings import Endings
from notifier.sends.letters import Sender
from notifier.sends.smtp import Connections, MailServer, hand_over

AT_THE_SAME_TIME = 16
"""Messages on their way at once in a process: a slow mail server holds up some, not the others."""
LOOK_AGAIN = 0.2  # seconds between looks at what has become due while a message is on its way
TOGETHER = 0.02  # seconds to wait for further messages to arrive once one has
SHORTEST_PAUSE = 0.2  # seconds: what is due but held by another process is looked at again
LONGEST_PAUSE = timedelta(minutes=1)
CATCHING_UP = timedelta(seconds=1)
log = logger("notifier")


async def run(transactions: Transactions) -> timedelta | None:
    """Send what is due, several messages at once, and tell when something is due again."""
    await let_arrive(lambda stopping: _send_all(transactions, stopping))
    return await _until_due(transactions)


async def _send_all(transactions: Transactions, stopping: asyncio.Event) -> None:
    """Claim and send until nothing is due and nothing on its way; what is on its way arrives, whatever else fails."""
    on_their_way: set[asyncio.Task[None]] = set()
    async with Connections(transactions.get(MailServer)) as connections, Endings(transactions) as endings:
        try:
            while not stopping.is_set():
                free = AT_THE_SAME_TIME - len(on_their_way)
                for ready in await claim_due(transactions, free) if free else ():
                    on_their_way.add(asyncio.create_task(_send(transactions.get(Sender), connections, endings, ready)))
                if not on_their_way:
                    return
                done, on_their_way = await asyncio.wait(
                    on_their_way, timeout=LOOK_AGAIN, return_when=asyncio.FIRST_COMPLETED
                )
                if on_their_way:  # those that arrive at nearly the same time are followed by one claim
                    more, on_their_way = await asyncio.wait(on_their_way, timeout=TOGETHER)
                    done |= more
                for task in done:
                    task.result()
        except asyncio.CancelledError:
            for task in on_their_way:
                task.cancel()
            raise
        finally:
            await asyncio.gather(*on_their_way, return_exceptions=True)


async def _send(sender: Sender, connections: Connections, endings: Endings, ready: Ready) -> None:
    claimed, letter = ready.claimed, ready.letter
    with span("send mail", traceparent=ready.traceparent, kind=claimed.message):
        with metrics.SEND_SECONDS.time():
            fate, code = await hand_over(connections, sender.address, letter.recipient, letter.content, ready.deadline)
        metrics.SENDS.labels(claimed.message, fate).inc()
        log.info("message_handed", referral_id=str(claimed.referral_id), kind=claimed.message, status=fate, code=code)
        await endings.write(Outcome(claimed, fate, code), ready.deadline)


async def _until_due(transactions: Transactions) -> timedelta | None:
    async with transactions.begin() as work:
        if await is_stale(work):
            return CATCHING_UP
        seconds = await sends.next_due(work.connection, LONGEST_PAUSE)
    return None if seconds is None else timedelta(seconds=max(SHORTEST_PAUSE, seconds))
