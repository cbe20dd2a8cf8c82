"""The same number of deadlines as other workers keep them, in the same database."""

import time
from typing import Any

import asyncpg

from tests.benchmarks.contenders.scanning import BATCH, DUE, TABLE
from tests.benchmarks.figures import percentiles
from tests.benchmarks.sweep_laps import Laps, Worker
from tests.support.monitor_place import MONTH, NUMBERED, filling

POLLS = 3
SCANNING = Worker("scanning", "tests.benchmarks.contenders.scanning")
PROCRASTINATE = Worker("procrastinate", "tests.benchmarks.contenders.scheduled", is_peer=True)
LATER = f"now() + interval '1 day' + {MONTH} * (number::float8 / $1::int)"
PLAIN = f"""
INSERT INTO plain_deadline (referral_id, clock, due)
SELECT {NUMBERED}, 'match', {LATER} FROM generate_series(1, $1::int) AS number
"""  # noqa: S608  constants
JOBS = f"""
INSERT INTO procrastinate_jobs (queue_name, task_name, args, scheduled_at)
SELECT 'default', 'breach', jsonb_build_object('referral_id', {NUMBERED}, 'clock', 'match', 'due', {LATER}), {LATER}
  FROM generate_series(1, $1::int) AS number
"""  # noqa: S608  constants
FETCH = "SELECT * FROM procrastinate_fetch_job_v2(NULL, NULL)"


class Rivals:
    """Tables of other workers beside the monitor's; those made first are due first, as suits a queue best."""

    def __init__(self, connection: "asyncpg.Connection[Any]", laps: Laps) -> None:
        self._connection = connection
        self._laps = laps

    async def lay_plain(self, deadlines: int) -> None:
        """A table with a primary key and nothing else."""
        await self._connection.execute(TABLE)
        async with filling(self._connection, "plain_deadline"):
            await self._connection.execute(PLAIN, deadlines)

    async def lay_jobs(self, deadlines: int) -> None:
        """Procrastinate's own schema, and a scheduled job for each deadline; raises Failed without its library."""
        await self._laps.prepare(PROCRASTINATE)
        async with filling(self._connection, "procrastinate_jobs"):
            await self._connection.execute(JOBS, deadlines)

    async def polls(self, query: str, *given: object) -> float:
        """Milliseconds for finding that nothing is due; the median of a few."""
        took = []
        for _ in range(POLLS):
            transaction = self._connection.transaction()
            await transaction.start()
            began = time.perf_counter()
            await self._connection.fetch(query, *given)
            took.append(time.perf_counter() - began)
            await transaction.rollback()
        return percentiles(took, 50, digits=2)["p50_ms"]

    async def empty_polls(self) -> dict[str, float]:
        """Of both; to be asked before anything is made due."""
        return {"scanning": await self.polls(DUE, BATCH), "procrastinate": await self.polls(FETCH)}

    async def make_due(self, count: int) -> None:
        """Let the first `count` have been due weeks ago."""
        await self._connection.execute("SET session_replication_role = replica")
        for table, column in (("plain_deadline", "due"), ("procrastinate_jobs", "scheduled_at")):
            done = await self._connection.execute(
                f"UPDATE {table} SET {column} = {column} - 2 * {MONTH} WHERE id <= $1",  # noqa: S608  constants
                count,
            )
            assert done == f"UPDATE {count}", done
        await self._connection.execute("RESET session_replication_role")
