"""`/live`, `/ready`, `/metrics`: what an orchestrator and an operator ask."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from chassis import inbox, metrics, outbox, restored, worklist
from chassis.failures import THE_WORLD
from chassis.freshness import Freshness
from chassis.http import public
from chassis.log import logger
from chassis.subscription import Subscription
from chassis.topics import TopicWatch
from chassis.work import Transactions

OLDEST_OUTBOX = 30.0  # seconds; an older row means that the relay or the broker is away
EVERY = 5.0  # seconds between measurements
PRUNE_EVERY = 720  # measurements, so an hour
STALLED = 60.0  # seconds behind without a record taken
log = logger("chassis")
router = APIRouter(dependencies=[Depends(public)])

Check = Callable[[Transactions], Awaitable[dict[str, Any]]]
"""A service's own check: figures with `ok`. It may raise what the database raises."""


@dataclass
class Progress:
    """How far a partition was, and since when it has not moved (monotonic seconds)."""

    position: int
    since: float


class Health:
    """Looks at a service's dependencies and at the progress of its partitions."""

    def __init__(
        self,
        transactions: Transactions,
        subscription: Subscription,
        freshness: Freshness,
        topics: TopicWatch,
        further: Mapping[str, Check],
    ) -> None:
        self._transactions = transactions
        self._topics = topics
        self._further = further
        self._subscription = subscription
        self._freshness = freshness
        self._progress: dict[tuple[str, int], Progress] = {}

    async def checks(self) -> dict[str, dict[str, Any]]:
        """Each check with `ok` and its figures."""
        found = {
            "database": await self._database(),
            "restored": await self._restored(),
            "broker": {"ok": self._freshness.hears_broker},
            "topics": self._topics.check(),
            "consumer": self._consumer(),
        }
        if found["database"]["ok"]:
            found |= {name: await check(self._transactions) for name, check in self._further.items()}
        return found

    async def _database(self) -> dict[str, Any]:
        try:
            async with asyncio.timeout(3), self._transactions.pool.acquire() as connection:
                depth, age = await outbox.backlog(connection)
        except (*THE_WORLD, asyncpg.PostgresError) as error:
            return {"ok": False, "error": type(error).__name__}
        return {"ok": age < OLDEST_OUTBOX, "outbox_rows": depth, "outbox_oldest_seconds": round(age, 1)}

    async def _restored(self) -> dict[str, Any]:
        """Whether the database was compared with the service's own topic, and nothing waits for a human's look."""
        try:
            async with asyncio.timeout(3), self._transactions.pool.acquire() as connection:
                compared, halt = await restored.is_compared(connection), await restored.halted(connection)
        except (*THE_WORLD, asyncpg.PostgresError) as error:
            return {"ok": False, "error": type(error).__name__}
        if halt.since is None:
            return {"ok": compared, "compared": compared}
        return {"ok": False, "compared": compared, "halted_since": halt.since.isoformat(), "lost": halt.events}

    def _consumer(self) -> dict[str, Any]:
        subscription, lag = self._subscription, self._freshness.lag
        held, halted = subscription.partitions.held, subscription.partitions.halted
        stalled = [f"{topic}/{number}" for (topic, number) in lag if self._is_stalled((topic, number))]
        return {
            "ok": subscription.partitions.is_settled and not (held or halted or stalled),
            "partitions": len(subscription.assigned),
            "lag": sum(lag.values()),
            "held": sorted(f"{topic}/{number}" for topic, number in held),
            "halted": halted,
            "stalled": stalled,
        }

    def _is_stalled(self, partition: tuple[str, int]) -> bool:
        now = asyncio.get_running_loop().time()
        position = self._subscription.position(partition)
        known = self._progress.get(partition)
        if known is None or known.position != position or not self._freshness.lag[partition]:
            self._progress[partition] = Progress(position, now)
            return False
        return now - known.since > STALLED

    async def watch(self) -> None:
        """Keep the gauges current, look for released topics, prune the inbox; until cancelled."""
        for turn in itertools.count():
            await asyncio.sleep(EVERY)
            try:
                await self._measure()
                await self._subscription.look_for_release()
                if turn % PRUNE_EVERY == 0:
                    async with self._transactions.pool.acquire() as connection:
                        await inbox.prune(connection)
                        await restored.prune(connection)
            except Exception as error:  # noqa: BLE001  gauges must not end a service
                log.warning("gauges_failed", error=type(error).__name__)

    async def _measure(self) -> None:
        found = await self.checks()
        for name, check in found.items():
            metrics.CHECKS.labels(name).set(check["ok"])
        metrics.PARTITIONS_STALLED.set(len(found["consumer"]["stalled"]))
        if "error" in found["database"] or "error" in found["restored"]:
            return  # what only the database knows stays as it was
        metrics.OUTBOX_DEPTH.set(found["database"]["outbox_rows"])
        metrics.OUTBOX_AGE.set(found["database"]["outbox_oldest_seconds"])
        metrics.RESTORED_HALT.set("halted_since" in found["restored"])
        await self._measure_worklist()

    async def _measure_worklist(self) -> None:
        async with self._transactions.pool.acquire() as connection:
            items = await worklist.summary(connection)
        metrics.WORKLIST_ITEMS.clear()
        metrics.WORKLIST_AGE.clear()
        for kind, count, oldest in items:
            metrics.WORKLIST_ITEMS.labels(kind).set(count)
            metrics.WORKLIST_AGE.labels(kind).set(oldest)


@router.get("/live")
async def live() -> dict[str, bool]:
    """Whether the process answers."""
    return {"live": True}


@router.get("/ready")
async def ready(request: Request) -> JSONResponse:
    """Whether the service can do its work; 503 with the checks that fail where it cannot."""
    health: Health | None = getattr(request.app.state, "health", None)
    checks = await health.checks() if health else {"start": {"ok": False}}
    is_ready = all(check["ok"] for check in checks.values())
    return JSONResponse({"ready": is_ready, "checks": checks}, 200 if is_ready else 503)


@router.get("/metrics")
async def expose() -> Response:
    """Every metric in Prometheus' text format."""
    return Response(generate_latest(metrics.REGISTRY), media_type=CONTENT_TYPE_LATEST)
