"""What intake does when a source corrects or takes back what it reported, in a running intake."""

from datetime import UTC, datetime, timedelta

from peerline.events import (
    ReferralAmended,
    ReferralCreated,
    ReferralJoined,
    ReferralWithdrawn,
)

from tests.support.intake_place import a_report, an_intake
from tests.support.workplace import Workplace


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
