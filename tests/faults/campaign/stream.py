"""The incident systems: each report is handed in until it was accepted, some are handed in again, taken back or late."""

import asyncio
import csv
import io
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from peerline.events import Topic
from peerline_local.demo.doors import signed, webhook_secret

from tests.faults.campaign.ground import Ground
from tests.faults.campaign.plan import Plan

NPI = "http://hl7.org/fhir/sid/us-npi"
SUPPORTERS = 120
CANARIES = ("Zyxqua", "Vombatyl", "+1 207 666")
"""A family name, a clinical word and the beginning of a telephone number; none may be seen outside of sealed parts."""
WEBHOOK, RECORD, FILE = "webhook", "record", "file"
FIRST_PROBE = 900_000
A_FILE = 12  # incidents in one CSV file
MATCH_PROMISE = timedelta(hours=24)


@dataclass(frozen=True)
class Report:
    """One incident as its system reports it. `people` are numbers of physicians."""

    number: int
    door: str
    people: tuple[int, ...]
    known: bool = True
    again: bool = False
    retracted_after: float | None = None
    withdrawn: bool = False
    due_in: float | None = None
    """Seconds from its making until the match is due, where that is soon."""

    @property
    def incident(self) -> str:
        """The source's own identifier."""
        return f"EV-{self.number}"


@dataclass
class Accepted:
    """A report that was accepted: when it was handed in first, and what was answered."""

    report: Report
    at: datetime
    answers: list[Any] = field(default_factory=list)
    retracted: bool = False


def report_of(plan: Plan, number: int) -> Report:
    """The n-th report of a seed. Physician n is of incident n; some incidents name one of an earlier incident too."""
    dice = plan.dice("report", number)
    door = door_of(plan, number)
    people = [number]
    earlier = dice.randrange(max(0, number - 30), number + 1)
    named = dice.random() < 0.08 and earlier != number and is_known(plan, earlier)
    if named and (door_of(plan, earlier) == FILE) == (door == FILE):
        people.append(earlier)
    return Report(
        number,
        door,
        tuple(people),
        known=is_known(plan, number),
        again=dice.random() < 0.02,
        retracted_after=dice.uniform(0.5, 30) if dice.random() < 0.02 and door == WEBHOOK else None,
        withdrawn=dice.random() < 0.01,
        due_in=dice.uniform(5, 40) if dice.random() < 0.2 and door != FILE else None,
    )


def is_known(plan: Plan, number: int) -> bool:
    """Whether the directory has the physician of the n-th report from the start."""
    return plan.dice("known", number).random() > 0.01


def probe_of(number: int) -> Report:
    """A report outside of the stream, whose way shows whether the system works."""
    return Report(FIRST_PROBE + number, WEBHOOK, (FIRST_PROBE + number,))


def door_of(plan: Plan, number: int) -> str:
    """Through which door the n-th report comes; it settles by which number its physician is known."""
    if number >= FIRST_PROBE:
        return WEBHOOK
    return plan.dice("door", number).choices([WEBHOOK, RECORD, FILE], [45, 45, 10])[0]


def body_of(report: Report, now: datetime, *, retracted: bool = False) -> bytes:
    """The report in Peerline's own format, with what must be dropped."""
    recorded = now - MATCH_PROMISE + timedelta(seconds=report.due_in) if report.due_in else now
    content = {
        "peerline": "incident-report/1",
        "incident_id": report.incident,
        "occurred_at": recorded.isoformat(),
        "recorded_at": recorded.isoformat(),
        "actuality": "actual",
        "severity": 4,
        "retracted": retracted,
        "participants": [
            {"identifier": {"system": NPI, "value": known_as(number, report)}, "involvement": "involved"}
            for number in report.people
        ],
        "narrative": f"{CANARIES[1]} was given to {CANARIES[0]}",
    }
    return json.dumps(content).encode()


