"""Clocks of every kind that a programme file names, on real Kafka and PostgreSQL."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import yaml
from peerline.events import (
    DeadlineBreached,
    DeadlineEvent,
    DeadlineMet,
    DeadlineSet,
    Event,
    Firmness,
    MatchProposed,
    Topic,
)
from sla_monitor.domain.case import Case, ClockName, Pinned
from sla_monitor.domain.decisions import settle
from sla_monitor.domain.facts import fold
from sla_monitor.main import service as monitor
from sla_monitor.moments import facts_of
from sla_monitor.recovery import recall
from sla_monitor.repository import clocks
from sla_monitor.settings import Settings
from tzdata import IANA_VERSION  # type: ignore[import-untyped]  # two words of text; has no stubs

from tests.support.lone_monitor import Monitor, monitor_of
from tests.support.promises import (
    EVERY_KIND,
    SHCP,
    a_clock,
    common,
    created,
    joined,
    logged,
    matched,
    only,
    promising,
    released,
)
from tests.support.workplace import Running, Workplace

SOON = {"rule": "elapsed", "weekday": "PT4S", "weekend": "PT4S"}
CALIFORNIA = {"country": "US", "subdivision": "CA"}
W = {"rule": "working-days", "days": 2, "at": "17:00"}
CHANGED: dict[str, dict[str, Any]] = {"response": {"due": SOON}, "follow-up": {"due": SOON}, "resources": {"due": W}}
CLOCKS = [clock | CHANGED.get(clock["kind"], {}) for clock in EVERY_KIND]
NOW = datetime.now(UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def service(workplace: Workplace, tmp_path: Path) -> AsyncIterator[Running]:
    """A monitor of one programme, with a clock of every kind, of which those of a conversation are due in seconds."""
    (tmp_path / "shcp.yaml").write_text(yaml.safe_dump(SHCP | {"clocks": CLOCKS, "calendar": CALIFORNIA}))
    described = monitor(workplace.settings(Settings, "sla-monitor", programmes=tmp_path))
    async with workplace.running(described) as running:
        yield running


def a_conversation(case: UUID, at: datetime) -> list[Event]:
    """The first supporter is released, the second speaks with the physician, who wants something to read."""
    return [
        created(case, at - MINUTE, entered_at=at),
        matched(case, at, 1, MatchProposed),
        logged(case, "supporter-notified", at, 1),
        released(case, at, 1),
        logged(case, "supporter-notified", at, 2),
        logged(case, "supporter-accepted", at, 2),
        matched(case, at, 2),
        logged(case, "contact-shown", at, 2),
        logged(case, "contact-attempted", at, 2),
        logged(case, "contact-made", at + timedelta(seconds=1), 2),
        logged(case, "resources-permitted", at, 2),
    ]


Told = tuple[type[DeadlineEvent], str, int | None]


def about(events: list[Event], case: UUID) -> list[Told]:
    found = [event for event in events if isinstance(event, DeadlineEvent) and event.referral_id == case]
    return [(type(event), event.clock, event.attempt) for event in found]


async def test_clocks_of_every_kind_are_set_met_and_breached_whatever_order_their_events_come_in(
    workplace: Workplace, service: Running
) -> None:
    forwards, backwards, silent = uuid4(), uuid4(), uuid4()
    start = datetime.now(UTC)
    await workplace.publish(logged(silent, "contact-attempted", start, 1))
    await workplace.publish(*a_conversation(forwards, start), *reversed(a_conversation(backwards, start)))

    def are_breached(found: list[Event]) -> bool:
        return all((DeadlineBreached, "follow-up", 2) in about(found, case) for case in (forwards, backwards))

    events = await workplace.wait_for(Topic.DEADLINES, are_breached, seconds=60)

    expected: set[Told] = {
        *((kind, clock, None) for kind in (DeadlineSet, DeadlineMet) for clock in ("match", "first-contact")),
        *((kind, clock, 2) for kind in (DeadlineSet, DeadlineMet) for clock in ("answer", "showing", "response")),
        (DeadlineSet, "answer", 1),
        (DeadlineSet, "resources", None),
        (DeadlineSet, "follow-up", 2),
        (DeadlineBreached, "follow-up", 2),
    }
    assert sorted(about(events, forwards), key=str) == sorted(expected, key=str)
    assert sorted(about(events, backwards), key=str) == sorted(expected, key=str)
    assert about(events, silent) == [(DeadlineSet, "response", 1)]  # due long ago, and no breach
    assert len({event.event_id for event in events}) == len(events)


async def test_the_clocks_of_every_kind_are_shown_with_the_steps_and_the_days_that_they_were_reckoned_by(
    workplace: Workplace, service: Running
) -> None:
    case, start = uuid4(), datetime.now(UTC)
    await workplace.publish(*a_conversation(case, start))
    await workplace.wait_for(
        Topic.DEADLINES, lambda found: (DeadlineBreached, "follow-up", 2) in about(found, case), seconds=60
    )

    answer = (await service.client.get(f"/v1/cases/{case}/clocks")).json()

    shown = {(clock["clock"], clock["attempt"]): clock for clock in answer["clocks"]}
    assert {name: clock["state"] for name, clock in shown.items()} == {
        ("match", None): "met",
        ("first-contact", None): "met",
        ("answer", 1): "cancelled",
        ("answer", 2): "met",
        ("showing", 2): "met",
        ("response", 2): "met",
        ("follow-up", 2): "breached",
        ("resources", None): "running",
    }
    contact, resources = shown["first-contact", None], shown["resources", None]
    assert datetime.fromisoformat(contact["starts_at"]) == start - MINUTE
    assert datetime.fromisoformat(contact["reached_at"]) == start + timedelta(seconds=1)
    assert [clock["reached_at"] for name, clock in shown.items() if name[0] != "first-contact"] == [None] * 7
    assert resources["calendar"].startswith("US-CA holidays ")
    assert (contact["calendar"], contact["tzdata"], contact["zone"]) == (None, IANA_VERSION, "America/New_York")
    assert resources["steps"][0] | {"at": "", "local": ""} == {
        "step": "started",
        "by": "resources-permitted",
        "at": "",
        "local": "",
    }
    assert [step["step"] for step in resources["steps"]][1:] == ["last-day", *["day"] * (len(resources["steps"]) - 2)]
    assert datetime.fromisoformat(resources["due_local"]) == datetime.fromisoformat(resources["due_at"])
    assert "T17:00:00-0" in resources["due_local"]


async def test_a_case_is_read_as_it_was_folded_however_its_facts_were_batched(workplace: Workplace) -> None:
    programme = promising(*EVERY_KIND, a_clock("own", ["match-released"], ["match-confirmed"]))
    case = uuid4()
    events = [
        *a_conversation(case, NOW),
        joined(case, NOW - 2 * MINUTE),
        logged(case, "closed", NOW + MINUTE),
    ]
    expected = Case(case)
    for event in events:
        for fact in facts_of(event, only(programme)):
            expected = fold(expected, fact)
    expected, _ = settle(expected, NOW)

    async with monitor_of(workplace, programme) as place:
        for event in reversed(events):
            await place.deliver(event)
        await place.deliver(*events)
        async with place.transactions.begin() as work:
            read = await clocks.read_case(work.connection, case)

    assert read is not None
    assert read.clocks == expected.clocks
    assert (read.reached_at, read.closed_at) == (expected.reached_at, expected.closed_at)
    assert pinned(read) == pinned(expected)


async def test_what_was_told_of_an_attempt_is_known_again_of_that_attempt_and_not_told_twice(
    workplace: Workplace,
) -> None:
    case = uuid4()
    due: dict[str, Any] = {
        "clock": "answer",
        "firmness": Firmness.USUAL,
        "due_at": NOW + timedelta(days=1),
        "starts_at": NOW,
    }

    async with monitor_of(workplace, promising(*EVERY_KIND)) as place:
        async with place.transactions.begin() as work:
            await recall(DeadlineSet(**common(case, NOW), deadline_id=uuid4(), attempt=2, **due), work)
        await place.deliver(*(logged(case, "supporter-notified", NOW, attempt) for attempt in (1, 2)))
        published = await place.published()

    assert [(event["type"], event["attempt"]) for event in published] == [("deadline-set", 1)]


async def test_a_step_writes_the_clocks_that_it_changes_and_leaves_the_others_as_they_are(workplace: Workplace) -> None:
    case = uuid4()

    async with monitor_of(workplace, promising(*EVERY_KIND)) as place:
        await place.deliver(*a_conversation(case, NOW))
        before = await _writers(place)
        await place.deliver(logged(case, "resources-sent", NOW))
        after = await _writers(place)

    assert before.keys() == after.keys()
    assert [name for name in after if after[name] != before[name]] == ["resources"]


async def _writers(place: Monitor) -> dict[str, str]:
    """The transaction that last wrote each clock."""
    rows = await place.transactions.pool.fetch(
        "SELECT concat(kind, nullif(attempt, 0)) AS clock, xmin::text FROM clock"
    )
    return {row["clock"]: row["xmin"] for row in rows}


def pinned(case: Case) -> dict[ClockName, Pinned | None]:
    """What each due time was reckoned by; the database writes the same JSON in another order."""
    found = {name: clock.start.pinned if clock.start else None for name, clock in case.clocks.items()}
    return {
        name: each and replace(each, steps=json.dumps(json.loads(each.steps), sort_keys=True))
        for name, each in found.items()
    }
