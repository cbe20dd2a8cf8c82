"""The incident systems: each report is handed in until it was accepted, some are handed in again, taken back or late."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from peerline.events import Topic
from peerline_local.demo.doors import signed, webhook_secret

from tests.faults.campaign.ground import Ground
from tests.faults.campaign.plan import Plan
from tests.faults.campaign.reports import (
    FILE,
    WEBHOOK,
    Report,
    body_of,
    directory,
    file_of,
    probe_of,
    report_of,
    roster,
)

A_FILE = 12  # incidents in one CSV file


@dataclass
class Accepted:
    """A report that was accepted: when it was handed in first, and what was answered."""

    report: Report
    at: datetime
    answers: list[Any] = field(default_factory=list)
    retracted: bool = False


class Stream:
    """Hands reports in, keeps what was accepted, and never lets go of one that was not."""

    def __init__(self, ground: Ground, plan: Plan) -> None:
        self._ground = ground
        self._plan = plan
        self._secret = webhook_secret(ground.home, "shcp-risk")
        self._web = ground.client("intake")
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
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
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._ground.bootstrap, acks="all", linger_ms=5, request_timeout_ms=15_000
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    async def _import(self, reports: list[Report]) -> None:
        made = datetime.now(UTC)
        dice = self._plan.dice("file", reports[0].number)
        body = file_of(reports)
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
