"""A broker and a database that are frozen, killed and started again under load: accepted is published, in order, once."""

import asyncio
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import psutil
import pytest
from chassis import topics
from peerline.events import Event, MatchUnavailable, ReferralCreated, ReferralWithdrawn, Topic

from tests.faults.killed_place import SETTINGS, client_of, named
from tests.support.killed import Child, start
from tests.support.servers import Servers, servers
from tests.support.workplace import PARTITIONS, REPOSITORY, Workplace, until

UNATTENDED = 60  # seconds after which everything has to be as if nothing had been
QUICK = 5.0  # seconds for an answer that does not wait for a broker
ALARM = 2.0  # seconds after which /ready is red, 30 otherwise


@dataclass
class Office:
    """Intake and matcher as processes on servers of their own, and what was asked of intake."""

    place: Workplace
    intake: Child
    matcher: Child
    accepted: list[str] = field(default_factory=list)
    taken_back: set[str] = field(default_factory=set)
    slowest: float = 0.0
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1000, 3000)))

    async def enter(self, client: httpx.AsyncClient, *, patiently: bool = False) -> str:
        """Ask for one physician; with patience again and again until it is accepted. Gives the referral."""
        number = next(self.numbers)
        asked = {
            "door": "phone",
            "person": {"system": "npi", "value": str(number)},
            "received_at": datetime.now(UTC).isoformat(),
            "request_id": f"call-{number}",
        }
        began = time.monotonic()
        answer = await _post(client, "/v1/referrals", asked, patiently=patiently)
        self.slowest = max(self.slowest, time.monotonic() - began)
        assert answer.status_code == 201, answer.text
        self.accepted.append(answer.json()["referral_id"])
        return self.accepted[-1]

    async def enter_until(self, event: asyncio.Event, *, patiently: bool = False) -> None:
        """Ask and ask until told otherwise; every third is taken back."""
        async with client_of(self.place, self.intake) as client:
            while not event.is_set():
                referral_id = await self.enter(client, patiently=patiently)
                if len(self.accepted) % 3 == 0:
                    self.taken_back.add(referral_id)
                    await _post(client, f"/v1/referrals/{referral_id}/withdraw", None, patiently=patiently)
                await asyncio.sleep(0.05)

    async def settled(self) -> tuple[list[Event], list[Event]]:
        """What stands on intake's and matcher's topics, once everything that was accepted does."""

        def all_created(found: list[Event]) -> bool:
            created = {str(event.referral_id) for event in named(found, ReferralCreated)}
            withdrawn = {str(event.referral_id) for event in named(found, ReferralWithdrawn)}
            return created >= set(self.accepted) and withdrawn >= self.taken_back

        def all_decided(found: list[Event]) -> bool:
            return {str(event.referral_id) for event in found} >= set(self.accepted) - self.taken_back

        referrals = await self.place.wait_for(Topic.REFERRALS, all_created, seconds=UNATTENDED, what="referrals")
        matches = await self.place.wait_for(Topic.MATCHES, all_decided, seconds=UNATTENDED, what="matches")
        for child in (self.intake, self.matcher):
            await child.ready()
        return referrals, matches

    async def rows(self, query: str) -> list[asyncpg.Record]:
        """Rows of intake's database."""
        connection = await asyncpg.connect(self.place.database("intake"))
        try:
            return list(await connection.fetch(query))
        finally:
            await connection.close()

    async def is_red(self) -> bool:
        """Whether intake says that its oldest event waits for too long."""
        async with client_of(self.place, self.intake) as client:
            answer = await client.get("/ready")
        database = answer.json()["checks"]["database"]
        return answer.status_code == 503 and not database["ok"] and database.get("outbox_oldest_seconds", 0) > ALARM

    async def hears_nothing(self) -> bool:
        """Whether matcher, which reads and answers nothing meanwhile, says that the broker is away."""
        async with client_of(self.place, self.matcher) as client:
            return not (await client.get("/ready")).json()["checks"]["broker"]["ok"]

    def check(self, referrals: list[Event], matches: list[Event]) -> None:
        """Nothing missing, nothing twice, in order."""
        by_referral = defaultdict(list)
        for event in referrals:
            by_referral[str(event.referral_id)].append(type(event))
        assert by_referral == {
            each: [ReferralCreated, *([ReferralWithdrawn] if each in self.taken_back else [])] for each in self.accepted
        }
        said = Counter(str(event.referral_id) for event in named(matches, MatchUnavailable))
        assert set(said.values()) == {1}
        assert set(self.accepted) - self.taken_back <= set(said) <= set(self.accepted)


async def _post(client: httpx.AsyncClient, path: str, body: Any, *, patiently: bool) -> httpx.Response:
    deadline = time.monotonic() + UNATTENDED
    while True:
        try:
            answer = await client.post(path, json=body)
            if answer.status_code < 500 or not patiently:
                return answer
        except httpx.TransportError:
            if not patiently:
                raise
        assert time.monotonic() < deadline, f"{path} was not accepted within {UNATTENDED} s"
        await asyncio.sleep(0.2)


