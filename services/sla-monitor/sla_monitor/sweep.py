"""What time decides: deadlines that approach and deadlines that pass."""

from datetime import datetime, timedelta

from chassis import Horizon, Transactions, UnitOfWork

from sla_monitor import metrics
from sla_monitor.domain.case import Case
from sla_monitor.domain.decisions import fire
from sla_monitor.publication import Telling, publish_oldest_first, telling
from sla_monitor.repository import due

BATCH = 500
"""Clocks claimed in one transaction: a few tens of milliseconds."""

AGAIN = timedelta(milliseconds=50)
"""The shortest wait: something is due, but another replica holds it."""

LONGEST_LAG = timedelta(minutes=15)
"""After so long of reading without catching up, what is due is told all the same, as provisional."""

ASIDE = timedelta(minutes=10)
"""How long a case that cannot be decided stands aside."""


async def run(transactions: Transactions) -> timedelta | None:
    """
    Decide all that is due, and give the time until the next is, None where nothing is running.

    Deciding, publishing and moving on are one transaction, so that no lease is needed: what a replica
    that dies had claimed is free again. Only the database's time counts.
    """
    while True:
        async with transactions.begin() as work:
            horizon = await work.horizon()
            if not await _decide_due(work, horizon):
                wait = await due.until_next(work.connection, reach(horizon))
                return None if wait is None else max(wait, AGAIN)


def reach(horizon: Horizon) -> datetime:
    """
    The instant up to which time decides: as far as every fact has been taken in.

    An answer that is still under way must not be told as a breach. Who waits for a promise must not be
    kept in the dark for ever either, so that a long lag is overruled.
    """
    return horizon.now if horizon.lag > LONGEST_LAG else horizon.certain


async def _decide_due(work: UnitOfWork, horizon: Horizon) -> int:
    """Decide a batch; gives the number of cases that were claimed for it."""
    until = reach(horizon)
    metrics.OVERRULED_LAG.set(until > horizon.certain)
    cases = await due.claim_due(work.connection, until, BATCH)
    decided = []
    for case in cases:
        try:
            decided.append(_decide(case, until, horizon, work))
        except Exception as error:  # noqa: BLE001  one case that cannot be decided must not hold up the others
            await due.put_off(work.connection, case.referral_id, until, ASIDE)
            await work.list_stuck(case.referral_id, error)
    if decided:
        publish_oldest_first(decided, work)
        # Where nothing was decided, whatever made a clock look due is written anew: it would be claimed for ever.
        written = [(each.case, each.clocks or each.case.clocks.keys()) for each in decided]
        await due.save_decided(work.connection, written)
        await work.resolve_items("stuck", subjects=[str(each.case.referral_id) for each in decided])
    return len(cases)


def _decide(case: Case, until: datetime, horizon: Horizon, work: UnitOfWork) -> Telling:
    return telling(*fire(case, until, horizon.certain, horizon.now), work)
