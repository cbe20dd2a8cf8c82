"""The delivery path on real Kafka and PostgreSQL: once each, in order, on from where it stood."""

from pathlib import Path

from peerline.events import Topic

from tests.support.counter import Counter, a_referral, a_withdrawal
from tests.support.workplace import Workplace, until


async def test_fault_21_a_redelivered_event_takes_effect_once(
    workplace: Workplace, counter: Counter, tmp_path: Path
) -> None:
    referrals = [a_referral(workplace, number) for number in range(20)]
    await workplace.publish(*referrals, *referrals[:10])

    async with workplace.running(counter.service(workplace, tmp_path)):
        await workplace.publish(*referrals[5:15])
        matches = await workplace.wait_for(Topic.MATCHES, lambda found: len(found) >= 20)

    assert sorted(match.referral_id for match in matches) == sorted(each.referral_id for each in referrals)


async def test_a_restart_continues_where_the_database_stands(
    workplace: Workplace, counter: Counter, tmp_path: Path
) -> None:
    await workplace.publish(a_referral(workplace, 1))
    async with workplace.running(counter.service(workplace, tmp_path)):
        await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 1)
    await workplace.publish(a_referral(workplace, 2))
    again = Counter()

    async with workplace.running(again.service(workplace, tmp_path)):
        await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 2)

    assert [referral_id for _, referral_id in again.taken] == [a_referral(workplace, 2).referral_id]


async def test_a_referrals_events_keep_their_order(workplace: Workplace, counter: Counter, tmp_path: Path) -> None:
    created = [a_referral(workplace, number) for number in range(30)]
    await workplace.publish(*[event for each in created for event in (each, a_withdrawal(workplace, each))])

    async with workplace.running(counter.service(workplace, tmp_path)):
        await until(lambda: _all_taken(counter, 60), what="all events")

    for each in created:
        names = [name for name, referral_id in counter.taken if referral_id == each.referral_id]
        assert names == ["referral-created", "referral-withdrawn"]


async def _all_taken(counter: Counter, count: int) -> bool:
    return len(counter.taken) >= count
