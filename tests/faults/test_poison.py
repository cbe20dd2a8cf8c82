"""Records that cannot be taken: from a broken writer, from the future, and with an id that was used before."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Literal
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from chassis import Consumer, Service, ServiceSettings, UnitOfWork
from peerline.cloudevents import headers_of
from peerline.events import REGISTRY, OutreachLogged, Phase, ReferralCreated, Topic

from tests.support.counter import NOW, SHCP, Counter, a_referral, quarantined
from tests.support.intake_place import a_report, an_intake
from tests.support.workplace import PARTITIONS, Running, Workplace, until

CANARY = "Quillfeather"
MEBIBYTE = 1024 * 1024
Headers = list[tuple[str, bytes | None]]


async def test_fault_22_the_same_id_with_another_body_is_set_aside_with_an_alarm(
    workplace: Workplace, tmp_path: Path
) -> None:
    counter = Counter()
    first, neighbour = a_referral(workplace, 1), a_referral(workplace, 2)
    other = first.model_copy(update={"received_at": NOW + timedelta(hours=1)})
    await workplace.publish(first, other, neighbour)

    async with workplace.running(counter.service(workplace, tmp_path)) as service:
        matches = await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 2)
        aside = await quarantined(service)
        items = (await service.client.get("/v1/worklist")).json()["items"]
        metrics = (await service.client.get("/metrics")).text

    assert {match.referral_id for match in matches} == {first.referral_id, neighbour.referral_id}
    assert len(counter.taken) == 2
    assert aside == [("same-id-other-body", "")]
    assert [(item["kind"], item["urgent"]) for item in items] == [("quarantined", True)]
    assert f'reason="same-id-other-body",topic="{workplace.prefix}{Topic.REFERRALS}"}} 1.0' in metrics


def _poison(workplace: Workplace, of: ReferralCreated) -> list[tuple[bytes | None, bytes | None, Headers]]:
    """Nine records under a referral's key, or another's, of which none can be taken."""
    key = str(of.referral_id).encode()
    context: Headers = [*headers_of(a_referral(workplace, 3), source=f"/{CANARY}", time=NOW, traceparent=None)]
    return [
        (key, f'{{"name": "{CANARY}"'.encode(), context),
        (key, None, context),
        (key, json.dumps({"name": CANARY * (5 * MEBIBYTE // len(CANARY))}).encode(), context),
        (key, CANARY.encode() + b"\xff\xfe", context),
        (key, CANARY.encode(), [("ce_specversion", None), *[each for each in context if each[0] != "ce_specversion"]]),
        (key, CANARY.encode(), [("ce_specversion", b"1.0"), ("ce_id", CANARY.encode() + b"\xff")]),
        (CANARY.encode(), a_referral(workplace, 3).body(), context),
        (None, a_referral(workplace, 3).body(), context),
        (key, a_referral(workplace, 4).body(), context),
    ]


async def test_fault_24_poison_on_a_topic_of_ours_is_kept_encrypted_and_its_partition_goes_on(
    workplace: Workplace, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    counter = Counter()
    first, last = a_referral(workplace, 1), a_referral(workplace, 2)
    await _let_in_records_of(8 * MEBIBYTE, workplace, Topic.REFERRALS)
    await workplace.publish(first)
    await _produce(workplace, Topic.REFERRALS, *_poison(workplace, first))
    await workplace.publish(last)

    async with workplace.running(counter.service(workplace, tmp_path), ready=False) as service:
        await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 2, seconds=40)
        await until(lambda: _stands_at_the_end(service, workplace), seconds=40, what="the end of the topic")
        aside = await quarantined(service)
        payloads = [row["payload"] for row in await service.fetch("SELECT payload FROM quarantine")]
        dump = str(await service.fetch("SELECT q::text AS everything FROM quarantine q"))
        ready = await service.client.get("/ready")

    assert {referral_id for _, referral_id in counter.taken} == {first.referral_id, last.referral_id}
    assert len(counter.taken) == 2
    assert sorted(reason for reason, _ in aside) == (
        ["invalid"] * 3 + ["mismatch"] * 3 + ["no-body"] + ["not-a-cloudevent"] * 2
    )
    assert all(payload and CANARY.encode() not in payload for payload in payloads)
    assert not any(
        b"ce_specversion" in payload for payload in payloads
    )  # it stands in what is packed, before it is locked
    assert max(len(payload) for payload in payloads) > 5 * MEBIBYTE
    assert CANARY not in dump
    assert CANARY.encode().hex() not in dump
    assert ready.status_code == 200
    written = capfd.readouterr()
    assert CANARY not in written.out + written.err


async def test_fault_24_poison_on_the_feed_is_kept_by_place_and_the_hospitals_go_on(
    workplace: Workplace, capfd: pytest.CaptureFixture[str]
) -> None:
    source: Headers = [("peerline-source", b"shcp-risk")]
    nothing = json.dumps(a_report("1001", incident="EV-1")).encode()
    await _let_in_records_of(8 * MEBIBYTE, workplace, Topic.ADVERSE_EVENTS)

    async with an_intake(workplace) as intake:
        await intake.load()
        await _produce(
            workplace,
            Topic.ADVERSE_EVENTS,
            (b"k", f'{{"name": "{CANARY}"'.encode(), source),
            (b"k", None, source),
            (b"k", json.dumps({"name": CANARY * (5 * MEBIBYTE // len(CANARY))}).encode(), source),
            (b"k", nothing.replace(b"EV-1", b"\xff\xfe"), source),
            (b"k", nothing, [("peerline-source", None)]),
            (b"k", nothing, [("peerline-source", b"\xff")]),
            (b"k", b"[" * 100_000, source),
            (b"k", nothing.replace(b"EV-1", rf"{CANARY}\u0000".encode()), source),
            (b"k", nothing.replace(b"EV-1", rf"{CANARY}\ud800".encode()), source),
            (b"k", nothing.replace(b"1001", rf"{CANARY}\u0000".encode()), source),
            (b"k", nothing.replace(b'"severity": 3', b'"severity": 1e999'), source),
            (b"other", json.dumps(a_report("1002", incident="EV-2")).encode(), source),
            (b"k", json.dumps(a_report("1003", incident="EV-3")).encode(), source),
        )

        await intake.until_rows("SELECT FROM referral WHERE opened", 2)
        ready = await intake.client.get("/ready")
        payloads = await intake.running.fetch("SELECT payload FROM quarantine WHERE payload IS NOT NULL")
        dump = str(await intake.running.fetch("SELECT q::text AS everything FROM quarantine q"))

    assert ready.status_code == 200, ready.text
    assert payloads == []
    assert CANARY not in dump
    written = capfd.readouterr()
    assert CANARY not in written.out + written.err


class ReferralCreatedV9(ReferralCreated):
    version: ClassVar[int] = 9


class EarlierOutreachLogged(OutreachLogged):
    phase: Literal[Phase.OPEN]


async def test_fault_25_a_version_from_the_future_is_parked_and_taken_once_after_the_upgrade(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    future = [ReferralCreatedV9(**dict(a_referral(workplace, number))) for number in range(8)]
    today = a_referral(workplace, 100)
    await workplace.publish(today)
    upgraded = Counter()
    upgraded.consumer.on(ReferralCreatedV9)(upgraded.created)

    async with workplace.running(Counter().service(workplace, tmp_path), ready=False) as service:
        await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 1)
        await workplace.publish(*future)
        await until(lambda: _is_halted(service), what="the topic to be halted at the limit")
        parked = await quarantined(service)
    monkeypatch.setitem(REGISTRY, ReferralCreatedV9.ce_type(), ReferralCreatedV9)
    async with workplace.running(upgraded.service(workplace, tmp_path), role="operator") as service:
        entries = (await service.client.get("/v1/quarantine")).json()["entries"]
        taken = [await service.client.post(f"/v1/quarantine/{entry['id']}/replay") for entry in entries]
        again = [await service.client.post(f"/v1/quarantine/{entry['id']}/replay") for entry in entries]
        await workplace.wait_for(Topic.MATCHES, lambda found: len(found) >= 9)
        matches = await workplace.events(Topic.MATCHES)
        left = (await service.client.get("/v1/worklist")).json()["items"]

    assert parked == [("unknown-type", "ce_type")] * 5
    assert {answer.status_code for answer in taken} == {200}
    assert {answer.status_code for answer in again} == {404}
    assert sorted(m.referral_id for m in matches) == sorted(e.referral_id for e in [today, *future])
    assert [item["kind"] for item in left] == ["halted"]


async def test_fault_25_a_new_value_of_a_known_type_is_parked_and_taken_once_after_the_upgrade(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = OutreachLogged(
        event_id=uuid4(),
        referral_id=uuid4(),
        programme=SHCP,
        sequence=1,
        occurred_at=NOW,
        phase=Phase.CLOSED,
        step="closed",
    )
    taken: list[OutreachLogged] = []
    consumer = Consumer("matcher")

    @consumer.on(OutreachLogged)
    async def take(events: Sequence[OutreachLogged], _work: UnitOfWork) -> None:
        taken.extend(events)

    settings = workplace.settings(ServiceSettings, "matcher")
    described = Service(name="matcher", settings=settings, consumer=consumer, migrations=tmp_path)
    await workplace.publish(closed)
    with monkeypatch.context() as before:
        before.setitem(REGISTRY, OutreachLogged.ce_type(), EarlierOutreachLogged)
        async with workplace.running(described, role="operator") as service:
            await until(lambda: _has_entries(service), what="the record in quarantine")
            parked = await quarantined(service)
    async with workplace.running(described, role="operator") as service:
        entry = (await service.client.get("/v1/quarantine")).json()["entries"][0]
        replayed = await service.client.post(f"/v1/quarantine/{entry['id']}/replay")
        await workplace.publish(closed)
        await until(lambda: _stands_at(service, 2), what="the repeat to be taken")

    assert parked == [("invalid", "phase")]
    assert replayed.status_code == 200
    assert taken == [closed]


async def _produce(place: Workplace, topic: Topic, *records: tuple[bytes | None, bytes | None, Headers]) -> None:
    """Write raw records, also such as are larger than usual."""
    producer = AIOKafkaProducer(bootstrap_servers=place.servers.bootstrap, max_request_size=8 * MEBIBYTE)
    await producer.start()
    try:
        for key, value, headers in records:
            await producer.send_and_wait(f"{place.prefix}{topic}", value, key=key, headers=headers)
    finally:
        await producer.stop()


async def _let_in_records_of(size: int, place: Workplace, topic: Topic) -> None:
    """Let the broker take larger records on a topic, as one that others configure may."""
    admin = AIOKafkaAdminClient(bootstrap_servers=place.servers.bootstrap)
    await admin.start()
    try:
        wanted = {"max.message.bytes": str(size)}
        name = f"{place.prefix}{topic}"
        kept = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
        before = {entry[0]: entry[1] for entry in kept[0].resources[0][4] if entry[3] == 1}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=before | wanted)])
    finally:
        await admin.close()


async def _stands_at_the_end(service: Running, place: Workplace) -> bool:
    return await _stands_at(service, await place.count(Topic.REFERRALS))


async def _stands_at(service: Running, records: int) -> bool:
    """Whether so many records have been passed on all partitions together."""
    rows = await service.fetch("SELECT greatest(next_offset, 0) AS passed FROM consumer_offset")
    return len(rows) == PARTITIONS and sum(row["passed"] for row in rows) == records


async def _has_entries(service: Running) -> bool:
    return bool((await service.client.get("/v1/quarantine")).json()["entries"])


async def _is_halted(service: Running) -> bool:
    return bool((await service.client.get("/ready")).json()["checks"]["consumer"]["halted"])


class _BrokenName(str):
    """The name of a header as another client may write it."""

    __slots__ = ()

    def encode(self, *_: object) -> bytes:
        return b"\xff\xfe"


async def test_fault_24_a_record_that_the_client_cannot_even_read_stops_no_partition(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = Counter()
    referrals = [a_referral(workplace, number) for number in range(12)]
    later = [a_referral(workplace, number) for number in range(12, 24)]
    key = str(referrals[0].referral_id).encode()
    await workplace.publish(*referrals)
    with monkeypatch.context() as another_client:
        for module in ("producer", "message_accumulator"):
            builder = f"aiokafka.producer.{module}.DefaultRecordBatchBuilder"
            another_client.setattr(builder, _DefaultRecordBatchBuilderPy)
        await _produce(workplace, Topic.REFERRALS, (key, b"{}", [(_BrokenName("x"), b"1")]))
    await workplace.publish(*later)

    async with workplace.running(counter.service(workplace, tmp_path), ready=False, role="operator") as service:
        matches = await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 24, seconds=60)
        aside = await quarantined(service)
        entry = (await service.client.get("/v1/quarantine")).json()["entries"][0]
        replayed = await service.client.post(f"/v1/quarantine/{entry['id']}/replay")
        await until(lambda: _stands_at(service, 25), what="the end of the topic")

    assert len({match.referral_id for match in matches}) == 24
    assert aside == [("not-a-cloudevent", "ce_specversion")]
    assert replayed.status_code == 409
