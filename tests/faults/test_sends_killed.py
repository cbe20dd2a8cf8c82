"""Notifier killed, frozen or stopped between its claim of a message and the end of it."""

from collections.abc import AsyncIterator
from signal import SIGSTOP

import pytest

from tests.support.killed import Child, Point, in_a_process
from tests.support.notices import an_item
from tests.support.notifier_place import Referral, notifier
from tests.support.outcome import (
    COORDINATOR,
    ask,
    items,
    kinds,
    logged,
    questions,
    state,
    told,
    wait_for_state,
    wait_until_told,
)
from tests.support.proxy import Proxy
from tests.support.scripted_smtp import Act, Script, ScriptedServer, scripted_smtp
from tests.support.servers import through
from tests.support.workplace import Running, Workplace, until

HAND_OVER = "notifier.sends.sending:hand_over"
CLAIMED = Point("before", "notifier.sends.sending:_send", SIGSTOP)
ASKED_FOR_CONTENT = Point("after", "aiosmtplib:SMTP.execute_command", SIGSTOP, nth=4)  # EHLO, MAIL, RCPT, DATA
TIMEOUT = 3.0


@pytest.fixture
async def post() -> AsyncIterator[ScriptedServer]:
    async with scripted_smtp() as server:
        yield server


async def test_fault_05_a_notifier_killed_after_its_claim_leaves_the_message_to_a_coordinator(
    workplace: Workplace, post: ScriptedServer
) -> None:
    service, referral = notifier(workplace, post, smtp_timeout=TIMEOUT), Referral(workplace)
    async with in_a_process("notifier", service.settings, workplace.folder, Point("before", HAND_OVER)) as child:
        await child.ready()
        await ask(workplace, referral)
        await child.struck()

    async with workplace.running(service) as running:
        await wait_until_told(post, referral)
        before, left = list(questions(post)), await state(running, referral)
        [item] = await items(running, referral)
        answers = [await running.client.post(f"/v1/worklist/{item['id']}/send-again") for _ in range(2)]
        await logged(workplace, referral, "delivery-unknown", "supporter-notified")
        after = await state(running, referral)

        assert await items(running, referral) == []

    assert (before, left) == ([], [("unknown", 1)])
    assert [answer.status_code for answer in answers] == [200, 404]
    assert after == [("failed", 1), ("sent", 1)]
    assert len(questions(post)) == 1
    assert told(post, referral) == 1


async def test_fault_06_a_notifier_killed_after_the_mail_server_took_the_message_never_sends_it_again(
    workplace: Workplace, post: ScriptedServer
) -> None:
    service, referral = notifier(workplace, post, smtp_timeout=TIMEOUT), Referral(workplace)
    async with in_a_process("notifier", service.settings, workplace.folder, Point("after", HAND_OVER)) as child:
        await child.ready()
        await ask(workplace, referral)
        await child.struck()

    async with workplace.running(service) as running:
        await wait_until_told(post, referral)
        left = await state(running, referral)
        [item] = await items(running, referral)
        await running.client.post(f"/v1/worklist/{item['id']}/delivered")
        await logged(workplace, referral, "delivery-unknown", "supporter-notified")

        assert await state(running, referral) == [("sent", 1)]
        assert await items(running, referral) == []

    assert left == [("unknown", 1)]
    assert len(questions(post)) == 1
    assert told(post, referral) == 1


@pytest.mark.parametrize("point", [CLAIMED, ASKED_FOR_CONTENT], ids=["claim", "content"])
async def test_fault_09_a_notifier_that_was_frozen_past_its_timeout_sends_nothing_when_it_goes_on(
    workplace: Workplace, post: ScriptedServer, point: Point
) -> None:
    service, referral = notifier(workplace, post, smtp_timeout=TIMEOUT), Referral(workplace)
    async with in_a_process("notifier", service.settings, workplace.folder, point) as child:
        await child.ready()
        await ask(workplace, referral)
        await child.struck()
        async with workplace.running(service, ready=False) as running:
            await wait_for_state(running, referral, "unknown")
            given_up = await running.fetch("SELECT * FROM send WHERE message = 'supporter-asked'")
            child.go_on()
            await has_ended_its_try(child)
            await logged(workplace, referral, "delivery-unknown")
            await wait_until_told(post, referral)

            assert await running.fetch("SELECT * FROM send WHERE message = 'supporter-asked'") == given_up
            assert await kinds(running, referral) == ["delivery-unknown"]

    assert questions(post) == []
    assert told(post, referral) == 1


