"""Messages whose time has passed: claimed by somebody who is gone, or not claimed within their contact hours."""

from datetime import timedelta
from uuid import UUID

from chassis import THE_WORLD, Transactions, UnitOfWork
from chassis.log import logger

from notifier import metrics
from notifier.casework import due
from notifier.domain.facts import Message
from notifier.repository import cases as stored
from notifier.repository import sends
from notifier.repository.sends import Claimed, Late
from notifier.sends.ending import Outcome, end
from notifier.sends.smtp import Fate, MailServer
from notifier.wakeups import SENDING

AT_A_TIME = 100
SHORTEST_PAUSE = 0.5  # seconds
SET_ASIDE = timedelta(hours=1)
log = logger("notifier")


async def run(transactions: Transactions) -> timedelta | None:
    """Give up what was abandoned, find new hours for what is late, and tell when a claim will be abandoned."""
    after = transactions.get(MailServer).abandoned_after
    async with transactions.begin() as work:
        abandoned = await sends.abandoned(work.connection, after, AT_A_TIME)
        missed = await _find_hours(work)
        seconds = await sends.next_abandoned(work.connection, after)
    for claimed in abandoned:
        await _give_up(transactions, claimed)
    if abandoned or missed == AT_A_TIME:
        return timedelta(0)
    return None if seconds is None else timedelta(seconds=max(SHORTEST_PAUSE, seconds))


async def _give_up(transactions: Transactions, claimed: Claimed) -> None:
    """Whoever claimed this is gone: from now on it is a coordinator's decision."""
    metrics.SENDS.labels(claimed.message, Fate.UNKNOWN).inc()
    try:
        async with transactions.begin() as work:
            await end(work, [Outcome(claimed, Fate.UNKNOWN, "abandoned")])
    except THE_WORLD:
        raise
    except Exception as error:  # noqa: BLE001  its case cannot be read: it is listed all the same
        log.error("message_given_up", referral_id=str(claimed.referral_id), error=type(error).__name__)
        async with transactions.begin() as work:
            if await sends.finish(work.connection, [(claimed, Fate.UNKNOWN, "abandoned")]):
                await work.open_item(
                    "delivery-unknown",
                    subject=str(claimed.send_id),
                    referral_id=claimed.referral_id,
                    reason=claimed.message,
                    urgent=True,
                )


async def _find_hours(work: UnitOfWork) -> int:
    """Messages that missed their hours, because we were down or paused, wait for the next ones; gives their number."""
    missed = await sends.late(work.connection, AT_A_TIME)
    for late in missed:
        await _postpone(work, late)
    if missed:
        work.wake(SENDING)
    return len(missed)


async def _postpone(work: UnitOfWork, late: Late) -> None:
    row = await stored.read(work.connection, late.referral_id)
    if row is None or row.programme not in work.programmes:
        await put_off(work, late.send_id, late.referral_id, "unknown-programme")
        return
    due_at, window_ends = due(work.programmes[row.programme], row, Message(late.message), late.attempt, work.now)
    await sends.postpone(work.connection, late.send_id, due_at, window_ends)


async def put_off(work: UnitOfWork, send_id: UUID, referral_id: UUID, reason: str) -> None:
    """A message that cannot be written now, by a fault of ours, waits an hour on the worklist."""
    again_at = work.now + SET_ASIDE  # its hours end when they begin, so that the next ones are found then
    await sends.postpone(work.connection, send_id, again_at, again_at)
    await work.open_item("stuck", subject=str(send_id), referral_id=referral_id, reason=reason, urgent=True)
