"""What the delivery path does with what it cannot read, what is refused, and what fails."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from chassis import Consumer, Service, ServiceSettings, UnitOfWork
from chassis.consumer import FeedRecord
from peerline.events import Topic

from tests.support.counter import NOW, Counter, a_referral, quarantined
from tests.support.workplace import Running, Workplace, until


async def test_an_unreadable_record_is_quarantined_and_its_neighbours_go_through(
    workplace: Workplace, counter: Counter, tmp_path: Path
) -> None:
    first, last = a_referral(workplace, 1), a_referral(workplace, 2)
    key = str(first.referral_id).encode()
    context = [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(uuid4()).encode()),
        ("ce_source", b"/x"),
        ("ce_time", b"2026-06-09T14:15:00Z"),
        ("ce_subject", key),
    ]
    created = ("ce_type", b"peerline.referral-created.v1")
    future = ("ce_type", b"peerline.referral-created.v9")
    await workplace.publish(first)
    await workplace.produce(
        Topic.REFERRALS,
        (key, b"{not json", [*context, created]),
        (key, b"\xff\xfe", [("ce_specversion", b"\xff")]),
        (key, b"{}", [*context, future]),
        (key, None, [*context, created]),
    )
    await workplace.publish(last)

    async with workplace.running(counter.service(workplace, tmp_path)) as service:
        matches = await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 2)
        aside = await quarantined(service)
        items = (await service.client.get("/v1/worklist")).json()["items"]

    assert {match.referral_id for match in matches} == {first.referral_id, last.referral_id}
    assert [reason for reason, _ in aside] == ["invalid", "no-body", "not-a-cloudevent", "unknown-type"]
    assert [item["kind"] for item in items] == ["quarantined"] * 4


async def test_a_refused_event_is_quarantined_alone(workplace: Workplace, counter: Counter, tmp_path: Path) -> None:
    referrals = [a_referral(workplace, number) for number in range(5)]
    counter.refuse = {referrals[2].event_id}
    await workplace.publish(*referrals)

    async with workplace.running(counter.service(workplace, tmp_path)) as service:
        matches = await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 4)
        aside = await quarantined(service)

    assert referrals[2].referral_id not in {match.referral_id for match in matches}
    assert aside == [("not-like-this", "")]


async def test_a_quarantined_event_is_taken_on_replay(workplace: Workplace, counter: Counter, tmp_path: Path) -> None:
    referral = a_referral(workplace, 1)
    counter.refuse = {referral.event_id}
    await workplace.publish(referral)

    async with workplace.running(counter.service(workplace, tmp_path), role="operator") as service:
        await until(lambda: _has_entries(service), what="the record in quarantine")
        entry = (await service.client.get("/v1/quarantine")).json()["entries"][0]
        refused = await service.client.post(f"/v1/quarantine/{entry['id']}/replay")
        counter.refuse = set()
        taken = await service.client.post(f"/v1/quarantine/{entry['id']}/replay")
        matches = await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 1)
        left = (await service.client.get("/v1/worklist")).json()["items"]

    assert (refused.status_code, refused.json()["code"]) == (409, "not-like-this")
    assert taken.json() == {"replayed": True}
    assert [match.referral_id for match in matches] == [referral.referral_id]
    assert left == []


async def _has_entries(service: Running) -> bool:
    return bool((await service.client.get("/v1/quarantine")).json()["entries"])


async def test_a_bug_holds_its_partition_and_skips_nothing(
    workplace: Workplace, counter: Counter, tmp_path: Path
) -> None:
    referrals = [a_referral(workplace, number) for number in range(12)]
    counter.fail = {referrals[3].event_id}
    await workplace.publish(*referrals)

    async with workplace.running(counter.service(workplace, tmp_path), ready=False) as service:
        await until(lambda: _is_held(service), what="a held partition")
        held = (await service.client.get("/ready")).json()
        counter.fail = set()
        matches = await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 12)
        aside = await quarantined(service)

    assert held["ready"] is False
    assert {match.referral_id for match in matches} == {each.referral_id for each in referrals}
    assert aside == []


async def test_a_bug_that_persists_for_one_event_while_others_pass_sets_that_event_aside(
    workplace: Workplace, counter: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.subscription.PERSISTENT", 1.0)
    referrals = [a_referral(workplace, number) for number in range(12)]
    counter.fail = {referrals[3].event_id}
    await workplace.publish(*referrals)

    async with workplace.running(counter.service(workplace, tmp_path), ready=False) as service:
        await until(lambda: _is_held(service), what="a held partition")
        later = [a_referral(workplace, number) for number in range(12, 24)]
        await workplace.publish(*later)
        matches = await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 23, seconds=40)
        aside = await quarantined(service)

    assert referrals[3].referral_id not in {match.referral_id for match in matches}
    assert aside == [("handler-failed", "")]


async def test_a_record_of_a_feed_that_fails_for_long_is_set_aside_by_its_place_alone(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.subscription.PERSISTENT", 0.5)
    monkeypatch.setattr("chassis.partitions.LONGEST_PAUSE", 0.2)
    taken: list[bytes | None] = []
    consumer = Consumer("intake")

    @consumer.on_feed(Topic.ADVERSE_EVENTS)
    async def take(records: Sequence[FeedRecord], _work: UnitOfWork) -> None:
        if any(record.value == b"Quillfeather" for record in records):
            raise RuntimeError("a bug")
        taken.extend(record.value for record in records)

    settings = workplace.settings(ServiceSettings, "intake")
    described = Service(name="intake", settings=settings, consumer=consumer, migrations=tmp_path)
    await workplace.produce(Topic.ADVERSE_EVENTS, (b"key", b"Quillfeather", []), (b"key", b"behind it", []))
    async with workplace.running(described, ready=False) as service:

        async def is_set_aside_while_others_pass() -> bool:
            everywhere: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]] = [
                (str(number).encode(), b"sound", []) for number in range(6)
            ]
            await workplace.produce(Topic.ADVERSE_EVENTS, *everywhere)
            return bool(await quarantined(service))

        await until(is_set_aside_while_others_pass, seconds=60, what="the record in quarantine")
        await until(lambda: _has(taken, b"behind it"), what="what stands behind it")
        rows = await service.fetch("SELECT reason, payload FROM quarantine")

    assert [tuple(row) for row in rows] == [("handler-failed", None)]


async def _has(taken: list[bytes | None], value: bytes) -> bool:
    return value in taken


async def test_a_database_that_is_away_for_a_while_loses_nothing(
    workplace: Workplace, counter: Counter, tmp_path: Path
) -> None:
    referrals = [a_referral(workplace, number) for number in range(40)]

    async with workplace.running(counter.service(workplace, tmp_path)) as service:
        for number in range(4):
            await workplace.publish(*referrals[number * 10 : number * 10 + 10])
            await service.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        matches = await workplace.wait_for(Topic.MATCHES, lambda found: len(found) >= 40, seconds=40)

    assert sorted(match.referral_id for match in matches) == sorted(each.referral_id for each in referrals)


async def _is_held(service: Running) -> bool:
    return bool((await service.client.get("/ready")).json()["checks"]["consumer"]["held"])


async def test_too_many_unreadable_records_halt_the_topic_until_an_operator_has_looked(
    workplace: Workplace, counter: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.health.EVERY", 0.2)
    referral = a_referral(workplace, 1)
    await workplace.produce(Topic.REFERRALS, *[(b"same", b"{}", [("ce_specversion", b"0.1")])] * 8)

    async with workplace.running(counter.service(workplace, tmp_path), ready=False, role="operator") as service:
        await until(lambda: _is_halted(service), what="the topic to be halted")
        await workplace.publish(referral)
        items = (await service.client.get("/v1/worklist")).json()["items"]
        aside = len(await quarantined(service))
        taken = list(counter.taken)
        halted = next(item for item in items if item["kind"] == "halted")
        resolved = await service.client.post(f"/v1/worklist/{halted['id']}/resolve")
        gone_on = await service.client.post(f"/v1/worklist/{halted['id']}/go-on")
        await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 1)
        aside_afterwards = len(await quarantined(service))

    assert (halted["urgent"], halted["actions"]) == (True, ["go-on"])
    assert (aside, taken) == (5, [])
    assert (resolved.status_code, gone_on.status_code) == (409, 200)
    assert aside_afterwards == 8


async def _is_halted(service: Running) -> bool:
    checks = (await service.client.get("/ready")).json()["checks"]
    return bool(checks["consumer"]["halted"])


async def test_a_repeat_with_another_body_is_set_aside_and_cannot_be_replayed_only_discarded(
    workplace: Workplace, counter: Counter, tmp_path: Path
) -> None:
    referral = a_referral(workplace, 1)
    await workplace.publish(referral, referral.model_copy(update={"received_at": NOW + timedelta(hours=1)}))

    async with workplace.running(counter.service(workplace, tmp_path), role="operator") as service:
        await until(lambda: _has_entries(service), what="the record in quarantine")
        entry = (await service.client.get("/v1/quarantine")).json()["entries"][0]
        replayed = await service.client.post(f"/v1/quarantine/{entry['id']}/replay")
        item = (await service.client.get("/v1/worklist")).json()["items"][0]
        discarded = await service.client.post(f"/v1/worklist/{item['id']}/discard")
        left = (await service.client.get("/v1/quarantine")).json()["entries"]

    assert entry["reason"] == "same-id-other-body"
    assert (replayed.status_code, replayed.json()["code"]) == (409, "same-id-other-body")
    assert (discarded.status_code, left) == (200, [])
    assert counter.taken == [("referral-created", referral.referral_id)]


async def test_what_was_taken_tells_a_repeat_from_a_contradiction_whichever_comes_first_in_a_batch(
    workplace: Workplace, counter: Counter, tmp_path: Path
) -> None:
    referral = a_referral(workplace, 1)
    await workplace.publish(referral)
    async with workplace.running(counter.service(workplace, tmp_path)):
        await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 1)
    contradiction = referral.model_copy(update={"received_at": NOW + timedelta(hours=1)})
    await workplace.publish(contradiction, referral)

    async with workplace.running(counter.service(workplace, tmp_path), role="operator") as service:
        await workplace.publish(a_referral(workplace, 2))
        await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 2)
        await until(lambda: _has_entries(service), what="the contradiction in quarantine")
        aside = await quarantined(service)

    assert aside == [("same-id-other-body", "")]
