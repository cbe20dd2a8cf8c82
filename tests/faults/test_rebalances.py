"""Consumers that come and go, groups whose offsets are lost, events of several versions: order per case, once each."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import DeleteGroupsRequest
from chassis import Consumer, Service, ServiceSettings, UnitOfWork
from peerline.cloudevents import headers_of
from peerline.events import ReferralAmended, ReferralCreated, Topic

from tests.support.counter import NOW, SHCP, Counter, a_referral, a_withdrawal, quarantined
from tests.support.workplace import Running, Workplace, until

CASES, STEPS = 300, 6
STORM = 12.0  # seconds
NOTES = """
CREATE TABLE note (place bigint GENERATED ALWAYS AS IDENTITY, referral_id uuid NOT NULL, sequence int NOT NULL);
"""


def noting(place: Workplace, folder: Path) -> Service:
    """A service that notes each event it takes in, in the order of its transactions."""
    consumer = Consumer("matcher")

    async def note(events: Sequence[ReferralCreated | ReferralAmended], work: UnitOfWork) -> None:
        await work.connection.executemany(
            "INSERT INTO note (referral_id, sequence) VALUES ($1, $2)",
            [(event.referral_id, event.sequence) for event in events],
        )

    consumer.on(ReferralCreated)(note)
    consumer.on(ReferralAmended)(note)
    (folder / "0001_note.sql").write_text(NOTES)
    return Service(name="matcher", settings=place.settings(ServiceSettings, "matcher"), consumer=consumer,
                   migrations=folder)  # fmt: skip


async def tell(place: Workplace, seconds: float) -> None:
    """Tell of every case step by step, the cases interleaved, over this time."""
    cases = [a_referral(place, number) for number in range(CASES)]
    for sequence in range(1, STEPS + 1):
        events = [
            created
            if sequence == 1
            else ReferralAmended(
                event_id=place.ids.event("referral-amended", created.referral_id, sequence),
                referral_id=created.referral_id, programme=SHCP, sequence=sequence, occurred_at=NOW,
            )
            for created in cases
        ]  # fmt: skip
        records = [
            (str(e.referral_id).encode(), e.body(), headers_of(e, source="/test", time=NOW, traceparent=None))
            for e in events
        ]
        await place.produce(Topic.REFERRALS, *records)
        await asyncio.sleep(seconds / STEPS)


async def come_and_go(place: Workplace, folder: Path, seconds: float) -> int:
    """A second consumer that comes and goes every two seconds; gives how often."""
    times, end = 0, asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        async with place.running(noting(place, folder), ready=False):
            await asyncio.sleep(2)
        times += 1
        await asyncio.sleep(2)
    return times


async def notes(service: Running) -> dict[Any, list[int]]:
    found: defaultdict[Any, list[int]] = defaultdict(list)
    for row in await service.fetch("SELECT referral_id, sequence FROM note ORDER BY place"):
        found[row["referral_id"]].append(row["sequence"])
    return found


async def test_fault_27_consumers_that_come_and_go_keep_each_cases_order_and_take_nothing_twice(
    workplace: Workplace, tmp_path: Path
) -> None:
    async with workplace.running(noting(workplace, tmp_path)) as service:
        _, times = await asyncio.gather(tell(workplace, STORM), come_and_go(workplace, tmp_path, STORM))

        async def all_noted() -> bool:
            return sum(map(len, (await notes(service)).values())) >= CASES * STEPS

        await until(all_noted, seconds=60, what="every step of every case")
        found = await notes(service)

    assert times >= 2
    assert len(found) == CASES
    assert {tuple(steps) for steps in found.values()} == {tuple(range(1, STEPS + 1))}


async def delete_group(place: Workplace, group: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=place.servers.bootstrap)
    await admin.start()
    try:
        node = await admin.find_coordinator(group)
        answer = await admin._send_request_to_node(node, DeleteGroupsRequest([group]))
        assert answer.results == [(group, 0)]
    finally:
        await admin.close()


async def test_fault_29_a_group_whose_offsets_are_lost_goes_on_from_the_database_and_says_so(
    workplace: Workplace, tmp_path: Path
) -> None:
    first, second = Counter(), Counter()
    before, after = ([a_referral(workplace, start + number) for number in range(10)] for start in (0, 10))
    await workplace.publish(*before)
    async with workplace.running(first.service(workplace, tmp_path)):
        await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 10)
    await delete_group(workplace, f"{workplace.prefix}peerline-matcher")
    await workplace.publish(*after)

    async with workplace.running(second.service(workplace, tmp_path)) as running:
        matches = await workplace.wait_for(Topic.MATCHES, lambda found: len(found) >= 20)
        metrics = (await running.client.get("/metrics")).text

    assert sorted(referral_id for _, referral_id in second.taken) == sorted(each.referral_id for each in after)
    assert len({match.referral_id for match in matches}) == len(matches) == 20
    assert 'peerline_group_offsets_differ_total{reason="lost"}' in metrics


async def test_fault_26_events_of_older_and_newer_writers_mixed_fold_to_the_same_state(
    workplace: Workplace, tmp_path: Path
) -> None:
    counter = Counter()
    cases = [a_referral(workplace, number) for number in range(12)]
    for number, created in enumerate(cases):
        body = json.loads(created.body()) | ({"asked_through": "door-of-tomorrow"} if number % 2 else {})
        key, headers = (
            str(created.referral_id).encode(),
            headers_of(created, source="/test", time=NOW, traceparent=None),
        )
        newer = [(name, value.replace(b".v1", b".v2") if name == "ce_type" else value) for name, value in headers]
        # A newer writer repeats in its own version what an older reader has to be told in the old one.
        unknown = [("ce_id", str(workplace.ids.event("v2", created.referral_id)).encode())]
        other = [*[pair for pair in newer if pair[0] != "ce_id"], *unknown]
        await workplace.produce(
            Topic.REFERRALS,
            *([(key, b'{"anything": "else"}', other)] if number < 3 else []),
            (key, json.dumps(body).encode(), headers),
        )
        await workplace.publish(a_withdrawal(workplace, created))

    async with workplace.running(counter.service(workplace, tmp_path)) as running:
        await workplace.wait_for(Topic.MATCHES, lambda found: len(found) >= 12)

        async def all_taken() -> bool:
            return len(counter.taken) >= 24

        await until(all_taken, what="the withdrawals")
        set_aside = await quarantined(running)
        items = (await running.client.get("/v1/worklist")).json()["items"]

    for created in cases:
        names = [name for name, referral_id in counter.taken if referral_id == created.referral_id]
        assert names == ["referral-created", "referral-withdrawn"]
    assert set_aside == [("unknown-type", "ce_type")] * 3
    assert [item["kind"] for item in items] == ["quarantined"] * 3
