"""Feeding the samples: directory and roster first, then every door at once, each in its own order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from peerline_local.demo import doors
from peerline_local.demo.comparison.findings import Finding, wrong
from peerline_local.demo.reach import Reach
from peerline_local.demo.samples import Samples
from peerline_local.demo.scenes import RISK, Delivery, Stage, Way


@dataclass
class Feeding:
    """Hands the samples in, and remembers how the doors answered."""

    reach: Reach
    samples: Samples
    answers: Path
    """Every answer is kept here, a line each, so that it can be searched for what must not be in it."""
    findings: list[Finding] = field(default_factory=list)
    handed_in: int = 0

    async def load_people(self) -> None:
        """The directories of both organisations, and the roster."""
        await self._put("intake", "/v1/directory", self.samples.hospital_directory(), source=RISK)
        await self._put("intake", "/v1/directory", self.samples.college_directory())
        await self._put("matcher", "/v1/roster", self.samples.roster())

    async def load_late_directory(self) -> None:
        """The physician who was forgotten: whoever waited for them is released."""
        await self._put("intake", "/v1/directory", self.samples.late_directory(), source=RISK)

    async def hand_in(self, stage: Stage = Stage.FIRST) -> None:
        """Everything of a stage, at all doors at once."""
        work = [self._webhooks(stage), self._records(stage), self._imports(stage)]
        if stage is Stage.FIRST:
            work.append(self._requests())
        await asyncio.gather(*work)

    async def _webhooks(self, stage: Stage) -> None:
        async with self.reach.client("intake") as client:
            for delivery in self.samples.deliveries(Way.WEBHOOK, stage):
                answer = await doors.post_report(
                    client,
                    self.reach.home,
                    delivery.source,
                    delivery.body,
                    message_id=delivery.key,
                    forged=delivery.forged,
                )
                self._note(delivery.name, delivery.status, answer)

    async def _records(self, stage: Stage) -> None:
        deliveries: Sequence[Delivery] = self.samples.deliveries(Way.KAFKA, stage)
        self.handed_in += await doors.produce(self.reach, RISK, [(one.key, one.body) for one in deliveries])

    async def _imports(self, stage: Stage) -> None:
        async with self.reach.client("intake") as client:
            for delivery in self.samples.deliveries(Way.IMPORT, stage):
                self._note(delivery.name, 200, await doors.import_table(client, delivery.source, delivery.body))

    async def _requests(self) -> None:
        async with self.reach.client("intake") as client:
            for request in self.samples.requests:
                self._note(request.id, 201, await client.post("/v1/referrals", json=request.body()))
            # Keyed once more, as somebody does who is not sure that it was taken.
            again = self.samples.requests[0]
            self._note(f"{again.id} again", 201, await client.post("/v1/referrals", json=again.body()))

    async def _put(self, service: str, path: str, body: bytes, **parameters: str) -> None:
        kind = "application/fhir+json" if body.startswith(b"{") else "text/csv"
        async with self.reach.client(service) as client:
            answer = await client.put(path, content=body, params=parameters, headers={"content-type": kind})
        self._note(path, 200, answer)
        content = answer.json() if answer.is_success else {}
        if content.get("faults"):
            self.findings.append(wrong(path, f"{len(content['faults'])} rows were left out"))

    def _note(self, name: str, status: int, answer: httpx.Response) -> None:
        self.handed_in += 1
        entry: dict[str, Any] = {
            "to": name,
            "status": answer.status_code,
            "headers": dict(answer.headers),
            "body": answer.text,
        }
        with self.answers.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        same_kind = answer.status_code == status or (status < 300 and answer.is_success)
        if not same_kind:
            self.findings.append(wrong(name, f"answered {answer.status_code} instead of {status}"))
