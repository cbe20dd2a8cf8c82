"""Notifier with real Kafka and PostgreSQL: from a proposed match to a closed case, and what may come between."""

import asyncio
from pathlib import Path

from peerline.events import (
    MatchReleased,
    OutreachLogged,
    Topic,
)

from tests.support.notifier_place import (
    PHYSICIAN,
    Post,
    Referral,
    asked,
    expect_steps,
    notifier,
    press,
    programmes,
    show,
    shown,
    steps,
    wait_for_step,
    wait_until,
    worklist,
)
from tests.support.workplace import Workplace, until


async def test_from_a_proposed_match_to_a_closed_case(workplace: Workplace, post: Post) -> None:
    referral = Referral(workplace)
    async with workplace.running(notifier(workplace, post)) as running:
        page = await asked(workplace, post, referral)
        checking = await press(running, page, "yes")
        await workplace.publish(referral.confirmed())
        name = await show(running, page, PHYSICIAN.name)
        contact = await press(running, page, "show-contact")
        for action in ("contact-attempted", "contact-made", "close", "close", "show-contact", "yes"):
            done = await press(running, page, action)
        await wait_for_step(workplace, "closed")

    assert "being checked" in checking
    assert PHYSICIAN.name not in checking
    assert str(PHYSICIAN.phone) not in name
    assert str(PHYSICIAN.phone) in contact
    assert PHYSICIAN.name not in done
    await expect_steps(
        workplace,
        [
            "supporter-notified",
            "supporter-accepted",
            "contact-shown",
            "contact-attempted",
            "contact-made",
            "closed",
        ],
    )
    assert post.recipients == [["fenwor@staff.example"]]
    assert PHYSICIAN.name not in post.texts()[0]


async def test_opening_a_link_changes_nothing(workplace: Workplace, post: Post) -> None:
    async with workplace.running(notifier(workplace, post)) as running:
        page = await asked(workplace, post, Referral(workplace))
        before = await running.fetch("SELECT * FROM outreach_attempt")
        for method in ("GET", "HEAD", "GET"):
            answer = await running.client.request(method, page)
        blind = await running.client.post(page, data={"action": "yes"})
        after = await running.fetch("SELECT * FROM outreach_attempt")

    assert [tuple(row) for row in after] == [tuple(row) for row in before]
    assert blind.status_code == 303
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_unknown_expired_and_other_peoples_links_get_the_same_answer(workplace: Workplace, post: Post) -> None:
    async with workplace.running(notifier(workplace, post)) as running:
        page = await asked(workplace, post, Referral(workplace))
        unknown = await running.client.get("/s/" + "x" * 43)
        others = await running.client.get(page.replace("/s/", "/p/"))
        await running.fetch("UPDATE link SET expires_at = statement_timestamp()")
        expired = await running.client.get(page)
        posted = await running.client.post(page, data={"action": "yes"})

    answers = {(answer.status_code, answer.text) for answer in (unknown, others, expired, posted)}
    assert len(answers) == 1
    assert unknown.status_code == 404


async def test_a_released_match_says_no_longer_needed(workplace: Workplace, post: Post) -> None:
    referral = Referral(workplace)
    async with workplace.running(notifier(workplace, post)) as running:
        page = await asked(workplace, post, referral)
        await workplace.publish(referral.match(MatchReleased))
        await show(running, page, "No longer needed")
        await press(running, page, "yes")

    assert "supporter-accepted" not in await steps(workplace)


async def test_events_that_come_again_send_nothing_again(workplace: Workplace, post: Post) -> None:
    referral = Referral(workplace)
    async with workplace.running(notifier(workplace, post)) as running:
        await asked(workplace, post, referral)
        await running.fetch("DELETE FROM inbox")
        await workplace.publish(referral.created(), referral.proposed())

        async def taken_again() -> bool:
            return len(await running.fetch("SELECT 1 FROM inbox")) == 2

        await until(taken_again, what="both events a second time")
        await asyncio.sleep(0.5)

    assert len(post.mails) == 1
    await expect_steps(workplace, ["supporter-notified"])


