"""How late a source reported is said in public by a class of hours, and by nothing else of when it happened."""

from datetime import UTC, datetime, timedelta

from peerline.events import ParticipantUnresolved, ReferralCreated, ReferralJoined, Topic

from tests.support.intake_place import a_report, an_intake
from tests.support.workplace import Workplace

RECORDED = datetime.now(UTC).replace(microsecond=123_000) - timedelta(minutes=30)
FIVE_DAYS = timedelta(days=5, minutes=7)


async def test_whoever_a_source_names_is_said_to_be_reported_within_a_class_of_hours(workplace: Workplace) -> None:
    told = {"recorded_at": RECORDED.isoformat(), "occurred_at": (RECORDED - FIVE_DAYS).isoformat()}
    async with an_intake(workplace) as intake:
        await intake.load()

        await intake.send(a_report("1001", "9000", **told))
        await intake.send(a_report("1001", incident="EV-2"))

        [created] = await intake.published(ReferralCreated)
        [unresolved] = await intake.published(ParticipantUnresolved)
        [joined] = await intake.published(ReferralJoined)
        records = await workplace.records(Topic.REFERRALS)
    classes = [event.reported_within_hours for event in (created, unresolved, joined)]
    assert classes == [168, 168, 72]
    assert all(told["occurred_at"][:10].encode() not in record.value for record in records)


async def test_who_is_unknown_at_first_keeps_the_class_also_over_a_restart(workplace: Workplace) -> None:
    told = {"recorded_at": RECORDED.isoformat(), "occurred_at": (RECORDED - FIVE_DAYS).isoformat()}
    async with an_intake(workplace) as intake:
        await intake.send(a_report("1001", **told))
        await intake.published(ParticipantUnresolved)

    async with an_intake(workplace) as intake:
        await intake.load()
        await intake.until_rows("SELECT FROM referral WHERE standing = 'open'", 1)
        [created] = await intake.published(ReferralCreated)

    assert (created.received_at, created.reported_within_hours) == (RECORDED, 168)


async def test_what_somebody_asked_for_or_nobody_dated_says_nothing_of_it(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()

        await intake.enter()
        await intake.send(a_report("1002", occurred_at=None))

        created = await intake.published(ReferralCreated, 2)
    assert [event.reported_within_hours for event in created] == [None, None]
    assert all(b"reported_within" not in event.body() for event in created)