async def has_ended_its_try(child: Child) -> None:
    async def is_logged() -> bool:
        lines = child.log.read_text().splitlines()
        return any("message_handed" in line and "supporter-asked" in line for line in lines)

    await until(is_logged, seconds=60, what="the end of the frozen try")


async def test_a_notifier_that_is_told_to_stop_lets_its_message_arrive(workplace: Workplace) -> None:
    referral = Referral(workplace)
    async with scripted_smtp(Script(messages={"": [Act.SLOW]}), slow=2) as post:
        async with workplace.running(notifier(workplace, post)) as running:
            await ask(workplace, referral)
            await wait_for_state(running, referral, "sending")
        async with workplace.running(notifier(workplace, post)) as running:
            ended = await state(running, referral)
            await logged(workplace, referral, "supporter-notified")

    assert ended == [("sent", 1)]
    assert len(questions(post)) == 1


async def test_what_became_of_a_message_is_written_when_the_database_is_back(workplace: Workplace) -> None:
    referral = Referral(workplace)
    async with (
        Proxy(workplace.servers.postgres_address) as proxy,
        scripted_smtp(Script(messages={"": [Act.SLOW]}), slow=2) as post,
    ):
        url = through(proxy, workplace.database("notifier"))
        async with workplace.running(notifier(workplace, post, database_url=url)) as running:
            await ask(workplace, referral)
            await wait_for_state(running, referral, "sending")
            await proxy.obey("refuse")
            await proxy.obey("cut")

            async def is_taken() -> bool:
                return post.answered == 1

            await until(is_taken, what="the mail server's answer")
            await proxy.obey("pass")
            await logged(workplace, referral, "supporter-notified")

            assert await state(running, referral) == [("sent", 1)]

    assert len(questions(post)) == 1


async def notices(running: Running) -> list[tuple[str, int]]:
    return [(row["state"], row["tries"]) for row in await running.fetch("SELECT state, tries FROM notice")]


async def being_told(running: Running) -> None:
    async def is_on_its_way() -> bool:
        return await notices(running) == [("sending", 1)]

    await until(is_on_its_way, seconds=60, what="a message to the coordinator on its way")


async def test_a_notifier_that_is_told_to_stop_lets_its_message_to_a_coordinator_arrive(workplace: Workplace) -> None:
    async with scripted_smtp(Script(messages={"": [Act.SLOW]}), slow=2) as post:
        async with workplace.running(notifier(workplace, post)) as running:
            await workplace.publish(an_item(workplace, "unmatched"))
            await being_told(running)
        async with workplace.running(notifier(workplace, post)) as running:
            ended = await notices(running)

    assert ended == [("sent", 1)]
    assert len(post.to(COORDINATOR)) == 1


async def test_what_became_of_a_message_to_a_coordinator_is_written_when_the_database_is_back(
    workplace: Workplace,
) -> None:
    async with (
        Proxy(workplace.servers.postgres_address) as proxy,
        scripted_smtp(Script(messages={"": [Act.SLOW]}), slow=2) as post,
    ):
        url = through(proxy, workplace.database("notifier"))
        async with workplace.running(notifier(workplace, post, database_url=url)) as running:
            await workplace.publish(an_item(workplace, "unmatched"))
            await being_told(running)
            await proxy.obey("refuse")
            await proxy.obey("cut")

            async def is_taken() -> bool:
                return post.answered == 1

            await until(is_taken, what="the mail server's answer")
            await proxy.obey("pass")

            async def is_written() -> bool:
                return await notices(running) == [("sent", 1)]

            await until(is_written, seconds=60, what="its end")

    assert len(post.to(COORDINATOR)) == 1
