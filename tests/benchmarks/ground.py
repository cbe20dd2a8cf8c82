"""The real services as processes on the run's servers, and our mail server; nobody waits for a seat or for an hour."""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
import yaml
from chassis import topics
from intake.keys import incident_key
from peerline.ids import Ids
from peerline_local import keys
from peerline_local.demo.doors import webhook_secret
from peerline_local.demo.overlay import without_waiting
from peerline_local.home import Home
from peerline_local.ports import choose_free_port
from peerline_local.processes import Process
from peerline_local.services import SERVICES, Options, Surroundings, program

from tests.benchmarks.handing_in import SOURCE, HandedIn, Order, hand_in
from tests.faults.campaign.reports import WEBHOOK, Report, directory, roster
from tests.support.scripted_smtp import Act, ScriptedServer
from tests.support.servers import Servers
from tests.support.workplace import PROGRAMMES

ALL = tuple(service.name for service in SERVICES)
BY_NAME = {service.name: service for service in SERVICES}
AT_ONCE = 2000  # physicians in one file
MESSAGE_ID = re.compile(rb"^Message-ID: <([^@>]+)@", re.IGNORECASE | re.MULTILINE)
SUPPORTERS = "@support.example"


class Mailbox(ScriptedServer):
    """Notes of each message to a supporter its id and when it was complete (seconds since 1970); keeps nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[tuple[str, float]] = []

    def keep(self, recipients: list[str], content: bytes, act: Act) -> None:
        if recipients[0].endswith(SUPPORTERS):
            found = MESSAGE_ID.search(content)
            self.mails.append((found[1].decode() if found else "", time.time()))


@dataclass(frozen=True)
class Instance:
    """One process of a service."""

    service: str
    process: Process
    url: str
    started: float
    """By the monotonic clock."""

    async def ready(self, seconds: float = 120) -> float:
        """Wait until it says that it is; gives the seconds since its start."""
        async with httpx.AsyncClient(trust_env=False) as client:
            while time.monotonic() - self.started < seconds:
                if not self.process.running:
                    raise SystemExit(f"{self.service} has ended; see its log")
                try:
                    if (await client.get(f"{self.url}/ready")).status_code == 200:
                        return time.monotonic() - self.started
                except httpx.HTTPError:
                    pass
                await asyncio.sleep(0.02)
        raise SystemExit(f"{self.service} is not ready after {seconds} s")

    @property
    def cpu(self) -> float:
        """Seconds of a core that it has used."""
        return cpu_of(self.process)

    @property
    def resident(self) -> int:
        """Bytes in memory."""
        return int(psutil.Process(self.process.pid).memory_info().rss)


@dataclass
class Ground:
    """Topics, databases and keys of one measurement, and the processes that work on them."""

    servers: Servers
    home: Home
    around: Surroundings
    prefix: str
    mail: Mailbox
    instances: list[Instance] = field(default_factory=list)
    physicians: int = 0
    """How many the directory has."""

    async def start(self, *services: str) -> list[Instance]:
        """Start a process of each of these services and wait until all are ready; a service may be named twice."""
        begun = [self.begin(service) for service in services]
        for instance in begun:
            await instance.ready()
        return begun

    def begin(self, service: str) -> Instance:
        """Start a process of a service, with a port of its own."""
        port, name = choose_free_port(), f"{service}-{len(self.instances)}"
        given = program(BY_NAME[service], self.around)
        process = Process(
            replace(
                given,
                log=self.home.logs / f"{name}.log",
                pid_file=self.home.running / f"{name}.json",
                environment={**given.environment, "PEERLINE_HTTP_PORT": str(port)},
            )
        )
        started = time.monotonic()
        process.start()
        self.instances.append(Instance(service, process, f"http://127.0.0.1:{port}", started))
        return self.instances[-1]

    async def stop(self) -> None:
        """Stop every process, all at the same time."""
        for instance in self.instances:
            instance.process.ask_to_stop()
        for instance in self.instances:
            await asyncio.to_thread(instance.process.stop)
        self.instances.clear()

    def of(self, service: str) -> Instance:
        """The first process of a service."""
        return next(instance for instance in self.instances if instance.service == service)

    def database(self, service: str) -> str:
        """The URL of a service's database."""
        return self.around.database_urls[BY_NAME[service].database]

    async def load_roster(self) -> None:
        """Supporters with room for everybody."""
        await self._put("matcher", "/v1/roster", roster())

    async def load_physicians(self, count: int) -> None:
        """Have the directory know the first `count` physicians."""
        for first in range(self.physicians, count, AT_ONCE):
            listed = [Report(number, WEBHOOK, (number,)) for number in range(first, min(first + AT_ONCE, count))]
            await self._put("intake", "/v1/directory", directory(listed))
        self.physicians = max(self.physicians, count)

    async def _put(self, service: str, path: str, body: bytes) -> None:
        headers = {"authorization": f"Bearer {keys.token(self.home, 'coordinator')}", "content-type": "text/csv"}
        async with httpx.AsyncClient(trust_env=False, timeout=300) as client:
            answer = await client.put(f"{self.of(service).url}{path}", content=body, headers=headers)
        if answer.status_code != 200 or answer.json()["faults"]:
            raise SystemExit(f"{path}: {answer.status_code} {answer.text[:300]}")

    async def hand_in(self, first: int, count: int, *, rate: float = 0, connections: int = 32) -> HandedIn:
        """Hand in a report of each of `count` physicians, from `first` on, at intake's webhook."""
        port = int(self.of("intake").url.rpartition(":")[2])
        secret = webhook_secret(self.home, SOURCE).hex()
        return await hand_in(Order(port, secret, first, count, rate, connections))

    async def backlog(self) -> dict[str, tuple[int, int]]:
        """Lag and rows of the outbox, by service; what its processes say is added up."""
        found: dict[str, tuple[int, int]] = {}
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            for instance in self.instances:
                checks = (await client.get(f"{instance.url}/ready")).json()["checks"]
                lag, _ = found.get(instance.service, (0, 0))
                found[instance.service] = (lag + checks["consumer"]["lag"], checks["database"].get("outbox_rows", 1))
        return found

    async def drained(self, seconds: float = 300) -> None:
        """Wait until no service has anything left to take or to publish."""
        deadline = time.monotonic() + seconds
        while any(sum(each) for each in (await self.backlog()).values()):
            if time.monotonic() > deadline:
                raise SystemExit(f"not drained after {seconds} s: {await self.backlog()}")
            await asyncio.sleep(0.1)

    async def mailed(self, numbers: Iterable[int]) -> dict[int, list[float]]:
        """When the mails about these reports were complete (seconds since 1970), as databases and mailbox say."""
        ids = Ids(bytes.fromhex(self.home.secret("intake.id.key")))
        reports = {incident_key(ids, SOURCE, f"EV-{number}"): number for number in numbers}
        referrals = await fetch(self.database("intake"), "SELECT referral_id, incident_key FROM referral")
        sends = await fetch(self.database("notifier"), "SELECT referral_id, message_id FROM send")
        incidents = {row["referral_id"]: row["incident_key"] for row in referrals}
        about = {row["message_id"]: reports.get(incidents[row["referral_id"]]) for row in sends}
        found: dict[int, list[float]] = {number: [] for number in reports.values()}
        for message_id, at in self.mail.mails:
            number = about[message_id]
            if number is not None:
                found[number].append(at)
        return found

    async def mails_of(self, handed_in: HandedIn, seconds: float = 600) -> list[float]:
        """Wait for all mails; gives seconds from each report's instant to its mail. SystemExit for one that is amiss."""
        numbers = range(handed_in.first, handed_in.first + len(handed_in.accepted))
        deadline = time.monotonic() + seconds
        while len(self.mail.mails) < numbers.stop and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        await self.drained()
        mailed = await self.mailed(numbers)
        missing = sum(not at for at in mailed.values())
        doubled = sum(len(at) > 1 for at in mailed.values())
        if missing or doubled:
            raise SystemExit(f"{missing} mails are missing and {doubled} doubled; the figure does not count")
        return [mailed[number][0] - handed_in.due(number) for number in numbers]


