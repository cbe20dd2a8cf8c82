"""Signed reports over kept connections: how many a second intake accepts durably, beside a bare insert of the same bodies."""

import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

from peerline_local.ports import choose_free_port
from peerline_local.processes import Process, Program

from tests.benchmarks.figures import spread
from tests.benchmarks.ground import Ground, Instance, fetch, ground
from tests.benchmarks.handing_in import HandedIn, Order, hand_in
from tests.support.servers import Servers

CONNECTIONS = 32
WARMING_UP = 200


async def webhook(servers: Servers, folder: Path, quick: bool) -> dict[str, Any]:
    """Accepts a second of intake and of the bare service, in turn; only what was committed and published counts."""
    requests, rounds = (500, 2) if quick else (3_000, 3)
    ours, bare = [], []
    async with ground(servers, folder / "webhook") as place, _bare(place) as other:
        (intake,) = await place.start("intake")
        await place.load_physicians(WARMING_UP + rounds * requests)
        await _round(place, intake, 0, WARMING_UP)
        await _round(place, other, 0, WARMING_UP)
        for number in range(rounds):
            first = WARMING_UP + number * requests
            ours.append(await _round(place, intake, first, requests))
            bare.append(await _round(place, other, first, requests))
        await _require_all(place, WARMING_UP + rounds * requests)
    return {
        "requests": requests,
        "rounds": rounds,
        "connections": CONNECTIONS,
        "intake": _figures(ours),
        "bare": _figures(bare),
        "ours_to_bare": round(median(_rate(each) for each, _ in ours) / median(_rate(each) for each, _ in bare), 3),
        "missing": 0,
        "doubled": 0,
    }


async def _round(place: Ground, instance: Instance, first: int, count: int) -> tuple[HandedIn, float]:
    """What became of the reports, and the CPU seconds of the process until its outbox was empty."""
    used = instance.cpu
    if instance.service == "intake":
        handed_in = await place.hand_in(first, count, connections=CONNECTIONS)
        await place.drained()
    else:
        port = int(instance.url.rpartition(":")[2])
        handed_in = await hand_in(Order(port, "00" * 32, first, count, connections=CONNECTIONS))
    if handed_in.again:
        raise SystemExit(f"webhook: {instance.service} answered {handed_in.again}; the figure does not count")
    return handed_in, instance.cpu - used


def _rate(handed_in: HandedIn) -> float:
    return len(handed_in.accepted) / handed_in.seconds


def _figures(measured: Sequence[tuple[HandedIn, float]]) -> dict[str, Any]:
    count = len(measured[0][0].accepted)
    return {
        "accepts_per_second": spread([_rate(handed_in) for handed_in, _ in measured]),
        "cpu_ms_per_accept": round(median(used for _, used in measured) * 1000 / count, 2),
    }


async def _require_all(place: Ground, count: int) -> None:
    """Every report has led to one referral, and every body of the bare service to one row."""
    referrals = (await fetch(place.database("intake"), "SELECT count(DISTINCT incident_key), count(*) FROM referral"))[
        0
    ]
    rows = (await fetch(_database(place), "SELECT count(DISTINCT body), count(*) FROM accepted"))[0]
    if [*referrals, rows[1]] != [count] * 3:
        raise SystemExit(f"webhook: {referrals} and {rows} instead of {count}; the figure does not count")


def _database(place: Ground) -> str:
    return place.servers.postgres.create_database(f"{place.prefix[:-1]}_bare")


@asynccontextmanager
async def _bare(place: Ground) -> AsyncIterator[Instance]:
    port = choose_free_port()
    process = Process(
        Program(
            name="bare",
            command=(sys.executable, "-m", "tests.benchmarks.bare", _database(place), str(port)),
            log=place.home.logs / "bare.log",
            pid_file=place.home.running / "bare.json",
            environment=dict(os.environ),
        )
    )
    started = time.monotonic()
    process.start()
    try:
        instance = Instance("bare", process, f"http://127.0.0.1:{port}", started)
        await instance.ready()
        yield instance
    finally:
        process.stop()