@pytest.fixture(scope="module")
def own_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """A Kafka and a PostgreSQL that only these tests use, since they die."""
    with servers(tmp_path_factory.mktemp("own")) as running:
        yield running


@pytest.fixture(scope="module")
def processes(own_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Intake and matcher, started once; nobody restarts them."""
    place = Workplace(own_servers, tmp_path_factory.mktemp("place"))
    asyncio.run(topics.apply(own_servers.bootstrap, partitions=PARTITIONS, prefix=place.prefix))
    (place.folder / "rehearsal.secret").write_text("whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0")
    (place.folder / "shcp-risk-webhook").write_text("whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0")
    doors = {"sources": REPOSITORY / "deploy" / "sources.yaml", "source_secrets": place.folder}
    constants = {"chassis.health:OLDEST_OUTBOX": ALARM, "chassis.freshness:SILENT": 8.0}
    children = [
        start(name, place.settings(SETTINGS[name], name, **more), place.folder, None, constants)
        for name, more in (("intake", doors), ("matcher", {}))
    ]
    try:
        yield Office(place, intake=children[0], matcher=children[1])
    finally:
        for child in children:
            child.popen.kill()
            child.popen.wait()


@pytest.fixture
async def office(processes: Office) -> Office:
    """Both services ready, and the directory loaded."""
    for child in (processes.intake, processes.matcher):
        await child.ready()
    if not processes.accepted:
        rows = [f"Dr {number},{number}@example.org,npi,{number},physician" for number in range(1000, 3000)]
        table = "\n".join(["name,email,identifier_system,identifier,role", *rows])
        async with client_of(processes.place, processes.intake) as client:
            loaded = await client.put("/v1/directory", content=table, headers={"content-type": "text/csv"})
        assert loaded.json()["new"] == len(rows), loaded.text
    return processes


async def under_load(office: Office, fault: Any, *, patiently: bool = False) -> float:
    """Have a fault come and go while intake is asked; gives the seconds from its end until all is settled."""
    enough = asyncio.Event()
    asking = asyncio.create_task(office.enter_until(enough, patiently=patiently))
    await asyncio.sleep(1)
    await fault()
    ended = time.monotonic()
    enough.set()
    await asking
    referrals, matches = await office.settled()
    office.check(referrals, matches)
    return time.monotonic() - ended


async def test_fault_11_while_the_broker_stands_still_or_is_away_requests_are_answered_and_readiness_is_red(
    office: Office,
) -> None:
    kafka = office.place.servers.kafka
    assert kafka.process is not None
    broker = psutil.Process(kafka.process.pid)

    async def frozen() -> None:
        broker.send_signal(signal.SIGSTOP)
        await until(office.is_red, what="/ready to be red while the broker stands still")
        broker.send_signal(signal.SIGCONT)

    async def away() -> None:
        await asyncio.to_thread(kafka.stop)
        await until(office.is_red, what="/ready to be red while the broker is away")
        await until(office.hears_nothing, seconds=60, what="the check of the broker to be red")
        await asyncio.to_thread(kafka.start)

    office.slowest = 0.0
    seconds = [await under_load(office, frozen), await under_load(office, away)]

    assert max(seconds) < UNATTENDED
    assert office.slowest < QUICK
    for child in (office.intake, office.matcher):
        await child.ready()


async def test_fault_10_a_broker_that_is_killed_and_started_again_loses_and_doubles_nothing(office: Office) -> None:
    kafka = office.place.servers.kafka

    async def killed() -> None:
        assert kafka.process is not None
        kafka.process.kill()
        await asyncio.to_thread(kafka.stop)
        await asyncio.to_thread(kafka.start)

    assert await under_load(office, killed) < UNATTENDED


async def test_fault_12_a_database_that_is_shut_down_at_once_and_started_again_loses_and_doubles_nothing(
    office: Office,
) -> None:
    postgres = office.place.servers.postgres

    async def shut_down() -> None:
        assert postgres.process is not None
        psutil.Process(postgres.process.pid).send_signal(signal.SIGQUIT)  # as `pg_ctl stop -m immediate` does
        await until(_is_gone, what="PostgreSQL to end")
        await asyncio.to_thread(postgres.stop)
        await asyncio.to_thread(postgres.start)

    async def _is_gone() -> bool:
        return postgres.process is not None and not postgres.process.running

    assert await under_load(office, shut_down, patiently=True) < UNATTENDED


async def test_a_service_that_is_told_to_stop_while_the_broker_is_away_stops_and_keeps_what_it_has_accepted(
    office: Office,
) -> None:
    kafka = office.place.servers.kafka
    await asyncio.to_thread(kafka.stop)
    async with client_of(office.place, office.intake) as client:
        for _ in range(5):
            await office.enter(client)
        await until(office.is_red, what="what was accepted to wait for the broker")

    office.intake.popen.send_signal(signal.SIGTERM)
    await asyncio.to_thread(office.intake.popen.wait, 15)
    await asyncio.to_thread(kafka.start)

    assert office.intake.popen.returncode in (0, -signal.SIGTERM)
    rows = await office.rows("SELECT event_id FROM outbox")
    assert len(rows) == 5
