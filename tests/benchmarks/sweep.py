"""
Ten thousand, a million and ten million open clocks: what the monitor takes to find what is due, and to decide it.

In the same database stand as many deadlines as a plain worker keeps them, and as jobs that were scheduled with
procrastinate. All three drain a backlog of the same size into the same outbox, one after the other; nothing goes to
Kafka. A run counts only if ours tells every deadline of its backlog, and nobody tells one twice.
"""

import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
from chassis.database import Pool, migrate, open_pool
from sla_monitor import sweep as service
from sla_monitor.domain.case import FIRST_CONTACT
from sla_monitor.repository import due

from tests.benchmarks.output import Failed
from tests.benchmarks.sweep_engine import OURS, Engine
from tests.benchmarks.sweep_laps import Lap, Laps, Worker
from tests.benchmarks.sweep_rivals import PROCRASTINATE, SCANNING, Rivals
from tests.benchmarks.sweep_service import lateness_of_service
from tests.support.monitor_place import MIGRATIONS, OpenClocks, plan_of, statements_of, transactions_on
from tests.support.servers import Servers

SIZES, SIZES_OF_A_LOOK = (10_000, 1_000_000, 10_000_000), (10_000, 100_000)
BACKLOG = 100_000  # deadlines, but never more than a fifth of all
PATIENCE, PATIENCE_OF_A_LOOK = 30.0, 5.0  # seconds for a lap of others
LONGEST_SECONDS = 300.0  # for a lap of ours
TWO_OF_OURS = Worker("two sweeping", OURS.module, replicas=2)
INDEX = "clock_next"


async def sweep(servers: Servers, folder: Path, quick: bool) -> dict[str, Any]:
    """Figures at each size, and how the empty poll grows from the smallest to the largest."""
    sizes, patience = (SIZES_OF_A_LOOK, PATIENCE_OF_A_LOOK) if quick else (SIZES, PATIENCE)
    try:
        found = {
            size: await figures_at(servers, folder, size, patience, with_service=size == sizes[-1]) for size in sizes
        }
    except Failed as failure:
        raise SystemExit(f"sweep: {failure}; the figures do not count") from None
    polls = [figures["empty_poll"]["p50_ms"] for figures in found.values()]
    return {
        "open_clocks": {f"{size:,}": figures for size, figures in found.items()},
        "empty_poll_at_most_over_at_least": round(polls[-1] / polls[0], 2),
        "missing": 0,
        "doubled": 0,
    }


async def figures_at(
    servers: Servers, folder: Path, size: int, patience: float, *, with_service: bool
) -> dict[str, Any]:
    """Everything beside so many clocks at rest, and if wanted the whole service's lateness; raises Failed."""
    name = f"bench_sweep_{size}"
    (folder / name).mkdir(parents=True)
    url = servers.postgres.create_database(name)
    try:
        async with _opened(url) as (connection, pool):
            laps = Laps(url, connection, folder / name, servers.postgres.process)
            found = await Beside(connection, pool, laps, size, patience).figures()
            if with_service:
                await connection.execute("TRUNCATE outbox")
                found["lateness_of_service"] = await lateness_of_service(servers, folder / name, url)
            return found
    finally:
        servers.postgres.drop_database(name)


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[tuple["asyncpg.Connection[Any]", Pool]]:
    """The monitor's migrated database: a connection without a limit of time, and the pool."""
    pool, connection = await open_pool(url), await asyncpg.connect(url)
    try:
        await migrate(pool, MIGRATIONS)
        yield connection, pool
    finally:
        await connection.close()
        await pool.close()


@dataclass
class Beside:
    """One database with so many clocks at rest, and as many deadlines of each other worker."""

    connection: "asyncpg.Connection[Any]"
    pool: Pool
    laps: Laps
    size: int
    patience: float

    def __post_init__(self) -> None:
        self._clocks = OpenClocks(self.connection)
        self._rivals = Rivals(self.connection, self.laps)
        self._backlog = min(BACKLOG, self.size // 5)

    async def figures(self) -> dict[str, Any]:
        """Fill, look, claim, arm, wait for real deadlines, and drain."""
        filled = await self._fill()
        return {
            "filled_in_seconds": filled,
            "by_index_at_rest": await self._finds_by_index(),
            **await Engine(self.pool, self._clocks, self.laps).figures(),
            "empty_poll_of_others_ms": await self._rivals.empty_polls(),
            **await self._drains(),
        }

    async def _fill(self) -> dict[str, float]:
        return {
            "clocks": await _seconds(lambda: self._clocks.lay(transactions_on(self.pool), self.size)),
            "scanning": await _seconds(lambda: self._rivals.lay_plain(self.size)),
            "procrastinate": await _seconds(lambda: self._rivals.lay_jobs(self.size)),
        }

    async def _finds_by_index(self) -> bool:
        """Whether the plans of the poll and the claim begin at the index of what is due next."""

        async def look() -> None:
            now = datetime.now(UTC)
            await due.claim_due(self.connection, now, service.BATCH)
            await due.until_next(self.connection, now)

        asked = [each for each in await statements_of(self.connection, look) if "next_at" in each.query]
        plans = [await plan_of(self.connection, each) for each in asked]
        return len(plans) >= 2 and all(INDEX in plan for plan in plans)

    async def _drains(self) -> dict[str, Any]:
        laps = {}
        for worker in (OURS, TWO_OF_OURS):
            await self._clocks.make_due(FIRST_CONTACT, self._backlog)
            by_index = await self._finds_by_index()
            laps[worker.name] = await self.laps.lap(worker, self._backlog, LONGEST_SECONDS)
            if laps[worker.name].told != self._backlog:
                raise Failed(f"{worker.name}: {laps[worker.name].told} of {self._backlog} were told")
        await self._rivals.make_due(self._backlog)
        for worker in (SCANNING, PROCRASTINATE):
            laps[worker.name] = await self.laps.lap(worker, self._backlog, self.patience)
        return {"by_index_in_a_backlog": by_index, "backlog": self._backlog, **_summed_up(laps)}


def _summed_up(laps: dict[str, Lap]) -> dict[str, Any]:
    ours = laps[OURS.name].per_second
    return {
        "drained_per_second": {name: round(lap.per_second) for name, lap in laps.items()},
        "told": {name: lap.told for name, lap in laps.items()},
        "theirs_over_ours": {
            each.name: round(laps[each.name].per_second / ours, 4) for each in (SCANNING, PROCRASTINATE)
        },
        "cpu_us_per_deadline": {name: lap.cpu for name, lap in laps.items()},
    }


async def _seconds(work: Callable[[], Coroutine[Any, Any, None]]) -> float:
    began = time.perf_counter()
    await work()
    return round(time.perf_counter() - began, 1)
