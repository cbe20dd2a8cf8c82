"""What tools that look at a group's lag find on Kafka: where the service stands in PostgreSQL, a second later at most."""

from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from peerline.events import Topic

from tests.support.counter import Counter, a_referral
from tests.support.workplace import Workplace, until


async def told(place: Workplace) -> int:
    """How many records of the referrals the group's own offsets on Kafka count as taken."""
    admin = AIOKafkaAdminClient(bootstrap_servers=place.servers.bootstrap)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(f"{place.prefix}peerline-matcher")
        return sum(at.offset for each, at in offsets.items() if each.topic == f"{place.prefix}{Topic.REFERRALS}")
    finally:
        await admin.close()


async def matched(place: Workplace, count: int) -> None:
    await place.wait_for(Topic.MATCHES, lambda found: len(found) == count)


async def test_the_last_of_what_is_taken_in_quick_succession_is_told_as_well(
    workplace: Workplace, counter: Counter, tmp_path: Path
) -> None:
    async with workplace.running(counter.service(workplace, tmp_path)):
        for count in range(1, 9):
            await workplace.publish(a_referral(workplace, count))
            await matched(workplace, count)

        async def all_are_told() -> bool:
            return await told(workplace) == 8

        await until(all_are_told, what="the group's offsets to count all eight")

    assert len(counter.taken) == 8
