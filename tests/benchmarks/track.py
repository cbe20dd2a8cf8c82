"""A topic full of events, and laps of one process after the other over it."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import psutil
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from chassis import ServiceSettings, topics
from chassis.database import migrate, open_pool
from peerline.cloudevents import headers_of
from peerline.compartments import MatchingProfile
from peerline.events import Audience, ProgrammeRef, ReferralCreated, Topic
from peerline.events.base import Sealed
from peerline_local.ports import choose_free_port
from peerline_local.processes import with_parent

from tests.benchmarks.contenders import EFFECT, Spec
from tests.benchmarks.output import POLL, Failed, Reader, reading
from tests.support.killed import environment
from tests.support.servers import Servers
from tests.support.workplace import PARTITIONS, REPOSITORY, Workplace

SHCP = ProgrammeRef(id="shcp", digest="0" * 16)
PEERS = REPOSITORY / ".venv-peers" / "bin" / "python"
SAMPLED = 0.01  # of the events' traces


@dataclass(frozen=True)
class Contender:
    """A program; one that is slow is given a share of the events only, and one of another library its environment."""

    name: str
    command: tuple[str, ...]
    share: float = 1.0
    is_peer: bool = False


@dataclass(frozen=True)
class Lap:
    """What was measured of a lap, from its first tenth to its end; CPU in microseconds an event."""

    events_per_second: float
    cpu: dict[str, float]
    memory_mb: float


@dataclass
class Track:
    """Events on a topic, and what each lap is run with."""

    servers: Servers
    folder: Path
    events: int
    sealed: bool = False
    place: Workplace = field(init=False)
    _laps: int = 0

    def __post_init__(self) -> None:
        self.place = Workplace(self.servers, self.folder)
        migrations = self.folder / "migrations"
        migrations.mkdir(parents=True)
        (migrations / "0001_effect.sql").write_text(EFFECT)

    @property
    def source(self) -> str:
        """The topic that is read."""
        return f"{self.place.prefix}{Topic.REFERRALS}"

    @property
    def target(self) -> str:
        """The topic that is written to."""
        return f"{self.place.prefix}{Topic.MATCHES}"

    async def lay(self) -> None:
        """Make the topics, and put the events there."""
        await topics.apply(self.servers.bootstrap, partitions=PARTITIONS, prefix=self.place.prefix)
        now, dice = datetime.now(UTC), random.Random(1)
        producer = AIOKafkaProducer(bootstrap_servers=self.servers.bootstrap, linger_ms=5, max_batch_size=131_072)
        await producer.start()
        try:
            for number in range(self.events):
                event = self._event(number, now)
                trace = f"00-{dice.getrandbits(128):032x}-{dice.getrandbits(64):016x}-{dice.random() < SAMPLED:02x}"
                headers = headers_of(event, source="/peerline/intake", time=now, traceparent=trace)
                await producer.send(self.source, event.body(), key=str(event.referral_id).encode(), headers=headers)
            await producer.flush()
        finally:
            await producer.stop()

    def _event(self, number: int, now: datetime) -> ReferralCreated:
        referral_id = self.place.ids.referral("shcp", "bench", str(number), "person")
        profile = MatchingProfile(person=(f"p{number:021}",), attributes={"specialty": "surgery"})
        return ReferralCreated(
            event_id=self.place.ids.event(ReferralCreated.name, referral_id),
            referral_id=referral_id,
            programme=SHCP,
            sequence=1,
            occurred_at=now,
            received_at=now,
            sealed=Sealed(matcher=self._sealed(profile, referral_id, now)) if self.sealed else None,
        )

    def _sealed(self, profile: MatchingProfile, referral_id: Any, now: datetime) -> str:
        return self.place.sealer.seal(
            Audience.MATCHER, profile, referral_id=referral_id, event_type=ReferralCreated.name, now=now
        )

    async def lap(self, contender: Contender) -> Lap:
        """One contender, from nothing to its last output; raises Failed."""
        self._laps += 1
        database = await self._prepared()
        try:
            async with reading(self.servers.bootstrap, self.target) as reader:
                return await self._run(contender, database, reader)
        finally:
            self.servers.postgres.drop_database(f"{self.place.name}_lap{self._laps}")

    async def _prepared(self) -> str:
        """A fresh database, and a fresh topic to write to."""
        await _remove(self.servers.bootstrap, self.target)
        await topics.apply(self.servers.bootstrap, partitions=PARTITIONS, prefix=self.place.prefix)
        database = self.servers.postgres.create_database(f"{self.place.name}_lap{self._laps}")
        pool = await open_pool(database)
        try:
            await migrate(pool, self.folder / "migrations")
        finally:
            await pool.close()
        return database

    async def _run(self, contender: Contender, database: str, reader: Reader) -> Lap:
        wanted = int(self.events * contender.share)
        with self._started(contender, database) as process:
            await reader.until(wanted // 10, process)
            before, counted = self._used(process), await reader.count()
            await reader.until(wanted, process)
            after, there = self._used(process), await reader.count()
            memory = process.memory_info().rss / 1e6
            if contender.share == 1:
                await _until_empty(database)
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.wait, 30)
        rate = await self._verified(reader, database, contender)
        cpu = {name: round((after[name] - used) * 1e6 / (there - counted), 1) for name, used in before.items()}
        return Lap(rate, cpu, round(memory))

    def _started(self, contender: Contender, database: str) -> "Started":
        spec = Spec(
            bootstrap=self.servers.bootstrap,
            database=database,
            source=self.source,
            target=self.target,
            partitions=PARTITIONS,
            group=f"{self.place.name}-{self._laps}",
            folder=str(self.folder),
        )
        settings = self.place.settings(ServiceSettings, "matcher", database_url=database, log_level="warning")
        own = {"PEERLINE_HTTP_PORT": str(choose_free_port())}
        python = str(PEERS) if contender.is_peer else sys.executable
        if not Path(python).exists():
            raise Failed("its libraries are not installed")
        log = self.folder / f"{contender.name}-{self._laps}.log"
        return Started(
            (python, "-m", *contender.command),
            {**os.environ, **environment(settings), **own, **spec.environment()},
            log,
        )

    def _used(self, process: psutil.Process) -> dict[str, float]:
        """CPU seconds so far of the contender and of the servers that are ours to look at."""
        used = {"python": _cpu(process)}
        for name, server in (("postgres", self.servers.postgres), ("kafka", self.servers.kafka)):
            if server.process is not None and server.process.pid is not None:
                used[name] = _cpu(psutil.Process(server.process.pid))
        return used

    async def _verified(self, reader: Reader, database: str, contender: Contender) -> float:
        """Events a second, once nothing is found missing or doubled."""
        records = await reader.read()
        referrals = {record.key for record in records}
        rows = await _rows(database)
        if len(referrals) != len(records) or set(rows.values()) != {len(records)}:
            raise Failed(f"{len(records)} outputs of {len(referrals)} referrals, rows: {rows}")
        if contender.share == 1 and len(records) != self.events:
            raise Failed(f"{len(records)} outputs, not {self.events}")
        at = sorted(record.timestamp for record in records)
        first = len(at) // 10
        return float((len(at) - first) * 1000 / (at[-1] - at[first]))


class Started:
    """A process for as long as the block lasts."""

    def __init__(self, command: tuple[str, ...], environment: dict[str, str], log: Path) -> None:
        with log.open("wb") as output:
            self._popen = subprocess.Popen(
                with_parent(command, signal.SIGKILL, None),
                cwd=REPOSITORY,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._log = log

    def __enter__(self) -> psutil.Process:
        self.process = psutil.Process(self._popen.pid)
        return self.process

    def __exit__(self, *_: object) -> None:
        self._popen.kill()
        self._popen.wait()


async def _remove(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([topic])
        while topic in await admin.list_topics():
            await asyncio.sleep(0.05)
    finally:
        await admin.close()


async def _rows(database: str) -> dict[str, int]:
    connection = await asyncpg.connect(database)
    try:
        tables = ("inbox", "effect_case", "effect_match")
        return {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in tables}  # noqa: S608  ours
    finally:
        await connection.close()


async def _until_empty(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        while await connection.fetchval("SELECT EXISTS (SELECT FROM outbox)"):
            await asyncio.sleep(POLL)
    finally:
        await connection.close()


def _cpu(process: psutil.Process) -> float:
    """CPU seconds of a process and of what it has started and still runs, or has waited for."""
    return sum(sum(each.cpu_times()[:2]) for each in [process, *process.children(recursive=True)])
