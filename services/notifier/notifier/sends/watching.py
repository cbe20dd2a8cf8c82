"""Looking after cases that time has come to: silence, and matches whose referral never came."""

from datetime import timedelta

from chassis import Transactions

from notifier.casework import Cases
from notifier.repository import cases as stored
from notifier.repository import links

AT_A_TIME = 50


async def run(transactions: Transactions) -> timedelta | None:
    """Fold in what time has brought, and tell when there is more."""
    while await _look_at_some(transactions):
        pass
    async with transactions.begin() as work:
        await links.delete_expired(work.connection)
        seconds = await stored.next_look(work.connection)
    return None if seconds is None else timedelta(seconds=max(0.2, seconds))


async def _look_at_some(transactions: Transactions) -> bool:
    async with transactions.begin() as work:
        cases = await Cases.due(work, AT_A_TIME)
        for referral_id in cases.rows:
            cases.take_due(referral_id)
        if cases.rows:
            await cases.settle()
        return bool(cases.rows)
