"""
Membership in the consumer group: from the comparison of the database on, and with a new client where one is of no use.

A client of aiokafka can fail for good without ending: an error that it does not expect ends its heartbeats or its
fetches, and each read raises that error again from then on. Seen when a broker was killed (2026-11, one kill in some
forty): see CLIENT_FAULTS.
"""

import asyncio

from chassis import metrics, restored
from chassis.clients import CLIENT_FAULTS, dropped
from chassis.database import Pool
from chassis.failures import THE_WORLD
from chassis.freshness import Freshness
from chassis.log import logger
from chassis.subscription import Subscription

UNREADABLE = 10.0  # seconds in which no partition could be read
UNHEARD = 30.0  # seconds without an answer of the broker: it is away for long, or this client asks no more
AGAIN = 0.5  # seconds
log = logger("chassis")


async def keep(subscription: Subscription, freshness: Freshness, pool: Pool) -> None:
    """Join, however long the broker stays away, and join anew with a new client once one is of no use; until cancelled."""
    while True:
        await _join(subscription, pool)
        reason = await _of_no_use(subscription, freshness)
        metrics.CLIENTS_MADE_ANEW.labels(reason).inc()
        log.error("client_made_anew", reason=reason)
        await subscription.leave()


async def _join(subscription: Subscription, pool: Pool) -> None:
    while True:
        try:
            await restored.wait_until_compared(pool)
            await subscription.broker.start()
            return
        except (*THE_WORLD, *CLIENT_FAULTS) as error:
            log.warning("broker_awaited", error=type(error).__name__)
            if subscription.kafka:
                await dropped(subscription.kafka)
            await asyncio.sleep(AGAIN)


async def _of_no_use(subscription: Subscription, freshness: Freshness) -> str:
    """Wait until the client is of no use; gives why."""
    clock = asyncio.get_running_loop().time
    joined = clock()
    while True:
        await asyncio.sleep(AGAIN)
        if subscription.unreadable_since and clock() - subscription.unreadable_since > UNREADABLE:
            return "unreadable"
        if clock() - max(joined, freshness.heard_at or joined) > UNHEARD:
            return "unheard"
