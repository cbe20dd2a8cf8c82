"""More at once than can be done at once: it queues on the topics, where it is seen, and is done afterwards."""

import asyncio
import json
import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest
import yaml
from peerline.events import MatchProposed, ReferralCreated, Topic
from peerline_local.demo.overlay import without_waiting
from peerline_local.home import Home, read_json
from peerline_local.ports import choose_free_port, choose_port_base
from peerline_local.services import PORT_OFFSETS, SERVICES, Options
from peerline_local.stack import Stack

from tests.faults.test_kills import a_report, a_table, load, supporters
from tests.support.proxy import ProxyProcess
from tests.support.servers import Servers, through
from tests.support.workplace import Workplace, until

MEMORY_LIMIT = 200 * 2**20
LAG = re.compile(r"^peerline_consumer_lag (\S+)$", re.MULTILINE)
SIZES = re.compile(r'^peerline_batch_size_(?:bucket\{le="(\d+)\.0"\}|count) (\S+)$', re.MULTILINE)


@dataclass
class Observed:
    """What was seen of each service while it worked: the most memory (bytes), lag (records), batches beyond the bound."""

    bound: str
    memory: Counter[str] = field(default_factory=Counter)
    lag: Counter[str] = field(default_factory=Counter)
    too_large: Counter[str] = field(default_factory=Counter)

    def note(self, service: str, memory: int, metrics: str) -> None:
        """Note a look at a service."""
        lag, batches = LAG.search(metrics), dict(SIZES.findall(metrics))
        self.memory[service] = max(self.memory[service], memory)
        self.lag[service] = max(self.lag[service], int(float(lag[1])) if lag else 0)
        self.too_large[service] = int(float(batches[""]) - float(batches[self.bound]))


