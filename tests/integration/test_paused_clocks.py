"""Clocks of a running monitor are paused and reckoned again: by HTTP, told on Kafka, kept in PostgreSQL."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from peerline.events import (
    ClockPaused,
    ClockRecalculated,
    DeadlineBreached,
    DeadlineMet,
    DeadlineSet,
    Topic,
)
from peerline.programme import read_programmes
from peerline_local.commands import clock as command
from peerline_local.commands import deadlines
from sla_monitor.main import service as monitor
from sla_monitor.settings import Settings

from tests.support.inside import reach_of
from tests.support.pausing import (
    AWAY,
    DAY,
    HOUR,
    SECOND,
    TWO_WORKING_DAYS,
    WAIT,
    about,
    created,
    due_of,
    install,
    install_in_seconds,
    post,
    recorded,
    the_clock,
    told,
    types,
)
from tests.support.promises import a_clock, matched
from tests.support.set_back import back_up, doubled, halted, put_back, resumed
from tests.support.workplace import Running, Workplace, until


@pytest.fixture
def programmes(tmp_path: Path) -> Path:
    return install_in_seconds(tmp_path / "programmes")


async def test_a_pause_moves_the_due_time_which_is_told_once_however_often_it_is_asked_for(
    workplace: Workplace, service: Running, programmes: Path
) -> None:
    referral = created(programmes, datetime.now(UTC))
    await workplace.publish(referral)
    await told(workplace, referral.referral_id, 1, "first-contact")
    asked = {"code": AWAY, "begins_at": referral.received_at + HOUR, "clock": "first-contact"}

    ends = referral.received_at + 3 * HOUR
    first, again = await asyncio.gather(
        *(recorded(service, referral.referral_id, "pauses", **asked, ends_at=ends) for _ in range(2))
    )
    other = await post(service, referral.referral_id, "pauses", **asked)
    events = await told(workplace, referral.referral_id, 3, "first-contact")

    assert again == first
    assert (other.status_code, other.json()["code"], other.json()["field"]) == (409, "already-recorded", "ends_at")
    assert types(events) == [DeadlineSet, ClockPaused, DeadlineSet]
    assert events[2].due_at == referral.received_at + DAY + 2 * HOUR
    assert (events[1].code, str(events[1].pause_id)) == (AWAY, first["pause_id"])
    clock = await the_clock(service, referral.referral_id, "first-contact")
    assert (due_of(clock), clock["state"]) == (events[2].due_at, "running")
    assert f"({AWAY}), 2 h" in clock["explanation"]
    assert clock["steps"][-1]["codes"] == [AWAY]
    assert await doubled(workplace, Topic.DEADLINES) == []


async def test_a_clock_passes_its_due_time_in_an_open_pause_and_is_breached_after_its_end(
    workplace: Workplace, service: Running, programmes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    referral = created(programmes, datetime.now(UTC))
    await workplace.publish(referral)
    await told(workplace, referral.referral_id, 1)
    begins = referral.received_at + WAIT - SECOND
    given = {"code": AWAY, "begins_at": begins.isoformat(), "clock": "match"}
    await command.record(reach_of(workplace, service), f"{referral.referral_id}/pauses", given)
    pause_id = capsys.readouterr().out.split()[1]

    async def is_past_due() -> bool:
        now: datetime = (await service.fetch("SELECT now()"))[0][0]
        return now > referral.received_at + WAIT + 3 * SECOND

    await until(is_past_due, what="the old due time to pass", seconds=60)
    meanwhile = await the_clock(service, referral.referral_id)
    listed = (await service.client.get("/v1/deadlines?programme=shcp")).json()["deadlines"]
    ended = await recorded(service, referral.referral_id, f"pauses/{pause_id}", ends_at=datetime.now(UTC))
    events = await told(workplace, referral.referral_id, 5)

    assert (meanwhile["state"], meanwhile["due_at"], meanwhile["due_local"]) == ("paused", None, None)
    assert [(clock["clock"], clock["state"], clock["due_at"], clock["overdue"]) for clock in listed][-1] == (
        ("match", "paused", None, False)
    )
    assert deadlines.line_of(listed[-1]).split() == [
        *["not", "for", "now", "paused", "match", "(promised)"],
        listed[-1]["referral_id"],
    ]
    assert types(events) == [DeadlineSet, ClockPaused, ClockPaused, DeadlineSet, DeadlineBreached]
    resumed_at = datetime.fromisoformat(ended["pauses"][0]["ends_at"])
    assert events[4].due_at == events[3].due_at == resumed_at + SECOND
    assert events[4].occurred_at >= events[4].due_at
    assert not events[4].late_entry


async def test_a_back_dated_pause_corrects_a_breach_where_the_match_turns_out_to_have_been_in_time(
    workplace: Workplace, service: Running, programmes: Path
) -> None:
    referral = created(programmes, datetime.now(UTC) - HOUR)
    await workplace.publish(referral, matched(referral.referral_id, referral.received_at + WAIT + 5 * SECOND))
    await told(workplace, referral.referral_id, 2)
    given = {"code": AWAY, "begins_at": referral.received_at, "clock": "match"}

    few = await recorded(service, referral.referral_id, "pauses", **given, ends_at=referral.received_at + SECOND)
    enough = referral.received_at + 5 * SECOND
    await recorded(service, referral.referral_id, f"pauses/{few['pause_id']}", ends_at=enough)
    await recorded(service, referral.referral_id, f"pauses/{few['pause_id']}", ends_at=enough)
    events = await told(workplace, referral.referral_id, 7)

    kinds = [DeadlineSet, DeadlineBreached, ClockPaused, DeadlineSet, ClockPaused, DeadlineSet, DeadlineMet]
    assert types(events) == kinds
    assert events[6].corrects == events[1].event_id
    assert events[6].met_at == events[6].due_at == referral.received_at + WAIT + 5 * SECOND
    assert (await the_clock(service, referral.referral_id))["state"] == "met"


async def test_row_26_a_day_closed_afterwards_counts_only_after_a_recalculation(
    workplace: Workplace, tmp_path: Path
) -> None:
    promise = a_clock("match", firmness="promised", due=TWO_WORKING_DAYS)
    folder = install(tmp_path / "before", promise)
    referral = created(folder, datetime.now(UTC))
    async with workplace.running(monitor(workplace.settings(Settings, "sla-monitor", programmes=folder))) as running:
        await workplace.publish(referral)
        await told(workplace, referral.referral_id, 1)
        pinned = await the_clock(running, referral.referral_id)
    due_on = datetime.fromisoformat(pinned["due_local"]).date()
    changed = install(tmp_path / "after", promise, closed=[due_on])

    async with workplace.running(monitor(workplace.settings(Settings, "sla-monitor", programmes=changed))) as running:
        still = await the_clock(running, referral.referral_id)
        pause = {"code": "legal-hold", "begins_at": datetime.now(UTC) + HOUR, "ends_at": datetime.now(UTC) + 2 * HOUR}
        refused = await post(running, referral.referral_id, "pauses", **pause)
        again = await recorded(running, referral.referral_id, "recalculation", code="calendar-changed")
        twice = await recorded(running, referral.referral_id, "recalculation", code="calendar-changed")
        taken = await post(running, referral.referral_id, "pauses", **pause)
        events = await told(workplace, referral.referral_id, 4)

    [moved] = again["clocks"]
    assert still == pinned
    assert (refused.status_code, refused.json()["code"]) == (409, "pinned-version-gone")
    assert (again["recalculated"], twice["recalculated"]) == (True, False)
    assert datetime.fromisoformat(moved["due_local"]).date() > due_on
    assert moved["calendar"] != pinned["calendar"]
    assert [step["idle"] for step in moved["steps"] if step.get("date") == str(due_on)] == ["day-off"]
    assert "; recalculated " in moved["explanation"]
    assert moved["steps"][-1]["code"] == "calendar-changed"
    assert taken.status_code == 200
    assert types(events)[:3] == [DeadlineSet, ClockRecalculated, DeadlineSet]
    assert (events[1].programme, events[2].due_at) == (read_programmes(changed)["shcp"].ref, due_of(moved))


async def test_a_monitor_set_back_knows_pauses_and_recalculations_again_and_tells_no_due_time_twice(
    workplace: Workplace, tmp_path: Path
) -> None:
    promise = a_clock("match", firmness="promised", due=TWO_WORKING_DAYS)
    folder = install(tmp_path / "before", promise)
    changed = install(
        tmp_path / "after", promise, closed=[(datetime.now(UTC) + DAY * days).date() for days in range(5)]
    )
    described, later = (
        monitor(workplace.settings(Settings, "sla-monitor", programmes=programmes)) for programmes in (folder, changed)
    )
    referral = created(folder, datetime.now(UTC))
    async with workplace.running(described):
        await workplace.publish(referral)
        await told(workplace, referral.referral_id, 1)
    await back_up(workplace, "sla-monitor")
    async with workplace.running(later) as running:
        await recorded(running, referral.referral_id, "recalculation", code="calendar-changed")
        begins = datetime.now(UTC) + DAY * 7
        given = {"code": AWAY, "begins_at": begins - DAY * 6, "ends_at": begins}
        await recorded(running, referral.referral_id, "pauses", **given)
        before = await told(workplace, referral.referral_id, 5)
        shown = await the_clock(running, referral.referral_id)
    await put_back(workplace, "sla-monitor")

    async with workplace.running(later, ready=False) as running:
        await halted(running, 4)
        await resumed(workplace, running)
        again = await the_clock(running, referral.referral_id)
        repeated = await recorded(running, referral.referral_id, "pauses", **given)
        missed = created(changed, datetime.now(UTC))
        await workplace.publish(missed)
        await told(workplace, missed.referral_id, 1)
    after = about(await workplace.events(Topic.DEADLINES), referral.referral_id)

    assert types(before) == [DeadlineSet, ClockRecalculated, DeadlineSet, ClockPaused, DeadlineSet]
    assert (again["due_at"], again["explanation"]) == (shown["due_at"], shown["explanation"])
    assert len(repeated["pauses"]) == 1
    assert after == before
    assert await doubled(workplace, Topic.DEADLINES) == []
