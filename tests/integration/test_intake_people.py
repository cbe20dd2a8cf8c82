"""The directory, the worklist, and who is involved, in a running intake."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from peerline.events import (
    ParticipantUnresolved,
    ReferralAmended,
    ReferralCreated,
    ReferralWithdrawn,
)

from tests.support.intake_place import a_report, an_intake, kind_of
from tests.support.workplace import Workplace

LATE = "Flo Late,flo@example.org,2001,s-21,Practitioner/dr-99,physician,,"


async def test_a_directory_is_taken_from_a_fhir_bundle_and_changes_only_what_is_new(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        bundle = {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [
                {
                    "fullUrl": "https://risk.example.org/fhir/Practitioner/dr-77",
                    "resource": {
                        "resourceType": "Practitioner",
                        "id": "dr-77",
                        "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1001"}],
                        "name": [{"text": "Ada Kestrel"}],
                        "telecom": [{"system": "email", "value": "ada@example.org"}],
                    },
                },
                {
                    "resource": {
                        "resourceType": "PractitionerRole",
                        "practitioner": {"reference": "Practitioner/dr-77"},
                        "code": [{"text": "physician"}],
                    }
                },
            ],
        }
        kind = {"content-type": "application/fhir+json"}

        first = await intake.client.put("/v1/directory?source=shcp-risk", json=bundle, headers=kind)
        again = await intake.client.put("/v1/directory?source=shcp-risk", json=bundle, headers=kind)
        answer = await intake.send(a_report({"reference": "Practitioner/dr-77"}))

        assert (first.json()["entries"], first.json()["new"], first.json()["changed"]) == (1, 1, 0)
        assert (again.json()["new"], again.json()["changed"]) == (0, 0)
        assert answer.json()["offered"] == 1


async def test_a_directory_in_no_known_form_is_refused(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        form = await intake.client.put("/v1/directory", content=b"a,b", headers={"content-type": "text/html"})
        table = await intake.client.put("/v1/directory", content=b"a,b\n1,2", headers={"content-type": "text/csv"})
        source = await intake.client.put("/v1/directory?source=x", content=b"", headers={"content-type": "text/csv"})

        assert (form.status_code, table.status_code, source.status_code) == (415, 422, 422)
        assert (table.json()["code"], table.json()["field"]) == ("missing-column", "name")


async def test_who_was_unknown_is_referred_under_the_same_id_once_the_directory_knows_them(
    workplace: Workplace,
) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()
        report = a_report("1001", {"reference": "Practitioner/dr-99"})
        await intake.send(report)
        unresolved = (await intake.published(ParticipantUnresolved, 1))[0]
        assert (await intake.items())["unresolved"]["programme"] == "shcp"

        loaded = await intake.load(LATE)

        assert loaded["resolved"] == 1
        created = await intake.published(ReferralCreated, 2)
        late = next(event for event in created if event.referral_id == unresolved.referral_id)
        assert late.received_at == unresolved.received_at == datetime.fromisoformat(report["recorded_at"])
        assert intake.contact(late).name == "Flo Late"
        assert late.sequence == 2
        # The other referral now learns identifiers that matcher can exclude.
        amended = (await intake.published(ReferralAmended, 1))[0]
        assert intake.pseudonym("npi", "2001") in intake.matching(amended).excluded
        assert "unresolved" not in await intake.items()


async def test_who_turns_out_to_be_no_physician_is_withdrawn_as_not_eligible(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.send(a_report("2001"))

        loaded = await intake.load(LATE.replace("physician", "technician"))

        assert loaded["resolved"] == 1
        assert kind_of(intake, (await intake.published(ReferralWithdrawn, 1))[0]) == "not-eligible"
        assert "unresolved" not in await intake.items()


async def test_a_load_and_reports_that_meet_leave_nobody_behind(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        people = [f"P {n},p{n}@example.org,3{n:03},t-{n},Practitioner/q-{n},physician,," for n in range(30)]
        reports = [a_report(f"3{n:03}", incident=f"EV-{n}") for n in range(30)]

        await asyncio.gather(intake.load(*people), *(intake.send(report) for report in reports))

        await intake.until_rows("SELECT FROM referral WHERE standing = 'open'", 30)
        await intake.published(ReferralCreated, 30)


async def test_not_a_physician_is_remembered_for_the_next_report(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.send(a_report("9998", "9999"))
        item = (await intake.items())["unresolved"]

        acted = await intake.act(item, "not-a-physician")
        answer = await intake.send(a_report("9999", incident="EV-2"))

        assert acted.status_code == 200
        assert [kind_of(intake, event) for event in await intake.published(ReferralWithdrawn, 2)] == [
            "not-eligible"
        ] * 2
        assert (answer.json()["unresolved"], answer.json()["not_eligible"]) == (0, 1)
        assert "unresolved" not in await intake.items()


async def test_the_item_stays_for_those_of_whom_nothing_was_said(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.send(a_report("9998", "9999"))
        chosen = (await intake.published(ParticipantUnresolved, 2))[0].referral_id

        await intake.act((await intake.items())["unresolved"], "not-a-physician", {"referral_ids": [str(chosen)]})

        await intake.until_rows("SELECT FROM worklist_item WHERE kind = 'unresolved' AND resolved_at IS NULL", 1)
        await intake.published(ReferralWithdrawn, 1)


async def test_an_old_report_waits_for_a_person_and_then_keeps_its_clock(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()
        month_ago = (datetime.now(UTC) - timedelta(days=30)).isoformat()
        report = a_report("1001", occurred_at=month_ago)

        answer = await intake.send(report)
        await intake.published(ReferralCreated, 0)
        acted = await intake.act((await intake.items())["old-report"], "offer")

        assert (answer.json()["offered"], answer.json()["held"], acted.status_code) == (0, 1, 200)
        created = (await intake.published(ReferralCreated, 1))[0]
        assert created.received_at == datetime.fromisoformat(report["recorded_at"])


async def test_an_incident_that_names_nobody_waits_until_a_person_names_somebody(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()
        await intake.send(a_report())
        item = (await intake.items())["nobody-named"]
        shown = await intake.client.get(f"/v1/incidents/{item['subject']}")

        wrong = await intake.act(item, "add-people", {"people": [{"name": "Ada"}]})
        acted = await intake.act(item, "add-people", {"people": [{"system": "npi", "value": "1001"}]})

        assert shown.json()["incident_id"] == "EV-1"
        assert (wrong.status_code, wrong.json()["field"], acted.status_code) == (422, "people", 200)
        created = (await intake.published(ReferralCreated, 1))[0]
        assert intake.origin(created).incident == "EV-1"


async def test_authors_and_teams_are_put_to_a_person(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()
        author = {"identifier": {"system": "npi", "value": "1002"}, "involvement": "author"}

        answer = await intake.send(a_report("1001", author))

        assert (answer.json()["offered"], answer.json()["to_decide"]) == (1, 1)
        assert "decide-involvement" in await intake.items()


async def test_a_near_miss_is_counted_and_a_graver_correction_leads_to_an_offer(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()

        first = await intake.send(a_report("1001", actuality="potential"))
        second = await intake.send(a_report("1001"))

        assert (first.json()["not_eligible"], second.json()["offered"]) == (1, 1)
        assert await intake.items() == {}


async def test_nobody_without_a_coordinators_token_sees_or_enters_anything(workplace: Workplace) -> None:
    async with an_intake(workplace, role="operator") as intake:
        put = await intake.client.put("/v1/directory", content=b"", headers={"content-type": "text/csv"})
        entered = await intake.enter()
        brought = await intake.client.post("/v1/imports?source=shcp-quality", content=b"")
        seen = await intake.client.get(f"/v1/incidents/{uuid4()}")

        assert [answer.status_code for answer in (put, entered, brought, seen)] == [403] * 4


async def test_an_incident_that_cannot_be_looked_at_again_is_set_aside_and_the_others_go_on(
    workplace: Workplace,
) -> None:
    async with an_intake(workplace) as intake:
        for incident in ("EV-1", "EV-2"):
            await intake.send(a_report("2001", incident=incident))
        await intake.running.fetch(
            "UPDATE incident SET source = 'gone' WHERE incident_key = (SELECT min(incident_key::text)::uuid FROM incident)"
        )

        await intake.load(LATE)

        await intake.until_rows("SELECT FROM worklist_item WHERE kind = 'stuck' AND resolved_at IS NULL", 1)
        assert len(await intake.published(ReferralCreated, 1)) == 1
        assert await intake.running.fetch("SELECT FROM incident WHERE to_review") == []
