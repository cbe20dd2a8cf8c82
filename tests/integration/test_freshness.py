"""What time decides waits until everything that was said before has been taken in."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from chassis import Service, offsets
from chassis.database import open_pool
from matcher.main import service as matcher
from matcher.settings import Settings as MatcherSettings
from peerline.events import DeadlineBreached, DeadlineMet, DeadlineSet, Topic
from sla_monitor import sweep
from sla_monitor.main import service as sla_monitor
from sla_monitor.settings import Settings as MonitorSettings

from tests.integration.test_sla_monitor_service import WAIT, a_match, about
from tests.integration.test_sla_monitor_service import programmes as monitor_programmes
from tests.support.matcher_office import PEDIATRICS, Office, a_row, matcher_programmes
from tests.support.notifier_place import Post, Referral, notifier, steps, wait_for_step, wait_until
from tests.support.pausing import created
from tests.support.workplace import Running, Workplace, until

__all__ = ["monitor_programmes"]
DOWN = timedelta(hours=26)


def monitor(place: Workplace, programmes: Path) -> Service:
    return sla_monitor(place.settings(MonitorSettings, "sla-monitor", programmes=programmes))


async def let_time_pass(place: Workplace, service: str, **columns: tuple[str, ...]) -> None:
    """As if a stopped service's database had been untouched for 26 hours: its times lie so much further back."""
    columns["consumer_offset"] = ("caught_up_at",)
    pool = await open_pool(place.database(service))
    for table, names in columns.items():
        shifted = ", ".join(f"{name} = {name} - $1::interval" for name in names)
        await pool.execute(f"UPDATE {table} SET {shifted}", DOWN)  # noqa: S608  our own names
    await pool.close()


async def end_pause(place: Workplace) -> None:
    """Let a stopped notifier send again: one that still ran might send before it stops."""
    pool = await open_pool(place.database("notifier"))
    await pool.execute("DELETE FROM outreach_pause")
    await pool.close()


async def behind(running: Running) -> timedelta:
    async with running.transactions.begin() as work:
        return (await work.horizon()).behind


async def test_a_monitor_that_was_down_for_a_day_does_not_breach_what_was_answered_meanwhile(
    workplace: Workplace, monitor_programmes: Path
) -> None:
    referral = created(monitor_programmes, datetime.now(UTC))
    async with workplace.running(monitor(workplace, monitor_programmes)):
        await workplace.publish(referral)
        await workplace.wait_for(Topic.DEADLINES, lambda found: len(found) == 1)
    times = ("due_at", "starts_at", "entered_at", "warn_at", "told_due_at", "next_at")
    await let_time_pass(workplace, "sla-monitor", clock=times)

    await workplace.publish(a_match(referral, referral.received_at + WAIT - DOWN))
    async with workplace.running(monitor(workplace, monitor_programmes)):
        events = await workplace.wait_for(
            Topic.DEADLINES, lambda found: any(isinstance(each, DeadlineMet) for each in found)
        )

    assert [type(event) for event in about(events, referral.referral_id)] == [DeadlineSet, DeadlineMet]


async def test_a_breach_that_cannot_be_certain_waits_and_is_told_as_provisional_when_that_takes_too_long(
    workplace: Workplace, monitor_programmes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    referral = created(monitor_programmes, datetime.now(UTC))
    async with workplace.running(monitor(workplace, monitor_programmes)):
        await workplace.publish(referral)
        await workplace.wait_for(Topic.DEADLINES, lambda found: len(found) == 1)
    await let_time_pass(workplace, "sla-monitor", clock=("due_at", "warn_at", "next_at"))
    pool = await open_pool(workplace.database("sla-monitor"))
    await pool.execute("UPDATE consumer_offset SET next_offset = 1000000 WHERE topic LIKE '%outreach%'")
    await pool.close()

    async with workplace.running(monitor(workplace, monitor_programmes), ready=False) as running:

        async def the_other_topics_are_read() -> bool:
            rows = await running.fetch(
                "SELECT count(*) FROM consumer_offset WHERE caught_up_at > now() - interval '1 min'"
            )
            return bool(rows[0][0] == 4)

        await until(the_other_topics_are_read, what="referrals and matches")
        waited = await workplace.events(Topic.DEADLINES)
        monkeypatch.setattr(sweep, "LONGEST_LAG", timedelta(seconds=1))
        events = await workplace.wait_for(Topic.DEADLINES, lambda found: len(found) == 2)
        metrics = (await running.client.get("/metrics")).text

    assert [type(event) for event in waited] == [DeadlineSet]
    assert isinstance(events[1], DeadlineBreached)
    assert events[1].provisional
    assert "peerline_deadlines_provisional 1.0" in metrics


async def test_a_matcher_that_was_down_past_the_answer_window_takes_the_answer_that_came_meanwhile(
    workplace: Workplace, tmp_path: Path
) -> None:
    programmes = matcher_programmes(tmp_path)
    settings = workplace.settings(MatcherSettings, "matcher", programmes=programmes)
    async with workplace.running(matcher(settings)) as running:
        office = Office(workplace, running, programmes)
        await office.load(a_row("s1"), a_row("s2"))
        referral = office.referral()
        await office.say(referral.created(attributes=PEDIATRICS))
        await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 1)
        await office.say(referral.logged("supporter-notified", 1))

        async def window_runs() -> bool:
            return bool(await running.fetch("SELECT FROM match WHERE answer_by IS NOT NULL"))

        await until(window_runs, what="a window")
    await let_time_pass(workplace, "matcher", match=("answer_by",))
    await office.say(referral.logged("supporter-accepted", 1))

    async with workplace.running(matcher(settings)):
        events = await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 2)

    assert [type(event).name for event in events] == ["match-proposed", "match-confirmed"]


async def test_a_notifier_that_was_down_for_a_day_sends_nothing_that_was_called_off_meanwhile(
    workplace: Workplace, post: Post
) -> None:
    called_off, still_wanted = Referral(workplace, "1"), Referral(workplace, "2")
    async with workplace.running(notifier(workplace, post)) as running:
        await running.client.post("/v1/outreach/shcp/pause")
        for referral in (called_off, still_wanted):
            await workplace.publish(referral.created(), referral.proposed())

        async def both_are_planned() -> bool:
            return len(await running.fetch("SELECT FROM send WHERE state = 'planned'")) == 2

        await until(both_are_planned, what="two planned messages")
    await let_time_pass(workplace, "notifier", send=("due_at",))
    await end_pause(workplace)
    await workplace.publish(called_off.withdrawn())

    async with workplace.running(notifier(workplace, post)):
        await wait_until(lambda: bool(post.mails), "a mail")
        await wait_for_step(workplace, "closed")
        logged = await steps(workplace, called_off.id)

    assert logged == ["closed"]
    assert len(post.mails) == 1


async def test_a_partition_that_nobody_reads_keeps_all_of_the_service_from_being_certain(
    workplace: Workplace, monitor_programmes: Path
) -> None:
    async with workplace.running(monitor(workplace, monitor_programmes)) as running:

        async def is_fresh() -> bool:
            return await behind(running) < timedelta(seconds=5)

        await until(is_fresh, what="a service that is up to date")
        topics = running.transactions.surroundings.freshness.topics
        await running.fetch("INSERT INTO consumer_offset VALUES ($1, 77, -1, 0)", topics[0])
        async with running.transactions.begin() as work:
            certain = await offsets.caught_up_at(work.connection, topics)
        stale = await behind(running)

    assert certain is None
    assert stale > timedelta(days=365)
