"""A running intake, and what a test does at its doors. No tests here."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
from intake.main import service as intake_service
from intake.settings import Settings
from peerline.compartments import ContactProfile, MatchingProfile, Origin, Withdrawal
from peerline.events import (
    Audience,
    Event,
    OutreachLogged,
    Phase,
    ReferralJoined,
    ReferralWithdrawn,
    Topic,
)
from peerline.events.base import Part
from peerline.ids import Pseudonyms

from tests.support.workplace import REPOSITORY, Running, Workplace, until

E = TypeVar("E", bound=Event)
P = TypeVar("P", bound=Part)
PEOPLE = (
    "Ada Kestrel,ada@example.org,1001,s-1,Practitioner/dr-77,physician,npi|1003,",
    "Ben Heron,ben@example.org,1002,s-2,Practitioner/dr-78,physician,,ortho",
    "Cleo Wren,cleo@example.org,1003,s-3,Practitioner/dr-79,physician,,",
    "Dan Finch,dan@example.org,1004,s-4,Practitioner/dr-80,physician,,ortho",
    "Eve Nurse,eve@example.org,1005,s-5,Practitioner/nurse-12,nurse,,",
)


def a_directory(*people: str) -> str:
    """A file of physicians: each stands there once by NPI and once by staff number."""
    rows = ["name,email,identifier_system,identifier,reference,role,supervisor,team"]
    for person in people:
        name, email, npi, staff, *rest = person.split(",")
        rows += [",".join([name, email, "npi", npi, *rest]), ",".join([name, email, "shcp-staff", staff, *rest])]
    return "\n".join(rows)


@dataclass
class Intake:
    """A running intake, and what a test does at its doors."""

    place: Workplace
    running: Running
    secret: str

    @property
    def client(self) -> httpx.AsyncClient:
        return self.running.client

    async def load(self, *people: str) -> dict[str, Any]:
        table = a_directory(*(people or PEOPLE))
        answer = await self.client.put("/v1/directory", content=table, headers={"content-type": "text/csv"})
        assert answer.status_code == 200, answer.text
        loaded: dict[str, Any] = answer.json()
        return loaded

    async def send(
        self,
        report: dict[str, Any] | bytes,
        *,
        webhook_id: str | None = None,
        source: str = "shcp-risk",
        **changed: str,
    ) -> httpx.Response:
        body = report if isinstance(report, bytes) else json.dumps(report).encode()
        headers = self.signed(body, webhook_id or secrets.token_hex(8)) | changed
        return await self.client.post("/v1/adverse-events", params={"source": source}, content=body, headers=headers)

    def signed(self, body: bytes, webhook_id: str, at: datetime | None = None) -> dict[str, str]:
        at = at or datetime.now(UTC)
        stamp = str(int(at.timestamp()))
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        signed = hmac.digest(key, b".".join([webhook_id.encode(), stamp.encode(), body]), hashlib.sha256)
        signature = f"v1,{base64.b64encode(signed).decode()}"
        return {"webhook-id": webhook_id, "webhook-timestamp": stamp, "webhook-signature": signature}

    async def enter(self, **said: Any) -> httpx.Response:
        request = {
            "door": "phone",
            "person": {"system": "npi", "value": "1001"},
            "received_at": (datetime.now(UTC) - timedelta(hours=1)).isoformat(),
            "request_id": secrets.token_hex(8),
        }
        return await self.client.post("/v1/referrals", json=request | said)

    async def published(self, kind: type[E], count: int = 1) -> list[E]:
        """The events of one type, once everything decided is on the topic; AssertionError unless this many."""
        row = await self.running.fetch("SELECT coalesce(sum(sequence), 0) AS events FROM referral")
        decided = row[0]["events"]
        events = await self.place.wait_for(Topic.REFERRALS, lambda e: len(e) >= decided, what=f"{decided} events")
        found = [event for event in events if isinstance(event, kind)]
        assert len(events) == decided
        assert len(found) == count, [type(event).__name__ for event in events]
        return found

    async def items(self) -> dict[str, dict[str, Any]]:
        """The open items of the worklist by kind."""
        answer = await self.client.get("/v1/worklist")
        return {item["kind"]: item for item in answer.json()["items"]}

    async def until_rows(self, query: str, count: int) -> None:
        """Wait until a query gives this many rows."""

        async def are_there() -> bool:
            return len(await self.running.fetch(query)) == count

        await until(are_there, what=f"{count} rows of {query}")

    async def act(self, item: dict[str, Any], action: str, body: dict[str, Any] | None = None) -> httpx.Response:
        return await self.client.post(f"/v1/worklist/{item['id']}/{action}", json=body or {})

    def matching(self, event: Event) -> MatchingProfile:
        return self.opened(event, Audience.MATCHER, MatchingProfile)

    def contact(self, event: Event) -> ContactProfile:
        return self.opened(event, Audience.NOTIFIER, ContactProfile)

    def origin(self, event: Event) -> Origin:
        return self.opened(event, Audience.DESK, Origin)

    def pseudonym(self, system: str, value: str) -> str:
        pseudonyms: Pseudonyms | None = self.running.transactions.surroundings.keys.pseudonyms
        assert pseudonyms is not None
        return pseudonyms.of(system, value)

    def opened(self, event: Event, audience: Audience, kind: type[P]) -> P:
        """What an event tells one audience."""
        sealed = getattr(event.sealed, audience.value)
        return self.place.opener.open(sealed, kind, referral_id=event.referral_id, event_type=event.name)


@asynccontextmanager
async def an_intake(place: Workplace, *, role: str = "coordinator", ready: bool = True) -> AsyncIterator[Intake]:
    """Intake as its own composition root builds it, ready unless said otherwise."""
    folder = place.folder / "secrets"
    folder.mkdir(parents=True, exist_ok=True)
    stored = folder / "shcp-risk-webhook"
    if not stored.exists():
        stored.write_text("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())
        (folder / "rehearsal.secret").write_text(stored.read_text())
    sources = REPOSITORY / "deploy" / "sources.yaml"
    settings = place.settings(Settings, "intake", sources=sources, source_secrets=folder)
    async with place.running(intake_service(settings), role=role, ready=ready) as running:
        yield Intake(place, running, stored.read_text())


def a_report(*people: str | dict[str, Any], incident: str = "EV-1", **said: Any) -> dict[str, Any]:
    """Peerline's own report, of an hour ago, that names these NPIs as involved."""
    recorded = datetime.now(UTC) - timedelta(minutes=30)
    named = [
        {"identifier": {"system": "npi", "value": person}} if isinstance(person, str) else person for person in people
    ]
    report = {
        "peerline": "incident-report/1",
        "incident_id": incident,
        "occurred_at": (recorded - timedelta(hours=1)).isoformat(),
        "recorded_at": recorded.isoformat(),
        "actuality": "actual",
        "severity": 3,
        "participants": named,
    }
    return report | said


def a_step(event: Event, step: str, sequence: int = 1) -> OutreachLogged:
    """What notifier logs about a referral."""
    return OutreachLogged(
        event_id=uuid4(),
        referral_id=event.referral_id,
        programme=event.programme,
        sequence=sequence,
        occurred_at=datetime.now(UTC),
        phase=Phase.CLOSED if step == "closed" else Phase.OPEN,
        step=step,
        into=event.into if isinstance(event, ReferralJoined) and step == "join-refused" else None,
    )


async def follow(intake: Intake, *steps: OutreachLogged) -> None:
    """Publish steps as notifier would, and wait until intake has taken them."""
    before = len(await intake.running.fetch("SELECT FROM inbox"))
    await intake.place.publish(*steps, source="/peerline/notifier")
    await intake.until_rows("SELECT FROM inbox", before + len(steps))


async def standing_of(intake: Intake, referral_id: UUID | str) -> str:
    rows = await intake.running.fetch("SELECT standing FROM referral WHERE referral_id = $1", UUID(str(referral_id)))
    return str(rows[0]["standing"])


def kind_of(intake: Intake, event: ReferralWithdrawn) -> str:
    return str(intake.opened(event, Audience.NOTIFIER, Withdrawal).kind)
