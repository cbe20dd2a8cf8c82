"""The relay when single records fail, when its producer is out of step, and when its leader stands still."""

import asyncio
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from signal import SIGSTOP, SIGTERM
from typing import Annotated, Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import OutOfOrderSequenceNumber, ProducerClosed
from chassis import Transactions, relay, topics
from chassis.http import public, transactions_of
from chassis.publisher import Batch
from fastapi import APIRouter, Depends
from peerline.events import MatchConfirmed, Sealed, Topic
from peerline_local.kafka import EmbeddedKafka
from peerline_local.ports import choose_free_port

from tests.faults.killed_place import a_process, a_referral, doubled_ids
from tests.integration.test_chassis_relay import a_relay, an_outbox, left, write
from tests.support import counter
from tests.support.killed import Point
from tests.support.proxy import Proxy
from tests.support.workplace import Workplace, until

SMALL, BIG = b"small", b"x" * 60_000
OTHERS = [f"r{number}".encode() for number in range(20)]


async def take_at_most(place: Workplace, size: int) -> None:
    """Have the broker refuse larger records of matcher's topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=place.servers.bootstrap)
    await admin.start()
    try:
        topic = f"{place.prefix}{Topic.MATCHES}"
        await admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, topic, configs={"max.message.bytes": str(size)})]
        )
    finally:
        await admin.close()


async def bodies(place: Workplace) -> dict[bytes, list[bytes]]:
    found: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for record in await place.records(Topic.MATCHES):
        found[record.key].append(record.value)
    return dict(found)


async def test_a_record_that_the_broker_refuses_holds_up_its_own_referral_only_and_goes_out_in_order_later(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "STANDBY", 0.1)
    monkeypatch.setattr(relay, "REFUSED", 2.0)
    await take_at_most(workplace, 40_000)
    async with an_outbox(workplace, tmp_path) as pool:
        # One batch and partition hold records of several referrals, and the broker refuses a batch as a whole.
        for number in range(3):
            await write(pool, *[(key, SMALL + str(number).encode()) for key in OTHERS])
            await write(pool, (b"a", BIG if number == 1 else SMALL + str(number).encode()))

        async with a_relay(workplace):
            await until(lambda: are_left(pool, 2), seconds=60, what="all but what is refused")
            while_refused = await bodies(workplace)
            await write(pool, *[(key, SMALL + b"3") for key in OTHERS])
            await until(lambda: are_left(pool, 2), seconds=60, what="what was written meanwhile")
            await take_at_most(workplace, 1_000_000)
            await until(lambda: are_left(pool, 0), seconds=60, what="an empty outbox")

    in_order = [SMALL + str(number).encode() for number in range(4)]
    assert while_refused == {b"a": in_order[:1]} | dict.fromkeys(OTHERS, in_order[:3])
    assert await bodies(workplace) == {b"a": [in_order[0], BIG, in_order[2]]} | dict.fromkeys(OTHERS, in_order)


async def are_left(pool: Any, count: int) -> bool:
    return await left(pool) == count


async def test_a_producer_whose_sequence_the_broker_does_not_accept_is_replaced_and_nothing_is_doubled(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[BaseException] = []
    send = Batch.send

    async def out_of_step(batch: Batch, producer: Any, known_end: int) -> int:
        if b"7" in [record.body for record in batch.records] and not refused:
            for number in range(2):  # as after a batch that was given up: its numbers are missing to the broker
                producer._txn_manager.increment_sequence_number(TopicPartition(batch.topic, number), 3)
        try:
            return await send(batch, producer, known_end)
        except OutOfOrderSequenceNumber as error:
            refused.append(error)
            raise

    monkeypatch.setattr(Batch, "send", out_of_step)
    monkeypatch.setattr(relay, "STANDBY", 0.1)
    async with an_outbox(workplace, tmp_path) as pool, a_relay(workplace):
        for number in range(20):
            await write(pool, *[(key, str(number).encode()) for key in OTHERS])
            if number == 5:
                await until(lambda: are_left(pool, 0), what="the first to be out")
        await until(lambda: are_left(pool, 0), seconds=60, what="an empty outbox")

    assert refused
    assert await bodies(workplace) == {key: [str(number).encode() for number in range(20)] for key in OTHERS}


@pytest.mark.timeout(180)
async def test_a_leader_that_stands_still_is_replaced_and_when_it_goes_on_doubles_nothing(
    workplace: Workplace,
) -> None:
    referrals = [a_referral(workplace) for _ in range(40)]
    lease: dict[str, object] = {
        "chassis.relay:LEASE.idle_session_timeout": "3s",
        "chassis.relay:STANDBY": 0.2,
        "chassis.database:PATIENCE.idle_in_transaction_session_timeout": "3s",  # of its open batch, if it has one
        "chassis.database:PATIENCE.transaction_timeout": "6s",
    }
    in_the_middle = Point("after", "chassis.publisher:Batch.send", SIGSTOP)

    async with a_process(workplace, "matcher", in_the_middle, constants=lease) as leader:
        await leader.ready()
        async with a_process(workplace, "matcher", constants=lease) as standby:
            await standby.ready()
            await workplace.publish(*[each.created() for each in referrals[:30]])
            await leader.struck()
            await workplace.wait_for(Topic.MATCHES, lambda found: len(found) >= 30, seconds=60)
            leader.go_on()
            await leader.ready()
            standby.popen.send_signal(SIGTERM)
            await asyncio.to_thread(standby.popen.wait, 30)
        await workplace.publish(*[each.created() for each in referrals[30:]])
        events = await workplace.wait_for(Topic.MATCHES, lambda found: len(found) >= 40, seconds=60)

    assert {event.referral_id for event in events} == {each.referral_id for each in referrals}
    assert await doubled_ids(workplace, Topic.MATCHES) == []


@pytest.mark.parametrize("then", ["pass", "hang"])
async def test_a_producer_is_let_go_of_while_what_it_sends_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    monkeypatch.setattr(relay, "PULSE", 1.0)
    port = choose_free_port()
    with EmbeddedKafka(tmp_path, proxy_port=port) as kafka:
        async with Proxy(kafka.behind_proxy, port) as proxy:
            await topics.apply(kafka.bootstrap, partitions=1)
            producer = AIOKafkaProducer(bootstrap_servers=f"127.0.0.1:{port}", enable_idempotence=True)
            await producer.start()
            await producer.send_and_wait(Topic.MATCHES, b"first")
            await proxy.obey("hang")
            sending = asyncio.create_task(producer.send_and_wait(Topic.MATCHES, b"under way"))
            await until(lambda: is_sending(producer), what="the record to be under way")

            letting_go = asyncio.create_task(relay._drop(producer))
            await asyncio.sleep(0)
            await proxy.obey("cut")
            await proxy.obey(then)
            await asyncio.wait_for(letting_go, 10)
            await asyncio.wait([sending])

    assert isinstance(sending.exception(), ProducerClosed)


async def is_sending(producer: AIOKafkaProducer) -> bool:
    return bool(producer._sender._in_flight)


def entering(place: Workplace) -> APIRouter:
    """A door through which a referral is matched at once; its size is in the hands of who asks."""
    router = APIRouter()

    @router.post("/v1/enter", dependencies=[Depends(public)])
    async def enter(size: int, transactions: Annotated[Transactions, Depends(transactions_of)]) -> dict[str, bool]:
        async with transactions.begin() as work:
            await work.open_item("entered", subject=str(size))
            for number, sealed in enumerate(["small", "x" * size]):
                referral = counter.a_referral(place, size + number)
                work.publish(
                    MatchConfirmed(
                        event_id=work.ids.event("match-confirmed", referral.referral_id, 1),
                        referral_id=referral.referral_id, programme=referral.programme, sequence=1,
                        occurred_at=work.now, match_id=referral.referral_id, attempt=1, sealed=Sealed(desk=sealed),
                    )
                )  # fmt: skip
        return {"entered": True}

    return router


async def test_an_event_above_the_limit_refuses_its_whole_transaction_and_whoever_asked_is_told_so(
    workplace: Workplace, tmp_path: Path
) -> None:
    described = replace(counter.Counter().service(workplace, tmp_path), routers=[entering(workplace)])
    async with workplace.running(described) as running:
        refused = await running.client.post("/v1/enter?size=300000")
        taken = await running.client.post("/v1/enter?size=200000")
        events = await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 2)
        items = (await running.client.get("/v1/worklist")).json()["items"]

    assert (refused.status_code, refused.json()["code"]) == (413, "too-large")
    assert taken.status_code == 200
    assert {event.referral_id for event in events} == {
        counter.a_referral(workplace, number).referral_id for number in (200_000, 200_001)
    }
    assert [item["subject"] for item in items] == ["200000"]
