"""Partitions that are taken over: until then, and where there are none, and where the topic lacks what comes next."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from peerline.cloudevents import headers_of
from peerline.events import Topic

from tests.support.counter import NOW, Counter, a_referral, quarantined
from tests.support.workplace import Running, Workplace, until


async def checks(service: Running) -> dict[str, Any]:
    found: dict[str, Any] = (await service.client.get("/ready")).json()["checks"]
    return found


async def listed(service: Running, kind: str) -> list[dict[str, Any]]:
    items = (await service.client.get("/v1/worklist")).json()["items"]
    return [item for item in items if item["kind"] == kind]


async def matched(place: Workplace, count: int) -> None:
    await place.wait_for(Topic.MATCHES, lambda found: len(found) == count, seconds=60)


async def test_a_service_is_ready_once_its_partitions_are_taken_over(
    workplace: Workplace, counter: Counter, tmp_path: Path
) -> None:
    async with workplace.running(counter.service(workplace, tmp_path)):
        pass
    holder = await asyncpg.connect(workplace.database("matcher"))
    async with workplace.running(counter.service(workplace, tmp_path), ready=False) as service:

        async def waits() -> bool:
            query = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%owned.epoch + 1%'"
            return bool(await service.fetch(f"{query} AND datname = current_database()"))

        async def is_ready() -> bool:
            return (await service.client.get("/ready")).status_code == 200

        async with holder.transaction():
            await holder.fetch("SELECT FROM consumer_offset FOR UPDATE")
            await until(waits, seconds=60, what="the partitions to be given by the group")
            meanwhile = (await checks(service))["consumer"]
        await until(is_ready, seconds=60, what="readiness")
    await holder.close()

    assert (meanwhile["ok"], meanwhile["partitions"]) == (False, 0)


async def test_a_replica_for_which_no_partition_is_left_is_ready_too(workplace: Workplace, tmp_path: Path) -> None:
    async with AsyncExitStack() as running:
        replicas = [
            await running.enter_async_context(workplace.running(Counter().service(workplace, tmp_path), ready=False))
            for _ in range(3)
        ]

        async def are_well() -> bool:
            answers = [await checks(each) for each in replicas]
            well = [found["consumer"]["ok"] and found["broker"]["ok"] for found in answers]
            return all(well) and sorted(found["consumer"]["partitions"] for found in answers) == [0, 1, 1]

        await until(are_well, seconds=60, what="all of three on two partitions to be well")


async def test_offsets_without_records_are_passed_after_a_second_look_each_time(
    workplace: Workplace, counter: Counter, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    referrals = [a_referral(workplace, number) for number in range(3)]
    producer = AIOKafkaProducer(
        bootstrap_servers=workplace.servers.bootstrap, transactional_id=f"{workplace.prefix}hospital"
    )
    await producer.start()
    try:
        for referral in referrals:  # each transaction ends with a mark that has an offset and is no record
            async with producer.transaction():
                headers = headers_of(referral, source="/peerline/intake", time=NOW, traceparent=None)
                key, topic = str(referral.referral_id).encode(), f"{workplace.prefix}{Topic.REFERRALS}"
                await producer.send(topic, referral.body(), key=key, headers=headers, partition=0)
    finally:
        await producer.stop()

    async with workplace.running(counter.service(workplace, tmp_path), ready=False) as service:
        await matched(workplace, 3)
        aside = await quarantined(service)
        read, other = await service.fetch(
            'SELECT epoch FROM consumer_offset WHERE topic = $1 ORDER BY "partition"',
            f"{workplace.prefix}{Topic.REFERRALS}",
        )

    assert read["epoch"] > other["epoch"]  # it was taken over again, which is the second look
    assert [number for _, number in counter.taken] == [each.referral_id for each in referrals]
    assert aside == []
    assert capfd.readouterr().out.count("offsets_without_records") == 2


async def test_a_topic_that_was_made_anew_stands_still_until_an_operator_has_it_read_from_its_beginning(
    workplace: Workplace, counter: Counter, tmp_path: Path
) -> None:
    await workplace.publish(a_referral(workplace, 1))
    async with workplace.running(counter.service(workplace, tmp_path)) as service:
        await matched(workplace, 1)
        await service.fetch("UPDATE consumer_offset SET next_offset = 1000")
    async with workplace.running(counter.service(workplace, tmp_path), ready=False) as service:
        await until(lambda: _is_halted(service), seconds=60, what="the topic to be halted")
        [item] = await listed(service, "position-beyond-end")
        resolved = await service.client.post(f"/v1/worklist/{item['id']}/resolve")
        await service.fetch("UPDATE consumer_offset SET next_offset = 0")  # as where the topic has grown meanwhile
    await workplace.publish(*[a_referral(workplace, number) for number in range(2, 8)])

    async with workplace.running(counter.service(workplace, tmp_path), ready=False) as service:
        await until(lambda: _is_halted(service), seconds=60, what="the topic to be halted after a restart too")
        meanwhile = len(counter.taken)
        done = await service.client.post(f"/v1/worklist/{item['id']}/read-from-beginning")
        await matched(workplace, 7)
        await until(lambda: _is_well(service), seconds=60, what="the consumer to be well")
        left = await listed(service, "position-beyond-end")

    assert (item["urgent"], item["actions"]) == (True, ["read-from-beginning"])
    assert (resolved.status_code, done.status_code) == (409, 200)
    assert meanwhile == 1
    assert len(counter.taken) == 7
    assert left == []


async def _is_halted(service: Running) -> bool:
    return "position-beyond-end" in (await checks(service))["consumer"]["halted"].values()


async def _is_well(service: Running) -> bool:
    return bool((await checks(service))["consumer"]["ok"])


async def test_what_a_topic_dropped_before_it_was_read_is_said_once_and_the_rest_is_taken(
    workplace: Workplace, counter: Counter, tmp_path: Path
) -> None:
    read, dropped, left = [[a_referral(workplace, n) for n in range(start, start + 8)] for start in (0, 8, 16)]
    await workplace.publish(*read)
    async with workplace.running(counter.service(workplace, tmp_path)):
        await matched(workplace, 8)
    await workplace.publish(*dropped)
    ends = await _drop_all(workplace)
    await workplace.publish(*left)

    async with workplace.running(counter.service(workplace, tmp_path)) as service:
        await matched(workplace, 16)
        items = await listed(service, "records-lost")
        lost = await service.client.get("/metrics")
        for item in items:
            await service.client.post(f"/v1/worklist/{item['id']}/resolve")
    async with workplace.running(counter.service(workplace, tmp_path)) as service:
        again = await listed(service, "records-lost")

    assert {item["subject"] for item in items} == {f"{each.topic}/{each.partition}/{end}" for each, end in ends.items()}
    assert all(item["urgent"] for item in items)
    assert f'peerline_records_lost_total{{topic="{workplace.prefix}{Topic.REFERRALS}"}} 8.0' in lost.text
    assert again == []
    assert [name for name, _ in counter.taken] == ["referral-created"] * 16


async def _drop_all(place: Workplace) -> dict[TopicPartition, int]:
    """Have Kafka drop what stands on the referrals' topic; gives where each partition begins then."""
    ends: dict[TopicPartition, int] = {}
    for record in await place.records(Topic.REFERRALS):
        partition = TopicPartition(record.topic, record.partition)
        ends[partition] = max(ends.get(partition, 0), record.offset + 1)
    admin = AIOKafkaAdminClient(bootstrap_servers=place.servers.bootstrap)
    await admin.start()
    try:
        await admin.delete_records({each: RecordsToDelete(before_offset=end) for each, end in ends.items()})
    finally:
        await admin.close()
    return ends
