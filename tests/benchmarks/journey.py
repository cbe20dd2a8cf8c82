"""
From a signed webhook to the complete mail to a supporter, through all four services as processes.

Arrivals are open: each report is due at its own instant, whatever became of those before it, and its time counts from
that instant. The highest steady load is found by stepping a rate up; a rate is held if, from the second to the last
quarter of a window, less than 5 % of what came in was added to the backlog of reports without a mail.
"""

import asyncio
import os
import time
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any

import httpx
import psutil

from tests.benchmarks.figures import Curve, percentiles
from tests.benchmarks.ground import ALL, Ground, cpu_of, ground
from tests.benchmarks.handing_in import HandedIn
from tests.benchmarks.matching import matching
from tests.support.servers import Servers

GROWTH = 0.05
SHARES = (25, 50, 75)  # per cent of the highest steady load
WANTED = 500  # reports a second
CONNECTIONS = 64
WARMING_UP = 100


@dataclass(frozen=True)
class Plan:
    """How much is handed in: reports in a burst, seconds of a window, the first rate (of the burst's), each step up."""

    burst: int
    window: float
    begin_at: float
    step: float
    waiting: int
    """Referrals that the matchers find."""
    rounds: int
    """Of matching."""


QUICK = Plan(burst=1_000, window=6, begin_at=0.7, step=1.3, waiting=1_000, rounds=1)
WHOLE = Plan(burst=10_000, window=30, begin_at=0.6, step=1.15, waiting=5_000, rounds=3)


async def journey(servers: Servers, folder: Path, quick: bool) -> dict[str, Any]:
    """Steady load, times at shares of it, a burst, and matching by more than one process."""
    plan = QUICK if quick else WHOLE
    async with ground(servers, folder / "journey") as place:
        await place.start(*ALL)
        await place.load_roster()
        road = Road(place)
        await road.go(WARMING_UP)
        burst = await _burst(road, plan.burst)
        rates, steady = await _steady(road, plan, burst["mails_per_second"])
        at = {f"{share} %": await _times(road, steady * share / 100, plan.window) for share in SHARES}
        at[f"{WANTED}/s"] = await _wanted(road, steady, plan.window)
        await road.require_all()
    return {
        "burst": burst,
        "steady": {"window_seconds": plan.window, "highest_per_second": steady, "rates": rates},
        "times_at": at,
        "matching": await _matching(servers, folder, plan),
        "missing": 0,
        "doubled": 0,
    }


@dataclass
class Travelled:
    """Reports that were handed in, and the seconds from each one's instant to its mail."""

    handed_in: HandedIn
    times: list[float]

    @property
    def seconds(self) -> float:
        """From the first instant to the last mail."""
        return max(at - self.handed_in.began for at in self._mailed())

    def growth(self) -> float:
        """By what share of what came in the backlog grew, from the second to the last quarter of the schedule."""
        due = [self.handed_in.due(self.handed_in.first + place) for place in range(len(self.times))]
        mailed = sorted(self._mailed())
        waiting = [place + 1 - bisect_right(mailed, at) for place, at in enumerate(due)]
        quarter = len(waiting) // 4
        return (mean(waiting[-quarter:]) - mean(waiting[quarter : 2 * quarter])) / (2 * quarter)

    def _mailed(self) -> list[float]:
        return [self.handed_in.due(self.handed_in.first + place) + each for place, each in enumerate(self.times)]


@dataclass
class Road:
    """Hands reports in, each of a physician who was in none before."""

    place: Ground
    next: int = 0

    async def go(self, count: int, rate: float = 0) -> Travelled:
        """Hand reports in and follow them to their mails."""
        first, self.next = self.next, self.next + count
        await self.place.load_physicians(self.next)
        await self.place.drained()
        handed_in = await self.place.hand_in(first, count, rate=rate, connections=CONNECTIONS)
        return Travelled(handed_in, await self.place.mails_of(handed_in))

    async def require_all(self) -> None:
        """Every report that was handed in has exactly one mail still."""
        if any(len(at) != 1 for at in (await self.place.mailed(range(self.next))).values()):
            raise SystemExit("journey: something is doubled; the figures do not count")