@contextmanager
def slow_installation(stack: Servers, place: Workplace, folder: Path, delay: int, batch: str) -> Iterator[Stack]:
    """All services as processes whose handlers are slow, with a PostgreSQL that is slow too."""
    programmes = folder / "programmes"
    programmes.mkdir()
    shcp = without_waiting(yaml.safe_load((Path("deploy/programmes") / "shcp.yaml").read_text()))
    (programmes / "shcp.yaml").write_text(yaml.safe_dump(shcp))
    services = [
        replace(each, module="tests.support.slowed", database=f"{place.name}_{each.database}") for each in SERVICES
    ]
    options = Options(
        port_base=choose_port_base(PORT_OFFSETS),
        programmes=programmes,
        extra={"PEERLINE_TOPIC_PREFIX": place.prefix, "SLOWED_BATCH": batch},
    )
    with (
        ProxyProcess(to=stack.postgres_address, port=choose_free_port()) as proxy,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("PEERLINE_POSTGRES_URL", through(proxy, stack.postgres.url))
        environment.setenv("PEERLINE_KAFKA_BOOTSTRAP", stack.bootstrap)
        with Stack(Home.at(folder / "home"), options, services=services, topics=lambda _bootstrap: None) as running:
            proxy.obey(f"delay {delay}")
            yield running


def physicians(count: int) -> bytes:
    columns = ("name", "email", "identifier", "identifier_system", "role")
    rows = [(f"P {n}", f"p{n}@staff.example", f"1{n:09}", "npi", "physician") for n in range(count)]
    return a_table(columns, rows)


async def observe(installation: Stack, seen: Observed) -> None:
    """Look at every service twice a second, until cancelled."""
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        while True:
            for service in SERVICES:
                pid = (read_json(installation.home.running / f"{service.name}.json") or {})["pid"]
                metrics = (await client.get(f"{installation.url(service.name)}/metrics")).text
                seen.note(service.name, psutil.Process(pid).memory_info().rss, metrics)
            await asyncio.sleep(0.5)


@asynccontextmanager
async def observed(installation: Stack, bound: str) -> AsyncIterator[Observed]:
    seen = Observed(bound)
    looking = asyncio.create_task(observe(installation, seen))
    try:
        yield seen
    finally:
        looking.cancel()
        await asyncio.wait([looking])
    assert looking.cancelled(), looking.exception()


async def take_overs(stack: Servers, place: Workplace) -> dict[str, list[int]]:
    """How often the partitions of each service's input were taken over: once for each assignment."""
    found = {}
    for service in SERVICES:
        connection = await asyncpg.connect(place.servers.postgres.create_database(f"{place.name}_{service.database}"))
        rows = await connection.fetch('SELECT epoch FROM consumer_offset ORDER BY topic, "partition"')
        await connection.close()
        found[service.name] = [row["epoch"] for row in rows]
    return found


async def drained(installation: Stack) -> bool:
    """Whether every service is ready, behind nothing, with an empty outbox."""
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        for service in SERVICES:
            checks = (await client.get(f"{installation.url(service.name)}/ready")).json()["checks"]
            if checks["consumer"]["lag"] or checks["database"].get("outbox_rows") != 0:
                return False
    return True


async def burst(place: Workplace, count: int) -> None:
    now = datetime.now(UTC)
    records = [
        (f"EV-{number}".encode(), a_report(number, now), [("peerline-source", b"shcp-risk")]) for number in range(count)
    ]
    for start in range(0, count, 500):
        await place.produce(Topic.ADVERSE_EVENTS, *records[start : start + 500])


@pytest.mark.parametrize(
    "burst_of",  # physicians, milliseconds of the database's delay, records in a batch, seconds until all is drained
    [
        pytest.param((160, 1, "25", 100), id="shortened", marks=pytest.mark.timeout(180, func_only=True)),
        pytest.param(
            (10_000, 2, "500", 3000), id="whole", marks=[pytest.mark.long, pytest.mark.timeout(3600, func_only=True)]
        ),
    ],
)
async def test_fault_33_a_burst_on_slow_handlers_and_a_slow_database_is_queued_seen_and_drained(
    stack: Servers, workplace: Workplace, tmp_path: Path, burst_of: tuple[int, int, str, int]
) -> None:
    count, delay, batch, seconds = burst_of
    with slow_installation(stack, workplace, tmp_path, delay, batch) as installation:
        await load(installation, "intake", "/v1/directory", physicians(count))
        await load(installation, "matcher", "/v1/roster", supporters())
        before = await take_overs(stack, workplace)
        async with observed(installation, batch) as seen:
            began = asyncio.get_running_loop().time()
            await burst(workplace, count)

            async def is_done() -> bool:
                enough = await workplace.count(Topic.OUTREACH) >= count
                return enough and await workplace.count(Topic.DEADLINES) >= 2 * count and await drained(installation)

            await until(is_done, seconds=seconds, what="everything to be drained")
            drain = asyncio.get_running_loop().time() - began
        after = await take_overs(stack, workplace)

    created = [
        each.referral_id for each in await workplace.events(Topic.REFERRALS) if isinstance(each, ReferralCreated)
    ]
    proposed = [each.referral_id for each in await workplace.events(Topic.MATCHES) if isinstance(each, MatchProposed)]
    asked = [
        each.referral_id
        for each in await workplace.events(Topic.OUTREACH)
        if getattr(each, "step", None) == "supporter-notified"
    ]
    report(seen, count, drain)
    assert len(set(created)) == len(created) == count
    assert sorted(created) == sorted(proposed) == sorted(asked)
    assert before == after, "partitions were taken over while nobody came or went"
    assert {name: size for name, size in seen.memory.items() if size > MEMORY_LIMIT} == {}
    assert +seen.too_large == Counter()
    assert seen.lag["intake"] >= count // 4


def report(seen: Observed, count: int, drain: float) -> None:
    """Leave the figures where BACKPRESSURE_FIGURES says, if it does."""
    if path := os.environ.get("BACKPRESSURE_FIGURES"):
        figures = {
            "referrals": count,
            "drained_seconds": round(drain, 1),
            "memory_mb": {name: round(size / 2**20) for name, size in seen.memory.items()},
            "worst_lag": dict(seen.lag),
        }
        Path(path).write_text(json.dumps(figures))
