"""Notifier with real Kafka and PostgreSQL: from a proposed match to a closed case, and what may go wrong."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from peerline.compartments import SupporterContact, WithdrawalKind
from peerline.events import (
    MatchReleased,
    OutreachLogged,
    ReferralForgotten,
    ReferralJoined,
    Topic,
)

from tests.support.notifier_place import (
    NOW,
    PHYSICIAN,
    SUPPORTER,
    Post,
    Referral,
    expect_steps,
    notifier,
    post_office,
    press,
    programmes,
    show,
    steps,
    wait_for_step,
    wait_until,
)
from tests.support.workplace import Running, Workplace, until


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    async with post_office(Post()) as office:
        yield office


async def asked(place: Workplace, post: Post, referral: Referral) -> str:
    """A referral whose supporter has been asked; gives the path of the private page."""
    await place.publish(referral.created(), referral.proposed())
    await wait_until(lambda: bool(post.links()), "a link")
    await wait_for_step(place, "supporter-notified")
    return post.links()[-1]


async def shown(place: Workplace, post: Post, running: Running, referral: Referral) -> str:
    """A referral whose supporter has the contact; gives the path of the private page."""
    page = await asked(place, post, referral)
    await press(running, page, "yes")
    await place.publish(referral.confirmed())
    await show(running, page, PHYSICIAN.name)
    await press(running, page, "show-contact")
    return page


async def worklist(running: Running) -> list[str]:
    return [item["kind"] for item in (await running.client.get("/v1/worklist")).json()["items"]]


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


async def test_a_temporary_refusal_is_tried_again_with_the_same_message_id(
    workplace: Workplace, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifier.sends.ending.backoff", _at_once)
    post.answers = ["451 not now", "421 later"]
    async with workplace.running(notifier(workplace, post)) as running:
        page = await asked(workplace, post, Referral(workplace))
        [send] = await running.fetch("SELECT message_id, tries, state FROM send")

        assert "room" in (await running.client.get(page)).text

    assert (send["tries"], send["state"]) == (3, "sent")
    assert str(post.mails[0]["Message-ID"]) == f"<{send['message_id']}@mail.example>"


async def test_refusals_end_with_the_coordinator(
    workplace: Workplace, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifier.sends.ending.backoff", _at_once)
    post.answers = ["451 not now"] * 3
    async with workplace.running(notifier(workplace, post, smtp_tries=3)) as running:
        await workplace.publish(Referral(workplace).created(), Referral(workplace).proposed())
        await wait_for_step(workplace, "delivery-failed")
        await wait_until(lambda: bool(post.mails), "the coordinator's message")

        assert await worklist(running) == ["delivery-failed"]

    assert post.recipients == [["coordinator@shcp.example.org"]]


async def test_a_permanent_refusal_is_on_the_worklist_at_once_and_another_supporter_can_be_asked(
    workplace: Workplace, post: Post
) -> None:
    post.refuse_recipient = "550 nobody of that name"
    async with workplace.running(notifier(workplace, post)) as running:
        await workplace.publish(Referral(workplace).created(), Referral(workplace).proposed())
        await wait_for_step(workplace, "delivery-failed")
        items = (await running.client.get("/v1/worklist")).json()["items"]
        item = next(item for item in items if item["reason"] == "supporter-asked")
        answer = await running.client.post(f"/v1/worklist/{item['id']}/match-again")
        await wait_for_step(workplace, "supporter-declined")
        sends = await running.fetch("SELECT state, code, tries FROM send WHERE message = 'supporter-asked'")

    assert answer.status_code == 200
    assert [tuple(send) for send in sends] == [("failed", "overruled", 1)]


async def test_a_connection_cut_after_the_content_is_unknown_and_never_sent_again(
    workplace: Workplace, post: Post
) -> None:
    post.cut_after_data = True
    async with workplace.running(notifier(workplace, post)) as running:
        await workplace.publish(Referral(workplace).created(), Referral(workplace).proposed())
        await wait_for_step(workplace, "delivery-unknown")
        await asyncio.sleep(0.5)

        items = (await running.client.get("/v1/worklist")).json()["items"]
        item = next(item for item in items if item["kind"] == "delivery-unknown")
        resolved = await running.client.post(f"/v1/worklist/{item['id']}/resolve")

        assert resolved.status_code == 409
        assert "delivery-unknown" in await worklist(running)

    assert sum("room for one" in text for text in post.texts()) == 1


async def test_a_message_whose_sender_died_becomes_unknown_and_can_be_settled(workplace: Workplace, post: Post) -> None:
    referral = Referral(workplace)
    service = notifier(workplace, post, smtp_timeout=0.5)
    async with workplace.running(service) as running:
        await asked(workplace, post, referral)
        await running.fetch(
            """
            INSERT INTO send (referral_id, message, about, attempt, message_id, due_at, state, claimed_at)
            SELECT $1, 'supporter-asked', 'test', 1, 'x', now(), 'sending', now() - interval '1 minute'
            """,
            referral.id,
        )
        await workplace.publish(Referral(workplace, name="2").created())
        await wait_for_step(workplace, "delivery-unknown")
        [item] = [
            item
            for item in (await running.client.get("/v1/worklist")).json()["items"]
            if item["kind"] == "delivery-unknown"
        ]
        answer = await running.client.post(f"/v1/worklist/{item['id']}/delivered")
        states = await running.fetch("SELECT state FROM send WHERE about = 'test'")

    assert answer.status_code == 200
    assert [row["state"] for row in states] == ["sent"]


async def test_one_slow_mail_server_holds_up_nobody_else(workplace: Workplace, post: Post) -> None:
    stuck = asyncio.Event()
    take = post.handle_DATA

    async def slowly(server: object, session: object, envelope: object) -> str:
        if not stuck.is_set():
            stuck.set()
            await asyncio.sleep(8)
        return await take(server, session, envelope)  # type: ignore[arg-type]  # the script is generic

    post.handle_DATA = slowly  # type: ignore[assignment, method-assign]
    first, second = Referral(workplace), Referral(workplace, name="2")
    async with workplace.running(notifier(workplace, post, smtp_timeout=6)):
        await workplace.publish(first.created(), first.proposed())
        await asyncio.wait_for(stuck.wait(), 20)
        started = asyncio.get_running_loop().time()
        await workplace.publish(second.created(), second.proposed())
        await wait_until(lambda: bool(post.links()), "the second one's link")
        waited = asyncio.get_running_loop().time() - started
        await wait_for_step(workplace, "delivery-unknown")

    assert waited < 3


async def test_a_withdrawal_tells_the_supporter_to_stop(workplace: Workplace, post: Post) -> None:
    referral = Referral(workplace)
    async with workplace.running(notifier(workplace, post)) as running:
        page = await shown(workplace, post, running, referral)
        await workplace.publish(referral.withdrawn())
        await wait_for_step(workplace, "closed")
        await wait_until(lambda: len(post.mails) == 2, "a second message")
        stopped = await show(running, page, "No longer needed")

    assert PHYSICIAN.name not in stopped
    assert "do not get in touch" in " ".join(post.texts()[1].split())


async def test_a_retraction_after_contact_leaves_the_offer_standing(workplace: Workplace, post: Post) -> None:
    referral = Referral(workplace)
    async with workplace.running(notifier(workplace, post)) as running:
        page = await shown(workplace, post, running, referral)
        await workplace.publish(referral.withdrawn(WithdrawalKind.RETRACTED))
        await wait_for_step(workplace, "retraction-declined")

        assert PHYSICIAN.name in (await running.client.get(page)).text


async def test_a_withdrawal_without_a_case_leaves_a_tombstone(workplace: Workplace, post: Post) -> None:
    referral = Referral(workplace)
    async with workplace.running(notifier(workplace, post)) as running:
        await workplace.publish(referral.withdrawn())
        await wait_for_step(workplace, "closed")
        await workplace.publish(referral.created(), referral.proposed())

        async def known() -> bool:
            return bool(await running.fetch("SELECT 1 FROM outreach_attempt"))

        await until(known, what="the proposal")

        assert await running.fetch("SELECT 1 FROM send") == []

    await expect_steps(workplace, ["closed"])


async def test_a_trigger_that_joins_a_closed_case_is_refused_under_its_own_id(workplace: Workplace, post: Post) -> None:
    closed, opened, late, early = (Referral(workplace, name=name) for name in ("closed", "open", "late", "early"))

    def joining(own: Referral, into: Referral) -> ReferralJoined:
        common = own.created().model_dump(include={"referral_id", "sequence", "occurred_at", "received_at"})
        event_id = workplace.ids.event(ReferralJoined.name, own.id)
        return ReferralJoined(**common, programme=own.created().programme, event_id=event_id, into=into.id)

    async with workplace.running(notifier(workplace, post)):
        await workplace.publish(opened.created(), closed.created(), closed.withdrawn())
        await wait_for_step(workplace, "closed")
        await workplace.publish(joining(early, opened), joining(late, closed))
        await wait_for_step(workplace, "join-refused")

    await expect_steps(workplace, ["join-refused"], late.id)
    assert await steps(workplace, early.id) == []


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


async def test_outside_of_contact_hours_nothing_is_sent(workplace: Workplace, post: Post) -> None:
    hour = datetime.now(UTC).hour
    hours = {"from": f"{(hour + 3) % 24:02}:00", "to": f"{(hour + 4) % 24:02}:00"}
    overlay = programmes(workplace.folder / "later", hours=hours)
    supporter = SupporterContact(supporter_id="s", name="Dr S", email="fenwor@staff.example", zone="Etc/UTC")
    referral = Referral(workplace)
    async with workplace.running(notifier(workplace, post, programmes=overlay)) as running:
        await workplace.publish(referral.created(), referral.proposed(supporter=supporter))

        async def planned() -> bool:
            return bool(await running.fetch("SELECT 1 FROM send"))

        await until(planned, what="a plan")
        [send] = await running.fetch("SELECT due_at, state FROM send")

    assert send["state"] == "planned"
    assert send["due_at"].hour == (hour + 3) % 24
    assert post.mails == []


async def test_nobody_else_is_asked_before_the_first_supporter_was_told_to_stop(
    workplace: Workplace, post: Post
) -> None:
    referral = Referral(workplace)
    second = SupporterContact(supporter_id="sup-2", name="Dr T", email="second@staff.example")
    async with workplace.running(notifier(workplace, post)) as running:
        page = await shown(workplace, post, running, referral)
        post.answers = ["451 not now"]
        await running.client.post(f"/v1/cases/{referral.id}/other-supporter")
        await show(running, page, "No longer needed")
        await wait_until(lambda: not post.answers, "a refusal")
        await workplace.publish(referral.match(MatchReleased), referral.proposed(2, second))
        await asyncio.sleep(1)
        asked_early = len(post.mails) > 1
        await running.fetch("UPDATE send SET due_at = statement_timestamp() WHERE state = 'refused'")
        await running.fetch("SELECT pg_notify('peerline', 'rounds')")
        await wait_until(lambda: len(post.mails) == 3, "both messages")

    assert not asked_early
    assert post.recipients[1:] == [[SUPPORTER.email], [second.email]]
    assert "other-supporter-requested" in await steps(workplace)


async def test_a_coordinator_closes_a_case(workplace: Workplace, post: Post) -> None:
    referral = Referral(workplace)
    async with workplace.running(notifier(workplace, post)) as running:
        page = await asked(workplace, post, referral)
        answer = await running.client.post(f"/v1/cases/{referral.id}/close")
        await show(running, page, "No longer needed")
        unknown = await running.client.post(f"/v1/cases/{workplace.ids.match(referral.id, 9)}/close")
        nobody = await running.client.post(f"/v1/cases/{referral.id}/close", headers={"authorization": "Bearer x"})

    assert answer.json() == {"phase": "closed"}
    assert (unknown.status_code, nobody.status_code) == (404, 401)


async def test_a_paused_programme_sends_nothing_until_it_is_resumed(workplace: Workplace, post: Post) -> None:
    referral = Referral(workplace)
    async with workplace.running(notifier(workplace, post)) as running:
        await running.client.post("/v1/outreach/shcp/pause")
        await workplace.publish(referral.created(), referral.proposed())

        async def planned() -> bool:
            return bool((await running.client.get("/v1/outreach")).json()["sends"])

        await until(planned, what="a plan")
        await asyncio.sleep(0.5)
        while_paused = len(post.mails)
        await running.client.post("/v1/outreach/shcp/resume")
        await wait_until(lambda: bool(post.mails), "a message")

    assert while_paused == 0


async def test_two_replicas_send_each_message_once(workplace: Workplace, post: Post) -> None:
    referrals = [Referral(workplace, name=str(number)) for number in range(25)]
    async with (
        workplace.running(notifier(workplace, post)) as running,
        workplace.running(notifier(workplace, post)),
    ):
        for referral in referrals:
            await workplace.publish(referral.created(), referral.proposed())

        async def all_sent() -> bool:
            rows = await running.fetch("SELECT 1 FROM send WHERE state = 'sent'")
            return len(rows) == len(referrals)

        await until(all_sent, what="all messages")

    assert len(post.mails) == len(referrals)
    assert len({str(mail["Message-ID"]) for mail in post.mails}) == len(referrals)


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


async def test_what_is_forgotten_is_gone(workplace: Workplace, post: Post) -> None:
    referral = Referral(workplace)
    forgotten = ReferralForgotten(
        event_id=workplace.ids.event(ReferralForgotten.name, referral.id),
        referral_id=referral.id,
        programme=referral.created().programme,
        sequence=9,
        occurred_at=NOW,
    )
    async with workplace.running(notifier(workplace, post)) as running:
        page = await asked(workplace, post, referral)
        await workplace.publish(forgotten)
        await wait_for_step(workplace, "closed")
        [case] = await running.fetch("SELECT contact, zone, forgotten_at FROM outreach_case")
        gone = await running.client.get(page)

        assert [row["contact"] for row in await running.fetch("SELECT contact FROM outreach_attempt")] == [None]
        assert await running.fetch("SELECT 1 FROM send") == []

    assert case["contact"] is None
    assert case["forgotten_at"] is not None
    assert gone.status_code == 404


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


def _at_once(*_: object, **__: object) -> timedelta:
    return timedelta(0)
