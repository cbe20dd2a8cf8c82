"""Workers, each a process of its own, on one backlog of deadlines: how many a second each writes to the outbox."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import psutil
from chassis import restored
from peerline_local.processes import Process

from tests.benchmarks.ground import cpu_of
from tests.benchmarks.output import Failed
from tests.benchmarks.track import PEERS, Started

POLL = 0.05  # seconds
ENDING = 30.0  # seconds


@dataclass(frozen=True)
class Worker:
    """A program that is given the database's URL; `replicas` of it work at the same time."""

    name: str
    module: str
    replicas: int = 1
    is_peer: bool = False


@dataclass(frozen=True)
class Lap:
    """Deadlines a second from the end of the first tenth on, how many in all, and CPU in microseconds for each."""

    per_second: float
    told: int
    cpu: dict[str, float]


class Laps:
    """Laps on one database, to which `connection` leads as well."""

    def __init__(self, url: str, connection: "asyncpg.Connection[Any]", folder: Path, postgres: Process | None) -> None:
        self._url = url
        self._connection = connection
        self._folder = folder
        self._postgres = postgres
        self._numbers = count(1)

    @asynccontextmanager
    async def running(self, worker: Worker) -> AsyncIterator[list[psutil.Process]]:
        """A worker's processes, on an outbox that was empty when they began, of a database that is vouched for."""
        await self._connection.execute("TRUNCATE outbox RESTART IDENTITY")
        await restored.vouch(self._connection)
        with ExitStack() as stack:
            started = [stack.enter_context(self._start(worker)) for _ in range(worker.replicas)]
            yield started
            for process in started:
                process.send_signal(signal.SIGTERM)
            for process in started:
                await asyncio.to_thread(process.wait, ENDING)
        await self._connection.execute("SELECT pg_advisory_unlock_all()")

    async def prepare(self, worker: Worker) -> None:
        """Run a worker that makes its tables and ends; raises Failed."""
        with self._start(worker, "schema") as process:
            if await asyncio.to_thread(process.wait, ENDING):
                raise Failed(f"{worker.name} could not make its tables")

    async def lap(self, worker: Worker, wanted: int, seconds: float) -> Lap:
        """A lap until so many are told, or for so long; raises Failed where one ends, or tells one twice."""
        async with self.running(worker) as processes:
            ends = asyncio.get_running_loop().time() + seconds
            first = await self._until(wanted // 10, processes, ends)
            before = self._used(processes)
            last = await self._until(wanted, processes, ends)
            cpu = {name: used - before[name] for name, used in self._used(processes).items()}
            await self._until_committed(wanted, ends)
        counted = max(1, last - first)
        rate, told = await self._verified(seconds)
        return Lap(rate, told, {name: round(used * 1e6 / counted, 1) for name, used in cpu.items()})

    async def told(self) -> int:
        """How many were written to the outbox, or are about to be: asked without counting them."""
        row = await self._connection.fetchrow("SELECT last_value, is_called FROM outbox_id_seq")
        assert row is not None
        return int(row["last_value"]) if row["is_called"] else 0

    async def _until(self, wanted: int, processes: Sequence[psutil.Process], ends: float) -> int:
        while (told := await self.told()) < wanted and asyncio.get_running_loop().time() < ends:
            if any(each.status() == psutil.STATUS_ZOMBIE for each in processes):
                raise Failed(f"it ended with {told} of {wanted} told")
            await asyncio.sleep(POLL)
        return told

    async def _until_committed(self, wanted: int, ends: float) -> None:
        while await self._connection.fetchval("SELECT count(*) FROM outbox") < wanted:
            if asyncio.get_running_loop().time() > ends:
                return
            await asyncio.sleep(POLL)

    async def _verified(self, seconds: float) -> tuple[float, int]:
        """Deadlines a second, and how many; by the instants at which PostgreSQL took them."""
        rows = await self._connection.fetch("SELECT key, recorded_at AS at FROM outbox ORDER BY recorded_at")
        if len({row["key"] for row in rows}) != len(rows):
            raise Failed("something was told twice")
        if not rows:
            return 0.0, 0
        begun = rows[len(rows) // 10]["at"]
        took = (rows[-1]["at"] - begun).total_seconds()
        after = sum(row["at"] > begun for row in rows)
        return (after / took if took else len(rows) / seconds), len(rows)

    def _start(self, worker: Worker, *arguments: str) -> Started:
        python = str(PEERS) if worker.is_peer else sys.executable
        if not Path(python).exists():
            raise Failed("its libraries are not installed")
        command = (python, "-m", worker.module, self._url, *arguments)
        return Started(command, dict(os.environ), self._folder / f"{worker.name}-{next(self._numbers)}.log")

    def _used(self, processes: Sequence[psutil.Process]) -> dict[str, float]:
        """CPU seconds so far of the workers, and of PostgreSQL where it is ours to look at."""
        used = {"python": float(sum(sum(each.cpu_times()[:2]) for each in processes))}
        return used | ({"postgres": cpu_of(self._postgres)} if self._postgres else {})
