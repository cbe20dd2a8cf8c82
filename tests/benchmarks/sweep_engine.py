"""What the monitor's own statements and its sweep take among so many clocks at rest."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

import asyncpg
from chassis.database import Connection
from peerline.clocks import Clock, Elapsed
from peerline.events import OutreachLogged, ParticipantUnresolved, Phase
from peerline.events.deadlines import Firmness
from peerline.programme import Programme
from sla_monitor import handlers, sweep
from sla_monitor.domain.case import MATCH
from sla_monitor.repository import due

from tests.benchmarks.figures import percentiles
from tests.benchmarks.sweep_laps import Laps, Worker
from tests.support.monitor_place import SHCP, OpenClocks, transactions_on

OURS = Worker("sweeping", "tests.benchmarks.contenders.sweeping")
POLLS, CLAIMS, ARMINGS = 200, 3, 5
CLAIMED, ARMED, REAL = 1_000, 500, 1_000
LEAD, SPREAD = timedelta(seconds=3), timedelta(seconds=3)
"""When the first of the real deadlines is due after they were reckoned, and within how long all of them are."""
LONGEST_SECONDS = 60


class Engine:
    """The monitor on one database of open clocks."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", clocks: OpenClocks, laps: Laps) -> None:
        self._pool = pool
        self._clocks = clocks
        self._laps = laps
        self._transactions = transactions_on(pool)

    async def figures(self) -> dict[str, Any]:
        """All but the drain, in milliseconds."""
        return {
            "empty_poll": await self._empty_poll(),
            "claim_1000_ms": await self._claim(),
            "arm_and_cancel_500_ms": await self._arm_and_cancel(),
            "lateness": await self._lateness(),
        }

    async def _empty_poll(self) -> dict[str, float]:
        """Nothing is due: the two statements that find it out, and the whole transaction around them."""
        polls, rounds = [], []
        for _ in range(POLLS):
            async with self._transactions.begin() as work:
                began = time.perf_counter()
                await poll(work.connection, work.now)
                polls.append(time.perf_counter() - began)
            began = time.perf_counter()
            await sweep.run(self._transactions)
            rounds.append(time.perf_counter() - began)
        whole = percentiles(rounds, 50, digits=2)["p50_ms"]
        return percentiles(polls, 50, 99, digits=2) | {"in_its_transaction_p50_ms": whole}

    async def _claim(self) -> dict[str, float]:
        """A thousand: claimed only; and claimed, decided, saved, published and committed (with the look for more)."""
        bare: list[float] = []
        whole: list[float] = []
        for _ in range(CLAIMS):
            await self._clocks.make_due(MATCH, CLAIMED)
            async with timed(bare), self._transactions.begin() as work:
                cases = await due.claim_due(work.connection, work.now, CLAIMED)
            assert len(cases) == CLAIMED, len(cases)
            with patch.object(sweep, "BATCH", CLAIMED):
                async with timed(whole):
                    await sweep.run(self._transactions)
        return {"bare": milliseconds(bare), "whole": milliseconds(whole)}

    async def _arm_and_cancel(self) -> dict[str, float]:
        """Five hundred clocks of as many referrals, through the handlers, each in one transaction."""
        armed: list[float] = []
        cancelled: list[float] = []
        for _ in range(ARMINGS):
            referral_ids, now = [uuid4() for _ in range(ARMED)], datetime.now(UTC)
            async with timed(armed), self._transactions.begin() as work:
                await handlers.follow([unresolved(each, now, now) for each in referral_ids], work)
            assert await self._running(referral_ids) == ARMED
            async with timed(cancelled), self._transactions.begin() as work:
                await handlers.follow([closed(each, now) for each in referral_ids], work)
            assert await self._running(referral_ids) == 0
        return {"arm": milliseconds(armed), "cancel": milliseconds(cancelled)}

    async def _lateness(self) -> dict[str, float]:
        """From the due time to the last statement before the commit, of deadlines armed while a sweep runs."""
        await self._clocks.make_due(MATCH, 1)
        async with self._laps.running(OURS):
            await self._until_told(1)  # by that it is known to run
            await self._arm_real()
            await self._until_told(1 + 2 * REAL)
        rows = await self._pool.fetch("SELECT body, recorded_at FROM outbox WHERE id > 1 ORDER BY id")
        late = [
            (row["recorded_at"] - datetime.fromisoformat(body["due_at"])).total_seconds()
            for row in rows
            if "starts_at" not in (body := json.loads(row["body"]))
        ]
        if len(late) != REAL or min(late) < 0:
            raise SystemExit(f"sweep: {len(late)} of {REAL} were told, the earliest {min(late)} s after its due time")
        return percentiles(late, 50, 99) | {"most_ms": round(max(late) * 1000, 1)}

    async def _arm_real(self) -> None:
        wait = timedelta(seconds=30)
        transactions, now = transactions_on(self._pool, promising(wait)), datetime.now(UTC)
        first = now + LEAD - wait
        events = [unresolved(uuid4(), first + SPREAD * number / REAL, now) for number in range(REAL)]
        for batch in (events[::2], events[1::2]):
            async with transactions.begin() as work:
                await handlers.follow(batch, work)

    async def _until_told(self, wanted: int) -> None:
        ends = time.monotonic() + LONGEST_SECONDS
        while await self._pool.fetchval("SELECT count(*) FROM outbox") < wanted:
            if time.monotonic() > ends:
                raise SystemExit(f"sweep: not all of {wanted} were told in {LONGEST_SECONDS} s")
            await asyncio.sleep(0.2)

    async def _running(self, referral_ids: list[UUID]) -> int:
        found: int = await self._pool.fetchval(
            "SELECT count(*) FROM clock WHERE referral_id = ANY ($1::uuid[]) AND next_at IS NOT NULL", referral_ids
        )
        return found


async def poll(connection: Connection, now: datetime) -> None:
    """What the sweep asks for when nothing is due."""
    assert not await due.claim_due(connection, now, sweep.BATCH)
    await due.until_next(connection, now)


def promising(wait: timedelta) -> Programme:
    """A programme whose match is due so long after it was asked for, on every day of the week."""
    clock = Clock(kind=MATCH, firmness=Firmness.PROMISED, due=Elapsed(weekday=wait, weekend=wait))
    return SHCP.model_copy(update={"clocks": (clock,)})


def unresolved(referral_id: UUID, received_at: datetime, now: datetime) -> ParticipantUnresolved:
    return ParticipantUnresolved(**_common(referral_id, now), received_at=received_at)


def closed(referral_id: UUID, now: datetime) -> OutreachLogged:
    return OutreachLogged(**_common(referral_id, now), phase=Phase.CLOSED, step="closed")


def _common(referral_id: UUID, now: datetime) -> dict[str, Any]:
    return {
        "event_id": uuid4(),
        "referral_id": referral_id,
        "programme": SHCP.ref,
        "sequence": 1,
        "occurred_at": now,
    }


@asynccontextmanager
async def timed(into: list[float]) -> AsyncIterator[None]:
    began = time.perf_counter()
    yield
    into.append(time.perf_counter() - began)


def milliseconds(seconds: list[float]) -> float:
    """The median."""
    return round(median(seconds) * 1000, 1)