def cpu_of(process: Process | None) -> float:
    """Seconds of a core that a process and its children have used, those that have ended included."""
    if process is None or not process.pid:
        return 0.0
    own = psutil.Process(process.pid)
    children = [child.cpu_times() for child in own.children(recursive=True)]
    times = own.cpu_times()
    return sum(times[:4]) + sum(each.user + each.system for each in children)


async def fetch(url: str, query: str) -> list[asyncpg.Record]:
    """Rows of a database."""
    connection = await asyncpg.connect(url)
    try:
        return list(await connection.fetch(query))
    finally:
        await connection.close()


@asynccontextmanager
async def ground(servers: Servers, folder: Path) -> AsyncIterator[Ground]:
    """A ground in a folder of its own, without any process yet; at the end all are stopped."""
    name = f"b{secrets.token_hex(5)}"
    home, mail = Home.at(folder / "home"), Mailbox()
    await topics.apply(servers.bootstrap, prefix=f"{name}.")
    await mail.listen()
    extra: dict[str, Any] = {"PEERLINE_TOPIC_PREFIX": f"{name}.", "PEERLINE_SMTP_PORT": str(mail.port)}
    options = Options(programmes=_programmes(folder / "programmes"), extra=extra)
    urls = {each.database: servers.postgres.create_database(f"{name}_{each.database}") for each in SERVICES}
    place = Ground(servers, home, Surroundings(home, options, servers.bootstrap, urls), f"{name}.", mail)
    try:
        yield place
    finally:
        await place.stop()
        await mail.go_away()


def _programmes(folder: Path) -> Path:
    """One programme, open all day, in which nothing is waited for."""
    folder.mkdir(parents=True)
    shcp = without_waiting(yaml.safe_load((PROGRAMMES / "shcp.yaml").read_text()))
    (folder / "shcp.yaml").write_text(yaml.safe_dump(shcp))
    return folder
