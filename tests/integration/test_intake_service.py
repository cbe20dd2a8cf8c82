"""Intake as a running service: its doors over HTTP and Kafka."""

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime, timedelta

from peerline.events import (
    ParticipantUnresolved,
    ReferralCreated,
    ReferralJoined,
    Topic,
)

from tests.support.intake_place import a_report, an_intake
from tests.support.workplace import Workplace


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