async def _burst(road: Road, count: int) -> dict[str, Any]:
    """All at once: how long until the last mail, what it cost, and where it queued."""
    await road.place.load_physicians(road.next + count)
    await road.place.drained()
    before = _used(road.place)
    async with _watched(road.place) as seen:
        travelled = await road.go(count)
    return {
        "physicians": count,
        "seconds_to_last_accept": round(travelled.handed_in.seconds, 1),
        "seconds_to_last_mail": round(travelled.seconds, 1),
        "mails_per_second": round(count / travelled.seconds, 1),
        "sent_again": sum(travelled.handed_in.again.values()),
        "cpu_seconds": {name: round(used - before[name], 1) for name, used in _used(road.place).items()},
        "highest_lag": dict(seen.lag),
        "deepest_outbox": dict(seen.outbox),
        "queues": dict(seen.queues),
    }


async def _steady(road: Road, plan: Plan, drained: float) -> tuple[dict[str, Any], int]:
    """Step up from a share of the burst's rate until one is not held, or down until one is; gives the highest held."""
    found: dict[str, Any] = {}
    rate, held, failed = round(drained * plan.begin_at), 0, 0
    while rate and not (held and failed):
        travelled = await road.go(round(rate * plan.window), rate)
        growth = travelled.growth()
        found[f"{rate}/s"] = {"growth": round(growth, 3), **percentiles(travelled.times, 50, 99)}
        if growth < GROWTH:
            held, rate = rate, round(rate * plan.step)
        else:
            failed, rate = rate, round(rate / plan.step)
    return found, held


async def _times(road: Road, rate: float, window: float) -> dict[str, Any]:
    travelled = await road.go(max(4, round(rate * window)), rate)
    accepted = percentiles(travelled.handed_in.answer_times, 50, 99)
    return {
        "per_second": round(rate, 1),
        "reports": len(travelled.times),
        **percentiles(travelled.times, 50, 95, 99),
        "accepted_p50_ms": accepted["p50_ms"],
        "accepted_p99_ms": accepted["p99_ms"],
    }


async def _wanted(road: Road, steady: int, window: float) -> dict[str, Any]:
    """The times at a rate that is wanted, where it is steady."""
    return await _times(road, WANTED, window) if steady >= WANTED else {"reachable": False, "highest_steady": steady}


async def _matching(servers: Servers, folder: Path, plan: Plan) -> dict[str, Any]:
    found: dict[str, Any] = {"referrals": plan.waiting, "rounds": plan.rounds}
    for processes in (1, 2, 3):
        measured = [
            await matching(servers, folder / f"matching-{processes}-{number}", processes, plan.waiting)
            for number in range(plan.rounds)
        ]
        found[f"{processes} processes"] = {name: median(each[name] for each in measured) for name in measured[0]}
    return found


def _used(place: Ground) -> dict[str, float]:
    """CPU seconds so far, by who used them."""
    used = {service: place.of(service).cpu for service in ALL}
    servers = {"kafka": place.servers.kafka.process, "postgres": place.servers.postgres.process}
    ours = psutil.Process(os.getpid()).cpu_times()
    return (
        used | {name: cpu_of(process) for name, process in servers.items()} | {"mail server": ours.user + ours.system}
    )


@dataclass
class Seen:
    """What waited before and behind each service: the most of it, and all of it by the seconds since the first look."""

    lag: Counter[str] = field(default_factory=Counter)
    outbox: Counter[str] = field(default_factory=Counter)
    queues: dict[str, Curve] = field(default_factory=lambda: defaultdict(list))

    def note(self, at: float, backlog: Mapping[str, tuple[int, int]]) -> None:
        """Note a look."""
        for service, (lag, outbox) in backlog.items():
            self.lag[service] = max(self.lag[service], lag)
            self.outbox[service] = max(self.outbox[service], outbox)
            self.queues[service].append((round(at, 1), lag + outbox))


@asynccontextmanager
async def _watched(place: Ground) -> AsyncIterator[Seen]:
    """Look at all services once a second."""
    seen, began = Seen(), time.monotonic()

    async def look() -> None:
        while True:
            with suppress(httpx.HTTPError):
                seen.note(time.monotonic() - began, await place.backlog())
            await asyncio.sleep(1)

    looking = asyncio.create_task(look())
    try:
        yield seen
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
