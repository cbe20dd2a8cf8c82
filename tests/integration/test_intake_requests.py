"""Requests entered by coordinators, and what outreach reports back of a case, in a running intake."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from peerline.events import (
    ReferralCreated,
    ReferralJoined,
    ReferralWithdrawn,
)

from tests.support.intake_place import a_report, a_step, an_intake, follow, kind_of, standing_of
from tests.support.workplace import Workplace


async def test_a_request_is_taken_once_with_the_time_at_which_it_was_made(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()
        days_ago = (datetime.now(UTC) - timedelta(days=3)).isoformat()
        said = {"request_id": "r-1", "received_at": days_ago, "reason": "adverse_event"}

        first = await intake.enter(**said)
        again = await intake.enter(**said)
        other = await intake.enter(**said, door="self")

        assert (first.status_code, first.json()["outcome"]) == (201, "offered")
        assert (again.status_code, again.json()) == (201, first.json())
        assert (other.status_code, other.json()["code"]) == (409, "request-id-reused")
        created = (await intake.published(ReferralCreated, 1))[0]
        assert created.received_at == datetime.fromisoformat(days_ago)
        assert (intake.origin(created).door, intake.origin(created).reason) == ("phone", "adverse_event")


async def test_a_request_and_a_report_about_one_physician_are_one_case(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()
        colleague = {"system": "npi", "value": "1002"}

        entered = await intake.enter(door="colleague", referrer=colleague)
        reported = await intake.send(a_report("1001"))

        assert reported.json()["joined"] == 1
        created = (await intake.published(ReferralCreated, 1))[0]
        assert str(created.referral_id) == entered.json()["referral_id"]
        assert intake.pseudonym("shcp-staff", "s-2") in intake.matching(created).excluded
        assert (await intake.published(ReferralJoined, 1))[0].into == created.referral_id


async def test_requests_at_one_time_for_somebody_new_are_one_case(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        person = {"name": "Gil Newcomer", "email": "gil@example.org", "phone": "+1 207 555 0100"}

        answers = await asyncio.gather(*(intake.enter(person=person, programme="shcp") for _ in range(6)))

        assert sorted(answer.json()["outcome"] for answer in answers) == ["joined"] * 5 + ["offered"]
        created = (await intake.published(ReferralCreated, 1))[0]
        assert intake.contact(created).phone == "+1 207 555 0100"


@pytest.mark.parametrize(
    ("said", "status", "code", "field"),
    [
        ({"received_at": "2999-01-01T00:00:00Z"}, 422, "in-the-future", "received_at"),
        ({"received_at": "2026-01-01T00:00:00"}, 422, "wrong-value", "received_at"),
        ({"door": "adverse-event"}, 422, "unknown-door", "door"),
        ({"programme": "nowhere"}, 422, "unknown-programme", "programme"),
        ({"reason": "boredom"}, 422, "unknown-reason", "reason"),
        ({"person": {"system": "npi", "value": "0"}}, 422, "unknown-person", "person"),
        ({"person": {"name": "Ada"}, "programme": "shcp"}, 422, "missing-field", "person.email"),
        ({"person": {"name": "Ada", "email": "a@example.org"}}, 422, "missing-field", "programme"),
        ({"clinical": "text"}, 422, "wrong-value", "clinical"),
    ],
)
async def test_a_request_that_cannot_be_entered_says_which_field(
    workplace: Workplace, said: dict[str, Any], status: int, code: str, field: str
) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()

        answer = await intake.enter(**said)

        assert (answer.status_code, answer.json()["code"], answer.json().get("field")) == (status, code, field)
        assert await intake.running.fetch("SELECT FROM referral") == []


async def test_somebody_whom_no_programme_serves_is_told_so(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()

        nurse = await intake.enter(person={"system": "npi", "value": "1005"})
        closed_door = await intake.enter(programme="rcaps")

        assert (nurse.status_code, nurse.json()["outcome"]) == (200, "not-eligible")
        assert closed_door.json()["outcome"] == "not-eligible"


async def test_the_physicians_wish_takes_back_their_case_and_all_that_joined_it(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()
        first = (await intake.enter()).json()["referral_id"]
        await intake.send(a_report("1001"))

        answers = [await intake.client.post(f"/v1/referrals/{first}/withdraw") for _ in range(2)]
        unknown = await intake.client.post(f"/v1/referrals/{uuid4()}/withdraw")

        assert [answer.status_code for answer in answers] == [200, 200]
        assert unknown.status_code == 404
        assert [kind_of(intake, event) for event in await intake.published(ReferralWithdrawn, 2)] == ["withdrawn"] * 2


async def test_after_a_case_has_closed_the_next_trigger_opens_another(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()
        await intake.send(a_report("1001"))
        first = (await intake.published(ReferralCreated, 1))[0]

        await follow(intake, a_step(first, "closed"))
        answer = await intake.send(a_report("1001", incident="EV-2"))

        assert answer.json()["offered"] == 1
        await intake.published(ReferralCreated, 2)


async def test_a_refused_join_becomes_a_case_of_its_own_exactly_once(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()
        report = a_report("1001", "1002", incident="EV-2")
        await intake.send(a_report("1001"))
        await intake.send(report)
        joined = (await intake.published(ReferralJoined, 1))[0]

        await follow(intake, a_step(joined, "join-refused", 1), a_step(joined, "join-refused", 2))

        created = [e for e in await intake.published(ReferralCreated, 3) if e.referral_id == joined.referral_id]
        assert [event.received_at for event in created] == [joined.received_at]
        assert intake.pseudonym("npi", "1002") in intake.matching(created[0]).excluded
        assert await standing_of(intake, joined.into) == "closed"


async def test_a_trigger_that_meets_a_retraction_waits_for_what_outreach_says(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()
        await intake.send(a_report("1001"))
        first = (await intake.published(ReferralCreated, 1))[0]
        await intake.send(a_report("1001", retracted=True))

        answer = await intake.send(a_report("1001", incident="EV-2"))
        await intake.published(ReferralCreated, 1)
        await follow(intake, a_step(first, "closed"))

        assert answer.json()["joined"] == 1
        await intake.published(ReferralCreated, 2)
        await intake.published(ReferralJoined, 0)
