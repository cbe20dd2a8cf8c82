"""What becomes of a message of a running notifier, whatever its mail server answers."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from peerline.compartments import SupporterContact

from tests.support.notifier_place import (
    Post,
    Referral,
    asked,
    notifier,
    programmes,
    wait_for_step,
    wait_until,
    worklist,
)
from tests.support.workplace import Workplace, until


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
        await running.fetch("SELECT pg_notify('peerline', 'rounds')")
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


def _at_once(*_: object, **__: object) -> timedelta:
    return timedelta(0)
