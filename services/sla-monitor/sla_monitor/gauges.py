"""How many clocks are open, due soon and overdue: counted again and again, by time alone."""

from datetime import timedelta

from chassis import Transactions

from sla_monitor import metrics
from sla_monitor.domain.measures import Tally
from sla_monitor.repository import standings

EVERY = timedelta(seconds=15)
"""As often as Prometheus looks. A wake-up does not make it count: under load there are many a second."""

AT_MOST = 100_000
"""Clocks that are counted of those to decide, of those overdue and of those only shown: a look's cost has an end."""


async def run(transactions: Transactions) -> timedelta:
    """Count the open clocks by kind and firmness; those of the programme files are there with zeros."""
    async with transactions.begin() as work:
        counted = await standings.tallies(work.connection, AT_MOST)
        clocks = [(clock.kind, str(clock.firmness)) for each in work.programmes.values() for clock in each.clocks]
    metrics.expect(clocks)
    metrics.show({**{named: Tally(*named) for named in clocks}, **{(t.kind, t.firmness): t for t in counted}}.values())
    return EVERY