def known_as(number: int, report: Report) -> str:
    """A physician's number in this report's system; one of their own that no directory has, where they are unknown."""
    unknown = not report.known and number == report.number
    return f"{'S' if report.door == FILE else ''}{2 if unknown else 1}{number:09}"


def name_of(number: int) -> str:
    """A physician's name, by which pages are told apart."""
    return f"Dr {CANARIES[0]} {number}"


def address_of(number: int) -> str:
    """A physician's e-mail address."""
    return f"p{number}@staff.example"


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], delimiter: str = ",") -> bytes:
    """A CSV file."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()


def directory(reports: Sequence[Report]) -> bytes:
    """The physicians of these reports, in each its own."""
    columns = ("name", "email", "phone", "identifier", "identifier_system", "role")
    rows = [
        (name_of(n), address_of(n), f"{CANARIES[2]} {n:04}", known_as(n, one), "shcp-staff" if one.door == FILE else "npi", "physician")
        for one in reports
        for n in (one.number,)
    ]  # fmt: skip
    return table(columns, rows)


def roster() -> bytes:
    """Supporters with room for everybody."""
    columns = ("supporter_id", "name", "email", "zone", "programme", "active", "trained_at", "capacity", "identifiers")
    rows = [
        (f"s{n}", f"Supporter {n}", f"s{n}@support.example", "America/New_York", "shcp", "yes", "2025-03-01", 999, f"npi|9{n:09}")
        for n in range(SUPPORTERS)
    ]  # fmt: skip
    return table(columns, rows)


class Stream:
    """Hands reports in, keeps what was accepted, and never lets go of one that was not."""

    def __init__(self, ground: Ground, plan: Plan) -> None:
        self._ground = ground
        self._plan = plan
        self._secret = webhook_secret(ground.home, "shcp-risk")
        self._web = ground.client("intake")
        self._producer: AIOKafkaProducer | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._file: list[Report] = []
        self.accepted: dict[str, Accepted] = {}
        self.repeats = 0
        self.handed_in = 0
        self.wrong: list[str] = []
        """Answers that contradict each other."""

    async def load_people(self, physicians: int, probes: int) -> None:
        """Directory and roster; those of whom reports say what no directory knows are left out."""
        reports = [report_of(self._plan, number) for number in range(physicians)]
        listed = [each for each in reports if each.known] + [probe_of(number) for number in range(probes)]
        for first in range(0, len(listed), 2000):
            await self._put("intake", "/v1/directory", directory(listed[first : first + 2000]))
        await self._put("matcher", "/v1/roster", roster())

    async def load_late(self, reports: Sequence[Report]) -> None:
        """Physicians who were forgotten: whoever waited for them is released."""
        await self._put("intake", "/v1/directory", directory(reports))

    async def _put(self, service: str, path: str, body: bytes) -> None:
        async with self._ground.client(service) as client:
            answer = await client.put(path, content=body, headers={"content-type": "text/csv"}, timeout=120)
        if answer.status_code != 200 or answer.json()["faults"]:
            raise httpx.HTTPError(f"{path}: {answer.status_code} {answer.text[:300]}")

    @property
    def busy(self) -> int:
        """How many reports are on their way."""
        self._tasks = {task for task in self._tasks if not task.done() or task.exception()}
        for task in self._tasks:
            if task.done():
                task.result()
        return len(self._tasks)

    def hand_in(self, report: Report) -> None:
        """Begin to hand a report in, through its door; a file goes when it is full."""
        self.handed_in += len(report.people)
        if report.door == FILE:
            self._file.append(report)
            if len(self._file) >= A_FILE:
                self.hand_in_file()
        else:
            self._start(self._deliver(report))

    def hand_in_file(self) -> None:
        """Hand in what the quality department has collected."""
        if self._file:
            self._start(self._import(self._file))
            self._file = []

    async def close(self) -> None:
        """Let go of everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._web.aclose()
        if self._producer:
            await self._producer.stop()

    def _start(self, work: Any) -> None:
        self._tasks.add(asyncio.create_task(work))

    async def _deliver(self, report: Report) -> None:
        dice = self._plan.dice("deliver", report.number)
        made = datetime.now(UTC)
        body = body_of(report, made)
        send = self._post if report.door == WEBHOOK else self._produce
        answers = [await send(report.incident, body, dice)]
        kept = self.accepted[report.incident] = Accepted(report, made, answers)
        if report.again:
            self.repeats += 1
            await asyncio.sleep(dice.choice([0, 0.2, 5]))
            answers.append(await send(report.incident, body, dice))
            if answers[0] != answers[1]:
                self.wrong.append(f"{report.incident}: answered otherwise the second time")
        if report.retracted_after is not None:
            await asyncio.sleep(report.retracted_after)
            await self._post(f"{report.incident}-taken-back", body_of(report, made, retracted=True), dice)
            kept.retracted = True

    async def _post(self, message_id: str, body: bytes, dice: random.Random) -> Any:
        """By webhook, as an incident system does: the same message until it was answered 2xx."""
        headers = {"peerline-source": "shcp-risk", "content-type": "application/json"}
        while True:
            try:
                signature = signed(self._secret, message_id, body, at=time.time())
                answer = await self._web.post("/v1/adverse-events", content=body, headers=signature | headers)
                if answer.status_code == 202:
                    return answer.json()
                if answer.status_code < 500:
                    self.wrong.append(f"{message_id}: answered {answer.status_code} {answer.text[:200]}")
                    return None
            except httpx.HTTPError:
                pass
            await asyncio.sleep(dice.uniform(0.3, 1.5))

    async def _produce(self, key: str, body: bytes, dice: random.Random) -> None:
        """On the feed topic; a record whose fate is unknown is produced again."""
        headers = [("peerline-source", b"shcp-risk")]
        while True:
            try:
                producer = await self._started()
                await producer.send_and_wait(Topic.ADVERSE_EVENTS, body, key=key.encode(), headers=headers)
                return
            except (KafkaError, OSError):
                await asyncio.sleep(dice.uniform(0.3, 1.5))

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._ground.bootstrap, acks="all", linger_ms=5, request_timeout_ms=15_000
            )
            await producer.start()
            self._producer = producer
        return self._producer

    async def _import(self, reports: list[Report]) -> None:
        made = datetime.now(UTC)
        dice = self._plan.dice("file", reports[0].number)
        body = _file_of(reports)
        times = 2 if any(report.again for report in reports) else 1
        for _ in range(times):
            await self._bring(body, dice)
        self.repeats += (times - 1) * len(reports)
        for report in reports:
            self.accepted[report.incident] = Accepted(report, made)

    async def _bring(self, body: bytes, dice: random.Random) -> None:
        while True:
            try:
                answer = await self._web.post(
                    "/v1/imports",
                    params={"source": "shcp-quality"},
                    content=body,
                    headers={"content-type": "text/csv"},
                    timeout=30,
                )
                if answer.status_code == 200:
                    if answer.json()["faults"]:
                        self.wrong.append(f"a file: {answer.json()['faults']}")
                    return
                if answer.status_code < 500:
                    self.wrong.append(f"a file: answered {answer.status_code}")
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(dice.uniform(0.3, 1.5))


def _file_of(reports: Sequence[Report]) -> bytes:
    columns = (
        "Event No.", "Date of event", "Date entered", "Reached patient", "Harm category",
        "Void", "MRN", "Staff ID", "Staff role in event", "Entered by", "What happened",
    )  # fmt: skip
    now = datetime.now(ZoneInfo("America/New_York")).strftime("%m/%d/%Y %H:%M")
    rows = [
        (report.incident, now, now, "yes", "F", "", "MRN-1", known_as(number, report), "involved", "", CANARIES[1])
        for report in reports
        for number in report.people
    ]
    return table(columns, rows, ";")
