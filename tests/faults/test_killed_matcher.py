"""Matcher is killed at the calls where a promise could break, and started again on the same database."""

from collections import Counter

from peerline.events import MatchProposed, MatchUnavailable, Topic

from tests.faults.killed_place import a_process, a_referral, client_of, doubled_ids, measured, named
from tests.support.killed import Child, Point
from tests.support.workplace import Workplace

REFERRALS = 40
ONE_SEAT = (
    "supporter_id,name,email,phone,zone,programme,active,trained_at,capacity,identifiers\n"
    "s1,Dr Fenwor,fenwor@staff.example,,,shcp,yes,2025-01-01,1,npi|9000000001\n"
)


async def load_one_seat(place: Workplace, child: Child) -> None:
    async with client_of(place, child) as client:
        answer = await client.put("/v1/roster", content=ONE_SEAT, headers={"content-type": "text/csv"})
    assert (answer.status_code, answer.json()["supporters"]) == (200, 1), answer.text


async def test_fault_02_what_a_relay_killed_after_publishing_left_in_the_outbox_is_not_published_again(
    workplace: Workplace,
) -> None:
    referrals = [a_referral(workplace) for _ in range(REFERRALS)]
    await workplace.publish(*[each.created() for each in referrals])

    async with a_process(workplace, "matcher", Point("before", "chassis.outbox:delete")) as dying:
        await dying.struck()
    published_by_the_first = await workplace.count(Topic.MATCHES)
    async with a_process(workplace, "matcher"):
        events = await workplace.wait_for(Topic.MATCHES, lambda found: len(found) >= REFERRALS, seconds=60)

    assert published_by_the_first > 0
    assert Counter(event.referral_id for event in named(events, MatchUnavailable)) == dict.fromkeys(
        (each.referral_id for each in referrals), 1
    )
    assert await doubled_ids(workplace, Topic.MATCHES) == []


async def test_fault_03_a_matcher_killed_inside_a_transaction_leaks_no_seat(workplace: Workplace) -> None:
    first, second = a_referral(workplace), a_referral(workplace)
    # The first time the case is written as waiting, the second time with its supporter.
    point = Point("after", "matcher.casework:put", nth=2)

    async with a_process(workplace, "matcher", point) as dying:
        await dying.ready()
        await load_one_seat(workplace, dying)
        await workplace.publish(first.created())
        await dying.struck()
    said_by_the_first = await workplace.count(Topic.MATCHES)
    async with a_process(workplace, "matcher"):
        await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 1, seconds=60)
        await workplace.publish(second.created())
        await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 2)
        await workplace.publish(first.logged("closed", 1))
        events = await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 3)

    assert said_by_the_first == 0
    of_first = [event for event in events if event.referral_id == first.referral_id]
    of_second = [event for event in events if event.referral_id == second.referral_id]
    assert [(type(event), getattr(event, "attempt", 0)) for event in of_first] == [(MatchProposed, 1)]
    assert [type(event) for event in of_second] == [MatchUnavailable, MatchProposed]


async def test_fault_04_a_matcher_killed_before_kafka_knows_its_position_takes_nothing_twice(
    workplace: Workplace,
) -> None:
    referrals = [a_referral(workplace) for _ in range(REFERRALS)]
    await workplace.publish(*[each.created() for each in referrals])

    async with a_process(workplace, "matcher", Point("before", "aiokafka:AIOKafkaConsumer.commit")) as dying:
        await dying.struck()
    async with a_process(workplace, "matcher") as second:
        await second.ready()
        events = await workplace.wait_for(Topic.MATCHES, lambda found: len(found) >= REFERRALS, seconds=60)
        taken = await measured(second, "peerline_events_taken_total")
        repeated = await measured(second, "peerline_events_repeated_total")

    assert (taken < REFERRALS, repeated) == (True, 0)
    assert Counter(event.referral_id for event in events) == dict.fromkeys((e.referral_id for e in referrals), 1)
    assert await doubled_ids(workplace, Topic.MATCHES) == []
