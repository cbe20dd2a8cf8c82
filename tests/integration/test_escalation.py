"""
A breach that nobody acknowledges, from its event to the mails, on real Kafka, PostgreSQL and SMTP: who is told next,
when, once, and by no name.
"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from peerline.events import DeadlineAcknowledged, DeadlineBreached, DeadlineEscalated, Topic
from peerline_local.commands import deadlines
from peerline_local.errors import StackError

from tests.support.escalating import (
    CONTACTS,
    COORDINATOR,
    DEPUTY,
    DIRECTOR,
    DUE,
    QUICK,
    STEPS,
    a_programme,
    a_request,
    both,
    has_mail,
    letters_to,
    levels,
    said,
    watching,
)
from tests.support.inside import reach_of
from tests.support.notices import looked
from tests.support.notifier_place import PHYSICIAN, SUPPORTER, Post, Referral, notifier
from tests.support.promises import SHCP
from tests.support.set_back import back_up, doubled, halted, put_back
from tests.support.workplace import Running, Workplace, until

NOT_AGO = timedelta(0)


@pytest.fixture
def programmes(tmp_path: Path) -> Path:
    """SHCP with a match clock of seconds, a deputy and a Director."""
    return a_programme(tmp_path / "escalating", STEPS, **CONTACTS)


async def test_the_coordinator_then_the_deputy_then_the_director_are_told_each_once_in_time_and_nobody_else(
    workplace: Workplace, post: Post, tmp_path: Path
) -> None:
    referral, programmes = Referral(workplace), a_programme(tmp_path / "quick", QUICK, **CONTACTS)
    request = a_request(referral)
    async with both(workplace, post, programmes) as (_, telling):
        await workplace.publish(request, referral.proposed())
        await has_mail(post, DIRECTOR)
        await looked(telling)
        events = await said(workplace, referral.id)

    due_at = request.received_at + DUE
    breach, deputy, director = events
    assert (type(breach), levels(events)) == (DeadlineBreached, [(1, "deputy"), (2, "director")])
    assert deputy.occurred_at >= due_at + timedelta(seconds=2)
    assert director.occurred_at >= due_at + timedelta(seconds=5)
    assert all(event.due_at == due_at for event in events)
    told = [to for [to] in post.recipients if to != SUPPORTER.email]
    assert set(told[:-2]) == {COORDINATOR}  # the warning and the breach, in one mail or two
    assert told[-2:] == [DEPUTY, DIRECTOR]
    assert len(letters_to(post, SUPPORTER.email)) == 1  # the question whether there is room, and nothing of a delay
    assert "overdue" not in letters_to(post, SUPPORTER.email)[0]
    for level, address in enumerate((DEPUTY, DIRECTOR), start=1):
        [letter] = letters_to(post, address)
        assert f"Step {level}, for the {address.split('@')[0]}: match, overdue by 0 min" in letter
        assert f"peerline deadlines acknowledge {referral.id} match" in letter
        assert all(person.name not in letter for person in (PHYSICIAN, SUPPORTER))


async def test_what_was_overdue_for_long_is_told_to_each_person_once_however_many_roles_they_have(
    workplace: Workplace, post: Post, tmp_path: Path
) -> None:
    contacts = CONTACTS | {"director": SHCP["coordinator"] | {"email": COORDINATOR.upper()}}  # as at UCSD
    programmes = a_programme(tmp_path / "escalating", STEPS, **contacts)
    late = Referral(workplace)
    async with both(workplace, post, programmes) as (_, telling):
        await workplace.publish(a_request(late, timedelta(hours=2)))
        await has_mail(post, DEPUTY)
        await has_mail(post, COORDINATOR)
        await looked(telling)
        events = await said(workplace, late.id)

    assert [type(event) for event in events] == [DeadlineBreached, DeadlineEscalated]
    assert sorted(post.recipients) == [[COORDINATOR], [DEPUTY]]
    assert "overdue by 1 h" in letters_to(post, DEPUTY)[0]


async def test_nobody_is_told_after_an_acknowledgement(workplace: Workplace, post: Post, programmes: Path) -> None:
    noted, warned, control = (Referral(workplace, name) for name in ("1", "2", "3"))
    async with both(workplace, post, programmes) as (watcher, telling):
        await workplace.publish(a_request(noted, NOT_AGO), a_request(warned, NOT_AGO))
        await until(lambda: stands(watcher, warned, "approaching"), what="the warning", seconds=60)
        notes = [await take_note(watcher, warned)]
        await until(lambda: stands(watcher, noted, "breached"), what="the breach", seconds=60)
        notes += [await take_note(watcher, noted)]
        await workplace.publish(a_request(control))
        await has_mail(post, DIRECTOR)
        await looked(telling)
        of_noted, of_warned = await said(workplace, noted.id), await said(workplace, warned.id)

    assert [note.status_code for note in notes] == [200, 200]
    assert [type(event) for event in of_noted] == [DeadlineBreached, DeadlineAcknowledged]
    assert [type(event) for event in of_warned] == [DeadlineAcknowledged, DeadlineBreached]
    for address in (DEPUTY, DIRECTOR):
        [letter] = letters_to(post, address)
        assert str(control.id) in letter
        assert not any(str(referral.id) in letter for referral in (noted, warned))


async def stands(watcher: Running, referral: Referral, state: str) -> bool:
    answer = await watcher.client.get(f"/v1/cases/{referral.id}/clocks")
    return answer.status_code == 200 and answer.json()["clocks"][0]["state"] == state


async def take_note(watcher: Running, referral: Referral) -> Any:
    return await watcher.client.post(f"/v1/cases/{referral.id}/clocks/match/acknowledgement")


async def has_said(place: Workplace, referral: Referral, number: int) -> None:
    async def enough() -> bool:
        return len(await said(place, referral.id)) >= number

    await until(enough, what=f"{number} events after the breach", seconds=60)


async def test_a_monitor_that_starts_again_with_another_file_goes_on_with_the_steps_that_the_clock_began_with(
    workplace: Workplace, post: Post, tmp_path: Path
) -> None:
    referral, programmes = Referral(workplace), a_programme(tmp_path / "quick", QUICK, **CONTACTS)
    async with workplace.running(notifier(workplace, post, programmes=programmes)) as telling:
        async with watching(workplace, programmes):
            await workplace.publish(a_request(referral))
            await has_said(workplace, referral, 2)
        async with watching(workplace, a_programme(tmp_path / "without", [])):
            await has_mail(post, DIRECTOR)
            await looked(telling)

    assert levels(await said(workplace, referral.id)) == [(1, "deputy"), (2, "director")]
    assert (len(letters_to(post, DEPUTY)), len(letters_to(post, DIRECTOR))) == (1, 1)
    assert await doubled(workplace, Topic.DEADLINES) == []


async def test_fault_14_a_monitor_that_was_set_back_tells_no_step_twice_and_none_that_was_acknowledged(
    workplace: Workplace, post: Post, programmes: Path
) -> None:
    left, noted = Referral(workplace, "1"), Referral(workplace, "2")
    async with watching(workplace, programmes):
        pass
    await back_up(workplace, "sla-monitor")
    async with workplace.running(notifier(workplace, post, programmes=programmes)) as telling:
        async with watching(workplace, programmes) as watcher:
            await workplace.publish(a_request(left), a_request(noted))
            await has_said(workplace, noted, 2)  # the breach, and the step to the deputy
            assert (await take_note(watcher, noted)).status_code == 200
            await has_said(workplace, noted, 3)
            await has_said(workplace, left, 2)
            await drained(watcher)
        lost = await workplace.count(Topic.DEADLINES)
        await put_back(workplace, "sla-monitor")
        async with watching(workplace, programmes, ready=False) as watcher:
            await halted(watcher, lost)
            await has_mail(post, DIRECTOR)
            await looked(telling)
            clock = (await watcher.client.get(f"/v1/cases/{noted.id}/clocks")).json()["clocks"][0]

    assert levels(await said(workplace, left.id)) == [(1, "deputy"), (2, "director")]
    assert levels(await said(workplace, noted.id)) == [(1, "deputy")]
    assert str(noted.id) not in " ".join(letters_to(post, DIRECTOR))
    assert sum(letter.count(f"under the reference {left.id}") for letter in letters_to(post, DEPUTY)) == 1
    assert clock["acknowledged_at"] is not None
    assert clock["acknowledged_by"] is None
    assert await doubled(workplace, Topic.DEADLINES) == []


async def drained(watcher: Running) -> None:
    async def is_empty() -> bool:
        return not await watcher.fetch("SELECT FROM outbox")

    await until(is_empty, what="the outbox to drain")


async def test_a_breached_clock_is_acknowledged_by_the_command_and_shown_as_such(
    workplace: Workplace, programmes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    referral = Referral(workplace)
    first = a_request(referral, -timedelta(seconds=3))
    async with watching(workplace, programmes) as watcher:
        reach = reach_of(workplace, watcher)
        await workplace.publish(first)
        await until(lambda: stands(watcher, referral, "breached"), what="the breach", seconds=60)
        await deadlines.take_note(reach, str(referral.id), "match", None)
        again = await watcher.client.post(acknowledging(referral))
        await workplace.wait_for(Topic.DEADLINES, lambda found: DeadlineAcknowledged in map(type, found))
        clock = (await watcher.client.get(f"/v1/cases/{referral.id}/clocks")).json()["clocks"][0]
        listed = (await watcher.client.get("/v1/deadlines?programme=shcp")).json()["deadlines"][0]
        await deadlines.show(reach, "shcp", None, as_json=False)
        records = await workplace.records(Topic.DEADLINES)

    assert again.json() == {name: clock.get(name) for name in again.json()} | {"referral_id": str(referral.id)}
    assert (clock["acknowledged_by"], listed["acknowledged_at"]) == ("coordinator", clock["acknowledged_at"])
    steps = [{"to": "deputy", "told": False}, {"to": "director", "told": False}]
    assert [{name: step[name] for name in ("to", "told")} for step in clock["escalation"]] == steps
    waits = [datetime.fromisoformat(step["at"]) - first.received_at - DUE for step in clock["escalation"]]
    assert waits == [timedelta(seconds=5), timedelta(seconds=10)]
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("match: acknowledged ")
    assert out[1].endswith(f"{referral.id}  acknowledged")
    assert not any(b"coordinator" in record.value for record in records)


async def test_only_a_coordinator_acknowledges_and_only_a_clock_that_is_there_and_approaches_or_is_breached(
    workplace: Workplace, programmes: Path
) -> None:
    referral, path = Referral(workplace), acknowledging(Referral(workplace))
    operator = {"authorization": f"Bearer {workplace.tokens['operator']}"}
    async with watching(workplace, programmes) as watcher:
        await workplace.publish(a_request(referral, -timedelta(seconds=3)))
        await until(lambda: stands(watcher, referral, "running"), what="the clock", seconds=60)
        early = await watcher.client.post(path)
        await until(lambda: stands(watcher, referral, "breached"), what="the breach", seconds=60)
        refused = [
            await watcher.client.post(path, headers=operator),
            await watcher.client.post(path, headers={"authorization": "Bearer x"}),
            await watcher.client.post(path.replace(str(referral.id), str(uuid4()))),
            await watcher.client.post(path.replace("/match/", "/answer/")),
            await watcher.client.post(f"{path}?attempt=1"),
        ]
        with pytest.raises(StackError, match="404 unknown-clock"):
            await deadlines.take_note(reach_of(workplace, watcher), str(referral.id), "match", 2)
        cases = await watcher.fetch("SELECT referral_id FROM referral")

    assert (early.status_code, early.json()["code"]) == (409, "neither-approaching-nor-breached")
    assert [answer.status_code for answer in refused] == [403, 401, 404, 404, 404]
    assert [row["referral_id"] for row in cases] == [referral.id]  # nothing was made of the unknown one


def acknowledging(referral: Referral) -> str:
    return f"/v1/cases/{referral.id}/clocks/match/acknowledgement"
