"""What the services cost while nothing happens, how long they take to be ready, and what a referral leaves on the disks."""

import asyncio
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from peerline_local.kafka import EmbeddedKafka
from peerline_local.services import SERVICES

from tests.benchmarks.ground import ALL, BY_NAME, Ground, Instance, fetch, ground
from tests.support.servers import Servers
from tests.support.workplace import REPOSITORY

REFERRALS = 500
SETTLING = 5.0  # seconds
IMPORTS = "import time; began = time.perf_counter(); import {}; print(time.perf_counter() - began)"


async def idle(servers: Servers, folder: Path, quick: bool) -> dict[str, Any]:
    """Figures of each service, started alone and then idle beside the others; bytes per referral that led to a mail."""
    window, times = (10.0, 1) if quick else (60.0, 3)
    async with ground(servers, folder / "idle") as place:
        stored = await _stored(place)
        await place.stop()
        services = {name: await _start_figures(place, name, times) for name in ALL}
        instances = await place.start(*ALL)
        await asyncio.sleep(SETTLING)
        for instance, figures in zip(instances, await _window_figures(instances, window), strict=True):
            services[instance.service] |= figures
    return {"window_seconds": window, "starts": times, "services": services, **stored, "missing": 0, "doubled": 0}


async def _start_figures(place: Ground, service: str, times: int) -> dict[str, float]:
    """Seconds from start to readiness, alone on a database that is there, and of them for imports."""
    ready = []
    for _ in range(times):
        ready.append(await place.begin(service).ready())
        await place.stop()
    imports = [await _import_seconds(service) for _ in range(times)]
    return {"ready_seconds": round(median(ready), 2), "import_seconds": round(median(imports), 2)}


async def _window_figures(instances: list[Instance], window: float) -> list[dict[str, float]]:
    """Resident memory at the end of a window, and the share of a core over it, of each."""
    before, began = [instance.cpu for instance in instances], time.monotonic()
    await asyncio.sleep(window)
    seconds = time.monotonic() - began
    return [
        {
            "resident_mb": round(instance.resident / 2**20, 1),
            "cpu_percent": round((instance.cpu - used) / seconds * 100, 2),
        }
        for instance, used in zip(instances, before, strict=True)
    ]


async def _import_seconds(service: str) -> float:
    """How long a fresh interpreter takes to import a service."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", IMPORTS.format(BY_NAME[service].module)),
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await child.communicate()
    return float(said)


async def _stored(place: Ground) -> dict[str, Any]:
    """Bytes that a referral leaves, by topic and database, once it has led to a mail."""
    await place.start(*ALL)
    await place.load_roster()
    await place.load_physicians(REFERRALS)
    await place.drained()
    topics, databases, wal = _topics(place), await _databases(place), await _wal(place)
    await place.mails_of(await place.hand_in(0, REFERRALS))
    topics_now, databases_now, wal_now = _topics(place), await _databases(place), await _wal(place)
    return {
        "referrals": REFERRALS,
        "kafka_bytes_per_referral": _growth(topics, topics_now),
        "postgres_bytes_per_referral": _growth(databases, databases_now),
        "wal_bytes_per_referral": round((wal_now - wal) / REFERRALS),
    }


def _growth(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    grown = {name: round((after[name] - before.get(name, 0)) / REFERRALS) for name in after}
    return {**grown, "all": sum(grown.values())} if grown else {}


def _topics(place: Ground) -> dict[str, int]:
    """Bytes of this ground's records in the broker's log, by topic; nothing where the broker is not of this machine."""
    sizes: dict[str, int] = {}
    if isinstance(place.servers.kafka, EmbeddedKafka):
        for log in place.servers.kafka.home.kafka.glob(f"log/{place.prefix}*/*.log"):
            topic = log.parent.name.removeprefix(place.prefix).rpartition("-")[0].removeprefix("peerline.")
            sizes[topic] = sizes.get(topic, 0) + log.stat().st_size
    return sizes


async def _databases(place: Ground) -> dict[str, int]:
    """Bytes of each service's database, indexes and what is yet to be vacuumed included."""
    return {
        service.name: (await fetch(place.database(service.name), "SELECT pg_database_size(current_database())"))[0][0]
        for service in SERVICES
    }


async def _wal(place: Ground) -> int:
    """Bytes that PostgreSQL has written to its log since it was made."""
    return int((await fetch(place.servers.postgres.url, "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"))[0][0])
