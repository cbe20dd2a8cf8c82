"""Looking after cases that time has come to: silence, and matches whose referral never came."""

from datetime import datetime, timedelta
from uuid import UUID

from chassis import THE_WORLD, Transactions

from notifier.casework import Cases
from notifier.repository import cases as stored
from notifier.repository import links

AT_A_TIME = 50
EXPIRED_AT_A_TIME = 1000
STUCK_PAUSE = timedelta(minutes=15)


async def run(transactions: Transactions) -> timedelta | None:
    """Fold in what time has brought, and tell when there is more."""
    while await _look_at_some(transactions):
        pass
    async with transactions.begin() as work:
        await links.delete_expired(work.connection, EXPIRED_AT_A_TIME)
        seconds = await stored.next_look(work.connection)
    # What is due already waits for our inputs: a word that would change it may be under way.
    return None if seconds is None else timedelta(seconds=max(0.5, seconds))


async def _look_at_some(transactions: Transactions) -> bool:
    due: list[UUID] = []
    try:
        async with transactions.begin() as work:
            until = (await work.horizon()).certain
            cases = await Cases.due(work, until, AT_A_TIME)
            due = list(cases.rows)
            await _look_at(cases, until)
    except THE_WORLD:
        raise
    except Exception:  # one of these cases fails: find out which
        if not due:
            raise
        for referral_id in due:
            await _one_alone(transactions, referral_id)
    return bool(due)


async def _look_at(cases: Cases, until: datetime) -> None:
    for referral_id in cases.rows:
        cases.take_due(referral_id, until)
    if cases.rows:
        await cases.settle()


async def _one_alone(transactions: Transactions, referral_id: UUID) -> None:
    """Look at one case in a transaction of its own; if that fails, it becomes a worklist item and waits."""
    try:
        async with transactions.begin() as work:
            await _look_at(await Cases.known(work, [referral_id]), (await work.horizon()).certain)
    except THE_WORLD:
        raise
    except Exception as error:  # noqa: BLE001  whatever it is, the others go on
        async with transactions.begin() as work:
            await stored.look_later(work.connection, referral_id, work.now + STUCK_PAUSE)
            await work.list_stuck(referral_id, error)
