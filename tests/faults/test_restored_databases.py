"""
Each service's database is set back against its topics: its input is read again, and what its own topic knows
better halts it until a human has looked. Nobody is contacted twice, and nobody is forgotten.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from matcher.main import service as matcher
from matcher.settings import Settings as Matching
from peerline.events import (
    DeadlineBreached,
    DeadlineMet,
    DeadlineSet,
    Event,
    MatchConfirmed,
    MatchProposed,
    MatchReleased,
    OutreachLogged,
    ReferralCreated,
    ReferralWithdrawn,
    Topic,
)
from sla_monitor.main import service as monitor
from sla_monitor.settings import Settings as Watching

from tests.integration.test_sla_monitor_service import WAIT, a_match, about
from tests.support.intake_place import PEOPLE, Intake, a_report, an_intake
from tests.support.matcher_office import Office, a_row
from tests.support.notifier_place import Post, Referral, notifier, post_office, press, wait_for_step, wait_until
from tests.support.pausing import created
from tests.support.set_back import back_up, doubled, halted, items, kinds, put_back, resumed
from tests.support.workplace import PROGRAMMES, Running, Workplace, until


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    async with post_office(Post()) as office:
        yield office


def to_people(post: Post) -> list[list[str]]:
    """The mails to supporters and physicians, by recipient."""
    return [to for to in post.recipients if to[0].endswith("@staff.example")]


async def has_mailed(post: Post, count: int) -> None:
    await wait_until(lambda: len(to_people(post)) == count, f"{count} mails")


async def test_fault_14_a_notifier_set_back_asks_nobody_again_and_a_coordinator_decides_what_may_have_gone(
    workplace: Workplace, post: Post
) -> None:
    asked, accepted, invited = Referral(workplace, "1"), Referral(workplace, "2"), Referral(workplace, "3", "first")
    async with workplace.running(notifier(workplace, post)):
        await workplace.publish(asked.created())
    await back_up(workplace, "notifier")
    async with workplace.running(notifier(workplace, post)) as running:
        await workplace.publish(accepted.created(), accepted.proposed())
        await has_mailed(post, 1)
        await wait_for_step(workplace, "supporter-notified")
        await press(running, post.links()[0], "yes")
        await workplace.publish(asked.proposed(), invited.created())
        await has_mailed(post, 3)
        before = await workplace.wait_for(Topic.OUTREACH, lambda found: len(found) == 4)
    await put_back(workplace, "notifier")

    async with workplace.running(notifier(workplace, post), ready=False) as running:
        lost = await halted(running, 4)
        await resumed(workplace, running)
        await until(lambda: _are_listed(running, ["delivery-unknown", "link-lost", "link-lost"]), what="items")
        await wait_until(lambda: sum("coordinator" in to[0] for to in post.recipients) >= 1, "the coordinator's mail")
        item = next(item for item in await items(running) if item["referral_id"] == str(asked.id))
        await running.client.post(f"/v1/worklist/{item['id']}/send-again")
        await has_mailed(post, 4)  # a human has said so
        for case in (asked, accepted, invited):
            assert (await running.client.post(f"/v1/cases/{case.id}/close")).json() == {"phase": "closed"}
        after = await workplace.wait_for(Topic.OUTREACH, lambda found: _steps(found).count("closed") == 3)

    assert {event["event_id"] for event in lost["events"]} == {str(event.event_id) for event in before}
    assert lost["not_recalled"] == 0
    assert sorted(_steps(before)) == ["", "supporter-accepted", "supporter-notified", "supporter-notified"]
    assert _steps(after).count("supporter-accepted") == 1
    assert await doubled(workplace, Topic.OUTREACH) == []


async def _are_listed(running: Running, wanted: list[str]) -> bool:
    return sorted(await kinds(running)) == wanted


def _steps(events: list[Event]) -> list[str]:
    return [event.step or "" for event in events if isinstance(event, OutreachLogged)]


@pytest.fixture
def programmes(tmp_path: Path) -> Path:
    """RCAPS with contact hours all day, and SHCP whose only clock is due in seconds."""
    rcaps = yaml.safe_load((PROGRAMMES / "rcaps.yaml").read_text())
    rcaps["contact"]["hours"] = {"from": "00:00", "to": "00:00"}
    shcp = yaml.safe_load((PROGRAMMES / "shcp.yaml").read_text())
    due = {"rule": "elapsed", "weekday": "PT8S", "weekend": "PT8S"}
    shcp["clocks"] = [{"kind": "match", "firmness": "promised", "due": due, "warn_before": "PT2S"}]
    for programme in (rcaps, shcp):
        (tmp_path / f"{programme['id']}.yaml").write_text(yaml.safe_dump(programme))
    return tmp_path


async def test_fault_14_a_matcher_set_back_knows_whom_it_had_asked_and_proposes_nobody_else(
    workplace: Workplace, programmes: Path
) -> None:
    described = matcher(workplace.settings(Matching, "matcher", programmes=programmes))
    async with workplace.running(described) as running:
        office = Office(workplace, running, programmes)
        await office.load(*[a_row(f"s{number}") for number in range(1, 5)])
        waiting, confirmed = office.referral(), office.referral()
    await back_up(workplace, "matcher")
    async with workplace.running(described) as running:
        office = Office(workplace, running, programmes)
        await office.say(waiting.created(attributes={"training_programme": "Pediatrics"}))
        first = (await office.said(waiting, MatchProposed))[0]
        await office.say(confirmed.created(attributes={"training_programme": "Pediatrics"}))
        await office.said(confirmed, MatchProposed)
        await office.say(confirmed.logged("supporter-notified", 1), confirmed.logged("supporter-accepted", 1))
        await office.said(confirmed, MatchProposed, MatchConfirmed)
        seats = await running.fetch("SELECT referral_id, attempt, supporter_id, stage FROM match ORDER BY 1, 2")
    await put_back(workplace, "matcher")

    async with workplace.running(described, ready=False) as running:
        office = Office(workplace, running, programmes)
        lost = await halted(running, 3)
        recalled = await running.fetch("SELECT referral_id, attempt, supporter_id, stage FROM match ORDER BY 1, 2")
        await resumed(workplace, running)
        await office.say(waiting.logged("supporter-declined", 1))
        said = await office.said(waiting, MatchProposed, MatchReleased, MatchProposed)
        await office.said(confirmed, MatchProposed, MatchConfirmed)
        await office.say(waiting.logged("closed"), confirmed.logged("closed"))
        await office.settled(waiting, lambda stages: set(stages) == {"ended"})
        await office.settled(confirmed, lambda stages: set(stages) == {"ended"})

    assert recalled == seats
    assert lost["not_recalled"] == 0
    assert said[0] == first
    assert office.asked(said[0]).supporter_id != office.asked(said[2]).supporter_id
    assert await doubled(workplace, Topic.MATCHES) == []


async def test_fault_14_a_matcher_whose_database_is_lost_altogether_halts_and_asks_nobody_again(
    workplace: Workplace, programmes: Path
) -> None:
    described = matcher(workplace.settings(Matching, "matcher", programmes=programmes))
    async with workplace.running(described):
        pass
    await back_up(workplace, "matcher")
    async with workplace.running(described) as running:
        office = Office(workplace, running, programmes)
        await office.load(a_row("s1"), a_row("s2"))
        told = office.referral()
        await office.say(told.created(attributes={"training_programme": "Pediatrics"}))
        await office.said(told, MatchProposed)
    await put_back(workplace, "matcher")

    async with workplace.running(described, ready=False) as running:
        office = Office(workplace, running, programmes)
        await halted(running, 1)
        await office.load(a_row("s1"), a_row("s2"))
        await resumed(workplace, running)
        await office.say(told.logged("supporter-notified", 1), told.logged("supporter-accepted", 1))
        said = await office.said(told, MatchProposed, MatchConfirmed)

    assert [event.sequence for event in said] == [1, 2]


async def test_fault_14_a_monitor_set_back_tells_no_deadline_twice_and_corrects_what_it_had_told(
    workplace: Workplace, programmes: Path
) -> None:
    described = monitor(workplace.settings(Watching, "sla-monitor", programmes=programmes))
    async with workplace.running(described):
        pass
    await back_up(workplace, "sla-monitor")
    missed = created(programmes, datetime.now(UTC) - WAIT - timedelta(seconds=1))
    async with workplace.running(described):
        await workplace.publish(missed)
        before = await workplace.wait_for(Topic.DEADLINES, lambda found: len(about(found, missed.referral_id)) == 2)
    await put_back(workplace, "sla-monitor")

    async with workplace.running(described, ready=False) as running:
        await halted(running, 2)
        fresh = created(programmes, datetime.now(UTC) - WAIT)
        await workplace.publish(fresh)  # what is new is watched all the same
        await workplace.wait_for(Topic.DEADLINES, lambda found: len(about(found, fresh.referral_id)) >= 2)
        await resumed(workplace, running)
        await workplace.publish(a_match(missed, missed.received_at))
        after = await workplace.wait_for(Topic.DEADLINES, lambda found: len(about(found, missed.referral_id)) >= 3)

    assert [type(event) for event in about(before, missed.referral_id)] == [DeadlineSet, DeadlineBreached]
    told = about(after, missed.referral_id)
    assert [type(event) for event in told][-1] is DeadlineMet
    assert [event.event_id for event in told][:-1] == [event.event_id for event in about(before, missed.referral_id)]
    assert isinstance(told[-1], DeadlineMet)
    assert told[-1].corrects == told[-2].event_id
    assert await doubled(workplace, Topic.DEADLINES) == []


STANDING = "SELECT referral_id, person_id, standing, into_id, sequence FROM referral ORDER BY 1"


COUNTED = ("incident_id", "offered", "joined", "unresolved")


async def receipts_of(intake: Intake, reports: list[dict[str, Any]]) -> list[list[Any]]:
    """What is counted in the receipts of these reports."""
    receipts = [(await intake.send(report)).json() for report in reports]
    return [[receipt[name] for name in COUNTED] for receipt in receipts]


async def test_fault_14_an_intake_set_back_knows_whose_cases_are_open_and_opens_no_second_one(
    workplace: Workplace,
) -> None:
    described = {"name": "Fay Lark", "email": "fay@example.org"}
    reports = [a_report("1001", incident="EV-1"), a_report("1001", "9999", incident="EV-2")]
    async with an_intake(workplace) as intake:
        await intake.load(*PEOPLE[1:])
    await back_up(workplace, "intake")
    async with an_intake(workplace) as intake:
        await intake.load()
        receipts = await receipts_of(intake, reports)
        entered = await intake.enter(person=described, programme="shcp", request_id="call-1")
        assert entered.status_code == 201, entered.text
        # Two created, one joined, one unresolved, and what the worklist says about that one.
        await workplace.wait_for(Topic.REFERRALS, lambda found: len(found) >= 4)
        await intake.until_rows("SELECT FROM outbox", 0)
        known = await intake.running.fetch(STANDING)
    await put_back(workplace, "intake")
    before = await workplace.events(Topic.REFERRALS)
    said = await workplace.count(Topic.REFERRALS)  # with what the worklist says about the person whom nobody knows

    async with an_intake(workplace, ready=False) as intake:
        lost = await halted(intake.running, said)
        recalled = await intake.running.fetch(STANDING)
        again = await receipts_of(intake, reports)  # the source sends the time again
        third = (await intake.send(a_report("1001", incident="EV-3"))).json()
        called = await intake.enter(person=described, programme="shcp", request_id="call-2")
        await resumed(workplace, intake.running)
        await until(lambda: _is_listed(intake, "unresolved"), what="the person whom nobody knows")
        case = next(event for event in before if isinstance(event, ReferralCreated))
        await intake.client.post(f"/v1/referrals/{case.referral_id}/withdraw")
        after = await workplace.wait_for(Topic.REFERRALS, lambda found: ReferralWithdrawn in map(type, found))

    assert recalled == known
    assert lost["not_recalled"] == 0
    assert again == receipts
    assert (third["offered"], third["joined"], called.json()["outcome"]) == (0, 1, "joined")
    assert sum(isinstance(event, ReferralCreated) for event in after) == 2
    assert await doubled(workplace, Topic.REFERRALS) == []


async def _is_listed(intake: Intake, kind: str) -> bool:
    return kind in await intake.items()