async def test_a_proposal_waits_for_its_referral(workplace: Workplace, post: Post) -> None:
    referral = Referral(workplace)
    async with workplace.running(notifier(workplace, post)) as running:
        await workplace.publish(referral.proposed())

        async def known() -> bool:
            return bool(await running.fetch("SELECT 1 FROM outreach_attempt"))

        await until(known, what="the proposal")
        assert await running.fetch("SELECT 1 FROM send") == []
        await running.fetch("UPDATE outreach_attempt SET proposed_at = proposed_at - interval '10 minutes'")
        await running.fetch("UPDATE outreach_case SET look_at = statement_timestamp()")
        await running.fetch("SELECT pg_notify('peerline', 'rounds')")

        async def listed() -> bool:
            return await worklist(running) == ["no-referral"]

        await until(listed, seconds=70, what="an item")
        await workplace.publish(referral.created())
        await wait_until(lambda: bool(post.links()), "a link")

        assert await worklist(running) == []


async def test_an_invited_physician_answers_on_a_private_page(workplace: Workplace, post: Post) -> None:
    referral = Referral(workplace, programme="first")
    async with workplace.running(notifier(workplace, post)) as running:
        await workplace.publish(referral.created())
        await wait_until(lambda: bool(post.links()), "an invitation")
        page = post.links()[0]
        offered = (await running.client.get(page)).text
        for _ in range(2):
            wanted = await press(running, page, "wants-to-talk")
        logged = await workplace.wait_for(Topic.OUTREACH, lambda events: len(events) >= 2)

    assert page.startswith("/p/")
    assert "Would you like to talk" in offered
    assert "will get in touch" in wanted
    assert len(logged) == 2
    said = [event for event in logged if isinstance(event, OutreachLogged) and event.sealed and event.sealed.matcher]
    assert [event.step for event in said] == [None]
    assert post.recipients == [[PHYSICIAN.email]]


async def test_a_case_that_fails_is_listed_and_holds_up_no_other_reminder(workplace: Workplace, post: Post) -> None:
    overlay = programmes(workplace.folder / "quick", silence="PT1S")
    async with workplace.running(notifier(workplace, post, programmes=overlay)) as running:
        failing, sound = Referral(workplace, name="1"), Referral(workplace, name="2")
        await shown(workplace, post, running, failing)
        # Its programme's file is gone: the oldest case that time has come to fails whenever it is looked at.
        await running.fetch(
            "UPDATE outreach_case SET programme = 'gone', look_at = now() - interval '1 day' WHERE referral_id = $1",
            failing.id,
        )
        post.mails.clear()
        await shown(workplace, post, running, sound)

        async def reminded_and_listed() -> bool:
            return len(post.mails) == 2 and "stuck" in await worklist(running)

        await until(reminded_and_listed, what="a reminder and an item")
        await running.fetch(  # the file is back, and a quarter of an hour over
            "UPDATE outreach_case SET programme = 'shcp', look_at = now() WHERE referral_id = $1", failing.id
        )
        await running.fetch("SELECT pg_notify('peerline', 'rounds')")

        async def off_the_list() -> bool:
            return "stuck" not in await worklist(running)

        await until(off_the_list, what="the item to be resolved")


async def test_one_trace_leads_from_the_referral_to_the_steps(workplace: Workplace, post: Post) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    referral = Referral(workplace)
    async with workplace.running(notifier(workplace, post)) as running:
        await workplace.publish(referral.created(), traceparent=f"00-{trace}-00f067aa0ba902b7-01")
        await workplace.publish(referral.proposed())
        await wait_for_step(workplace, "supporter-notified")
        await press(running, post.links()[0], "no")
        await wait_for_step(workplace, "supporter-declined")
        headers = [dict(record.headers) for record in await workplace.records(Topic.OUTREACH)]

    assert {header["traceparent"].decode().split("-")[1] for header in headers} == {trace}


async def test_no_name_is_kept_in_the_clear(workplace: Workplace, post: Post, tmp_path: Path) -> None:
    async with workplace.running(notifier(workplace, post)) as running:
        page = await shown(workplace, post, running, Referral(workplace))
        tables = await running.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        kept = ""
        for table in tables:
            kept += repr(await running.fetch(f'SELECT * FROM "{table["tablename"]}"'))  # noqa: S608  names from the catalogue

    assert "Ambroquaithe" not in kept
    assert "fenwor" not in kept
    assert page.removeprefix("/s/") not in kept
