"""Intake as a running service: its doors over HTTP and Kafka. What the other intake tests share stands here too."""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx
from intake.main import service as intake_service
from intake.settings import Settings
from peerline.compartments import ContactProfile, MatchingProfile, Origin
from peerline.events import (
    Audience,
    Event,
    ParticipantUnresolved,
    ReferralAmended,
    ReferralCreated,
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


async def test_a_signed_report_offers_every_involved_physician_support_once(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()
        report = a_report("1001", "1002", "1005", reporter={"identifier": {"system": "npi", "value": "1004"}})

        answer = await intake.send(report)

        assert answer.status_code == 202
        receipt = answer.json()
        assert (receipt["offered"], receipt["not_eligible"], receipt["unresolved"]) == (2, 1, 0)
        created = await intake.published(ReferralCreated, 2)
        ada = next(event for event in created if intake.contact(event).name == "Ada Kestrel")
        assert ada.received_at == datetime.fromisoformat(report["recorded_at"])
        assert intake.origin(ada).incident == "EV-1"
        assert intake.pseudonym("npi", "1001") in intake.matching(ada).person
        assert intake.matching(ada).attributes == {"role": "physician"}
        excluded = set(intake.matching(ada).excluded)
        # Involved, reporter, supervisor, the nurse: by every identifier that the directory has of them.
        for system, value in [("npi", "1002"), ("shcp-staff", "s-4"), ("npi", "1003"), ("npi", "1005")]:
            assert intake.pseudonym(system, value) in excluded
        assert intake.pseudonym("npi", "1001") not in excluded


async def test_the_same_delivery_is_answered_the_same_whatever_happened_since(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        report = a_report("1001")
        first = await intake.send(report, webhook_id="msg-1")
        await intake.load()

        again = await intake.send(report, webhook_id="msg-1")
        replayed = await intake.send(report, webhook_id="msg-2")

        assert first.json()["unresolved"] == 1
        assert again.json() == first.json()
        assert replayed.json()["offered"] == 1
        await intake.published(ReferralCreated, 1)


async def test_a_receipt_outlives_the_process_that_gave_it(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()
        first = await intake.send(report := a_report("1001"), webhook_id="msg-1")

    async with an_intake(workplace) as intake:
        again = await intake.send(report, webhook_id="msg-1")

        assert (again.status_code, again.json()) == (202, first.json())
        await intake.published(ReferralCreated, 1)


async def test_processes_that_race_on_one_incident_refer_each_person_once(workplace: Workplace) -> None:
    async with an_intake(workplace) as one, an_intake(workplace) as other:
        await one.load()
        by_reference = {"reference": "Practitioner/dr-77"}
        reports = [a_report("1001", "1002"), a_report(by_reference, "1003"), a_report("1002", by_reference, "9999")]

        answers = await asyncio.gather(*(each.send(r) for r in reports for each in (one, other) for _ in range(4)))

        assert {answer.status_code for answer in answers} == {202}
        created = await one.published(ReferralCreated, 3)
        assert len({one.contact(event).name for event in created}) == 3
        await one.published(ParticipantUnresolved, 1)


async def test_incidents_that_race_for_one_person_open_one_case(workplace: Workplace) -> None:
    async with an_intake(workplace) as one, an_intake(workplace) as other:
        await one.load()
        reports = [a_report("1001", incident=f"EV-{n}") for n in range(12)]

        answers = await asyncio.gather(*((one, other)[n % 2].send(report) for n, report in enumerate(reports)))

        assert sum(answer.json()["offered"] for answer in answers) == 1
        await one.published(ReferralCreated, 1)
        await one.published(ReferralJoined, 11)


async def test_corrections_that_race_lose_nobody(workplace: Workplace) -> None:
    async with an_intake(workplace) as one, an_intake(workplace) as other:
        await one.send(a_report("9000"))

        await asyncio.gather(*((one, other)[n % 2].send(a_report("9000", f"910{n}")) for n in range(8)))

        item = (await one.items())["unresolved"]
        shown = await one.client.get(f"/v1/incidents/{item['subject']}")
        assert len(shown.json()["people"]) == 9
        await one.published(ParticipantUnresolved, 9)


async def test_whoever_did_not_sign_is_answered_401_and_nothing_is_kept(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        body = json.dumps(a_report("1001")).encode()
        good = intake.signed(body, "msg-1")
        old = intake.signed(body, "msg-1", datetime.now(UTC) - timedelta(minutes=6))
        wrong = [
            {},
            old,
            good | {"webhook-id": "msg-2"},
            good | {"webhook-signature": "v1,not-base64!"},
            good | {"webhook-signature": "nonsense"},
            good | {"webhook-signature": "v1,aaaa,bbbb"},
            good | {"webhook-timestamp": "yesterday"},
        ]

        statuses = [
            (await intake.client.post("/v1/adverse-events?source=shcp-risk", content=body, headers=headers)).status_code
            for headers in wrong
        ]
        strange = await intake.send(body, source="nobody")
        other_source = await intake.send(body, source="shcp-quality")

        assert statuses == [401] * len(wrong)
        assert [strange.status_code, other_source.status_code] == [401, 401]
        assert strange.json() == other_source.json()
        assert await intake.running.fetch("SELECT FROM incident") == []


async def test_what_cannot_be_read_is_named_by_code_and_field_never_by_value(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        broken = await intake.send(b'{"secret-name": ')
        wrong = await intake.send(a_report("1001") | {"actuality": "Ada Kestrel"})
        garbled = await intake.send(b'{"name": "\xff\xfe"}')
        large = await intake.send(b"{" + b" " * 1024 * 1024 + b"}")

        assert (broken.status_code, broken.json()["code"]) == (422, "not-json")
        assert (wrong.status_code, wrong.json()["field"]) == (422, "report.actuality")
        assert (garbled.status_code, garbled.json()["code"]) == (422, "not-json")
        assert large.status_code == 413
        assert "secret-name" not in broken.text
        assert "Ada" not in wrong.text


async def test_a_rehearsal_is_answered_and_changes_nothing(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()

        answer = await intake.send(a_report("1001"), source="rehearsal")

        assert (answer.status_code, answer.json()["offered"], answer.json()["rehearsed"]) == (202, 1, True)
        assert await intake.running.fetch("SELECT FROM incident") == []


async def test_the_feed_goes_on_past_records_that_cannot_be_read(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()
        source = [("peerline-source", b"shcp-risk")]
        good = [json.dumps(a_report(npi, incident=f"EV-{npi}")).encode() for npi in ("1001", "1002")]

        await workplace.produce(
            Topic.ADVERSE_EVENTS,
            (b"k", good[0], source),
            (b"k", b"{broken", source),
            (b"k", None, source),
            (b"k", good[0], [("peerline-source", b"\xffwho")]),
            (b"k", good[0], source),
            (b"k", good[1], source),
        )

        await intake.until_rows("SELECT FROM referral", 2)
        await intake.until_rows("SELECT FROM quarantine", 3)
        await intake.published(ReferralCreated, 2)
        rows = await intake.running.fetch("SELECT reason, payload FROM quarantine ORDER BY reason")
        assert [(row["reason"], row["payload"]) for row in rows] == [
            ("no-report", None),
            ("not-json", None),
            ("unknown-source", None),
        ]


async def test_one_incident_through_every_door_gives_one_referral(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()
        report = a_report("1001")
        fhir = {
            "resourceType": "AdverseEvent",
            "identifier": [{"system": "https://risk.example.org/event", "value": "EV-1"}],
            "status": "completed",
            "actuality": "actual",
            "occurrenceDateTime": report["occurred_at"],
            "recordedDate": report["recorded_at"],
            "participant": [{"actor": {"reference": "Practitioner/dr-77"}}],
        }

        await intake.send(report)
        second = await intake.send(fhir)
        record = (b"EV-1", json.dumps(report).encode(), [("peerline-source", b"shcp-risk")])
        await workplace.produce(Topic.ADVERSE_EVENTS, record, record)
        await intake.until_rows("SELECT FROM consumer_offset WHERE topic LIKE '%adverse%' AND next_offset = 2", 1)

        assert second.json()["offered"] == 1
        await intake.published(ReferralCreated, 1)


async def test_a_file_is_taken_row_by_row_and_its_faults_are_named(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()
        today = datetime.now(UTC).strftime("%m/%d/%Y")
        table = "\n".join(
            [
                "Event No.;Date of event;Date entered;Reached patient;Harm category;Void;MRN;Staff ID;"
                "Staff role in event;Entered by",
                f"Q-1;{today} 00:30;{today};yes;F;;m-1;s-1;involved;s-9",
                f"Q-1;{today} 00:30;{today};yes;F;;m-1;s-2;witness;s-9",
                f"Q-2;not a date;{today};yes;F;;m-2;s-3;involved;s-9",
            ]
        )

        for _ in range(2):
            answer = await intake.client.post("/v1/imports?source=shcp-quality", content=table)

        assert answer.status_code == 200
        assert answer.json()["reports"] == 1
        assert answer.json()["receipts"][0]["offered"] == 2
        assert [(fault["line"], fault["column"]) for fault in answer.json()["faults"]] == [(4, "Date of event")]
        await intake.published(ReferralCreated, 2)


async def test_a_report_of_forty_people_is_a_handful_of_statements(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load(*(f"Person {n},p{n}@example.org,{n},s-{n},,physician,," for n in range(40)))
        statements: list[str] = []
        pool = intake.running.transactions.pool
        connections = [await pool.acquire() for _ in range(pool.get_size())]
        for connection in connections:
            connection.add_query_logger(lambda query: statements.append(query.query))
        for connection in connections:
            await pool.release(connection)
        statements.clear()

        answer = await intake.send(a_report(*(str(n) for n in range(40))))

        assert answer.json()["offered"] == 40
        assert max(Counter(statements).values()) < 20  # connections begin, end, and learn types: none for each person


async def test_no_name_address_or_clinical_word_stands_in_the_database_or_on_the_topic(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load("Zyx Canaryname,canary@example.org,7777,s-7,Practitioner/c,physician,,")
        report = a_report("7777", incident="EV-CANARY-9", note="canaryclinical", subject="MRN canarysubject")

        await intake.send(report)
        await intake.enter(person={"name": "Qwe Canaryname", "email": "canary2@example.org"}, programme="shcp")

        await intake.published(ReferralCreated, 2)
        tables = await intake.running.fetch(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        )
        rows = [row for (table,) in tables for row in await intake.running.fetch(f"SELECT t::text FROM {table} AS t")]  # noqa: S608  from the catalogue
        dump = "".join(str(row[0]) for row in rows)
        records = b"".join((r.key or b"") + r.value for r in await workplace.records(Topic.REFERRALS))
        for text in (dump.lower(), records.decode().lower()):
            assert "canary" not in text


async def test_a_correction_offers_support_to_whom_it_adds_and_tells_the_others_whom_to_exclude(
    workplace: Workplace,
) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()
        await intake.send(a_report("1001"))
        before = datetime.now(UTC)

        answer = await intake.send(a_report("1001", "1002"))

        assert answer.json()["offered"] == 2
        created = await intake.published(ReferralCreated, 2)
        late = next(event for event in created if intake.contact(event).name == "Ben Heron")
        assert late.received_at >= before - timedelta(seconds=5)
        amended = (await intake.published(ReferralAmended, 1))[0]
        assert intake.pseudonym("shcp-staff", "s-2") in intake.matching(amended).excluded
        assert amended.sequence == 2


async def test_a_correction_that_leaves_somebody_out_withdraws_nobody_and_asks_a_person(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()
        await intake.send(a_report("1001", "1002"))

        await intake.send(a_report("1001"))

        await intake.published(ReferralWithdrawn, 0)
        assert "participant-removed" in await intake.items()


async def test_a_retraction_takes_every_referral_back_even_of_whom_nobody_knew(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()
        await intake.send(a_report("1001", "9999"))

        await intake.send(a_report("1001", "9999", retracted=True))

        await intake.published(ReferralWithdrawn, 2)
        assert "unresolved" not in await intake.items()


async def test_another_incident_under_the_same_number_is_refused_and_put_to_a_person(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()
        await intake.send(a_report("1001"))
        long_ago = (datetime.now(UTC) - timedelta(days=5)).isoformat()
        other = a_report("1002", occurred_at=long_ago)

        answers = [
            await intake.send(other),
            await intake.send(other, webhook_id="m"),
            await intake.send(other, webhook_id="m"),
        ]

        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(409, "conflicting-report")}
        await intake.published(ReferralCreated, 1)
        assert "conflicting-report" in await intake.items()


async def test_a_further_trigger_for_somebody_with_an_open_case_joins_it(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()
        await intake.send(a_report("1001", incident="EV-1"))

        answer = await intake.send(a_report("1001", "1002", incident="EV-2"))

        assert (answer.json()["offered"], answer.json()["joined"]) == (1, 1)
        joined = (await intake.published(ReferralJoined, 1))[0]
        created = await intake.published(ReferralCreated, 2)
        assert joined.into in {event.referral_id for event in created}
        assert joined.referral_id not in {event.referral_id for event in created}
