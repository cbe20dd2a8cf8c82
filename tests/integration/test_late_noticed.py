"""A monitor that was away past due times: what it tells when it is back, in which order, and with both times."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import yaml
from chassis import Service
from peerline.cloudevents import headers_of
from peerline.events import REGISTRY, DeadlineBreached, DeadlineSet, Event, ReferralCreated, Topic
from sla_monitor import recovery
from sla_monitor.domain import decisions
from sla_monitor.main import service as monitor
from sla_monitor.settings import Settings

from tests.support.lone_monitor import monitor_of
from tests.support.lone_monitor import promising as due_after
from tests.support.promises import SHCP, a_clock, created
from tests.support.workplace import Running, Workplace, until

DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
BETWEEN = 2 * SECOND


@pytest.fixture
def described(workplace: Workplace, tmp_path: Path) -> Service:
    """A monitor with one clock that is due after a day, and another two seconds later."""
    later = {"rule": "elapsed", "weekday": "PT24H2S", "weekend": "PT24H2S"}
    clocks = [a_clock("match", firmness="promised"), a_clock("first-contact", firmness="promised", due=later)]
    (tmp_path / "shcp.yaml").write_text(yaml.safe_dump(SHCP | {"clocks": clocks}))
    return monitor(workplace.settings(Settings, "sla-monitor", programmes=tmp_path))


async def hand_in(place: Workplace, requests: Sequence[ReferralCreated]) -> None:
    now = datetime.now(UTC)
    records = [
        (str(each.referral_id).encode(), each.body(), headers_of(each, source="/t", time=now, traceparent=None))
        for each in requests
    ]
    await place.produce(Topic.REFERRALS, *records)


async def breaches(place: Workplace, number: int) -> list[DeadlineBreached]:
    """So many breaches, once they stand on the topic."""
    found = await place.wait_for(Topic.DEADLINES, lambda all_: count(all_, DeadlineBreached) >= number, seconds=60)
    return [event for event in found if isinstance(event, DeadlineBreached)]


def count(events: Sequence[Event], kind: type[Event]) -> int:
    return sum(isinstance(event, kind) for event in events)


async def due_times_by_partition(place: Workplace, since: datetime) -> dict[int, list[datetime]]:
    """When what was told as breached since then had been due, in the order in which it stands on the topic."""
    found: dict[int, list[datetime]] = {}
    for record in await place.records(Topic.DEADLINES):
        event = REGISTRY[dict(record.headers)["ce_type"].decode()].read(record.value)
        if isinstance(event, DeadlineBreached) and event.occurred_at > since:
            found.setdefault(record.partition, []).append(event.due_at)
    return found


async def match_clock(running: Running, referral_id: UUID) -> dict[str, Any]:
    answer = await running.client.get(f"/v1/cases/{referral_id}/clocks")
    return dict(next(clock for clock in answer.json()["clocks"] if clock["clock"] == "match"))


async def test_what_passed_while_the_monitor_was_away_is_told_the_longest_due_first_with_both_times(
    workplace: Workplace, described: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decisions, "LATE_NOTICED_AFTER", SECOND)  # not to be away for minutes
    async with workplace.running(described):
        first_due = datetime.now(UTC) + 10 * SECOND
        requests = [created(uuid4(), first_due - DAY + tenths * SECOND / 10) for tenths in range(40)]
        await hand_in(workplace, random.Random(7).sample(requests, len(requests)))
        await workplace.wait_for(Topic.DEADLINES, lambda found: count(found, DeadlineSet) == 2 * len(requests))
    away_at = datetime.now(UTC)
    await until(lambda: is_past(requests[-1].received_at + DAY + BETWEEN + 2 * SECOND), what="due times", seconds=60)

    async with workplace.running(described) as running:
        told = await breaches(workplace, 2 * len(requests))
        shown = await match_clock(running, requests[-1].referral_id)

    assert len({event.deadline_id for event in told}) == len(told) == 2 * len(requests)
    late = [event for event in told if event.occurred_at > away_at]
    assert len(late) > len(requests)
    assert all(event.late_noticed and not event.late_entry for event in late)
    for order in (await due_times_by_partition(workplace, away_at)).values():
        assert order == sorted(order)
    [breach] = [event for event in late if event.referral_id == requests[-1].referral_id and event.clock == "match"]
    assert breach.due_at == requests[-1].received_at + DAY
    assert (shown["late_noticed"], datetime.fromisoformat(shown["due_at"])) == (True, breach.due_at)
    assert datetime.fromisoformat(shown["noticed_at"]) == breach.occurred_at


async def is_past(instant: datetime) -> bool:
    return datetime.now(UTC) > instant


async def test_what_is_told_in_time_is_not_marked_and_shows_when_it_was_noticed(
    workplace: Workplace, described: Service
) -> None:
    async with workplace.running(described) as running:
        request = created(uuid4(), datetime.now(UTC) - DAY + timedelta(seconds=3))
        await hand_in(workplace, [request])
        [breach] = await breaches(workplace, 1)
        shown = await match_clock(running, request.referral_id)

    assert breach.due_at <= breach.occurred_at < breach.due_at + decisions.LATE_NOTICED_AFTER
    assert not breach.late_noticed
    assert (datetime.fromisoformat(shown["noticed_at"]), shown["late_noticed"]) == (breach.occurred_at, False)


async def test_after_a_restore_it_is_known_again_when_a_breach_was_noticed(workplace: Workplace) -> None:
    referral_id = uuid4()
    async with monitor_of(workplace, due_after(DAY)) as lone:
        request = created(referral_id, datetime.now(UTC) - DAY - HOUR)
        await lone.deliver(request)
        await lone.sweep()
        told = [REGISTRY[f"peerline.{each['type']}.v1"] for each in await lone.published()]
        bodies = await lone.transactions.pool.fetch("SELECT body FROM outbox ORDER BY id")
        events = [kind.read(row["body"]) for kind, row in zip(told, bodies, strict=True)]
        noted = "SELECT kind, verdict, noticed_at, late_noticed FROM clock ORDER BY kind"
        before = await lone.transactions.pool.fetch(noted)
        await lone.transactions.pool.execute("DELETE FROM clock; DELETE FROM referral; DELETE FROM inbox")

        for event in reversed(events):
            async with lone.transactions.begin() as work:
                await recovery.recall(event, work)
        await lone.deliver(request)

        after = await lone.transactions.pool.fetch(noted)
        again = await lone.published()
    assert after == before
    assert all(row["late_noticed"] for row in before)
    assert len(again) == len(events)
