"""A mail server that refuses, is away, trickles, hangs or cuts: what becomes of its messages, and of the others."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.support.notifier_place import Referral, notifier
from tests.support.outcome import (
    a_supporter,
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
from tests.support.scripted_smtp import Act, ScriptedServer, scripted_smtp
from tests.support.workplace import Workplace, until


@pytest.fixture
async def post() -> AsyncIterator[ScriptedServer]:
    async with scripted_smtp() as server:
        yield server


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused messages are tried again at once; how long they wait otherwise has tests of its own."""
    monkeypatch.setattr("notifier.sends.ending.backoff", lambda *_, **__: timedelta(milliseconds=100))


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("act", [Act.RCPT_451, Act.DATA_451])
async def test_fault_15_what_is_refused_for_now_is_tried_so_often_and_is_a_coordinators_then(
    workplace: Workplace, post: ScriptedServer, act: Act
) -> None:
    refused, other = Referral(workplace, "1"), Referral(workplace, "2")
    post.script.always[a_supporter(1).email] = act
    async with workplace.running(notifier(workplace, post, smtp_tries=3)) as running:
        await ask(workplace, refused, other)
        await wait_until_told(post, refused)
        await logged(workplace, refused, "delivery-failed")
        await logged(workplace, other, "supporter-notified")

        assert await state(running, refused) == [("failed", 3)]
        assert await kinds(running, refused) == ["delivery-failed"]
        assert await kinds(running, other) == []

    assert (questions(post, 1), len(questions(post, 2))) == ([], 1)
    assert (told(post, refused), told(post, other)) == (1, 0)


@pytest.mark.usefixtures("soon")
async def test_fault_15_a_mail_server_that_is_away_gets_each_message_once_when_it_is_back(
    workplace: Workplace, post: ScriptedServer
) -> None:
    referrals = [Referral(workplace, str(number)) for number in (1, 2, 3)]
    post.script.connections = [Act.RESET, Act.GREET_421]
    await post.go_away()
    async with workplace.running(notifier(workplace, post, smtp_tries=1000)) as running:
        await ask(workplace, *referrals)

        async def all_refused() -> bool:
            rows = await running.fetch("SELECT FROM send WHERE tries > 1")
            return len(rows) == len(referrals)

        await until(all_refused, seconds=60, what="refusals")
        await post.listen()
        for referral in referrals:
            await logged(workplace, referral, "supporter-notified")

            assert await kinds(running, referral) == []

    assert [len(questions(post, number)) for number in (1, 2, 3)] == [1, 1, 1]


@pytest.mark.parametrize("act", [Act.RCPT_550, Act.DATA_550])
async def test_fault_16_what_is_refused_for_good_is_a_coordinators_at_once(
    workplace: Workplace, post: ScriptedServer, act: Act
) -> None:
    refused, other = Referral(workplace, "1"), Referral(workplace, "2")
    post.script.always[a_supporter(1).email] = act
    async with workplace.running(notifier(workplace, post)) as running:
        await ask(workplace, refused, other)
        await wait_until_told(post, refused)
        await logged(workplace, refused, "delivery-failed")
        await logged(workplace, other, "supporter-notified")
        [item] = await items(running, refused)

        assert await state(running, refused) == [("failed", 1)]

    assert (item["kind"], item["reason"], item["urgent"]) == ("delivery-failed", "supporter-asked", True)
    assert (questions(post, 1), len(questions(post, 2))) == ([], 1)
    assert told(post, refused) == 1


@pytest.mark.usefixtures("soon")
async def test_fault_17_an_answer_of_one_byte_a_second_has_an_end_and_the_others_go_on(
    workplace: Workplace, post: ScriptedServer
) -> None:
    slow, other = Referral(workplace, "1"), Referral(workplace, "2")
    post.script.connections = [Act.TRICKLE]  # the first try does not get past the greeting
    post.script.messages[a_supporter(1).email] = [Act.TRICKLE_AFTER_DATA]
    async with workplace.running(notifier(workplace, post, smtp_timeout=8)) as running:
        await ask(workplace, slow)

        async def is_at_its_second_try() -> bool:
            return await state(running, slow) == [("sending", 2)] and bool(questions(post, 1))

        await until(is_at_its_second_try, seconds=60, what="a second try")
        await ask(workplace, other)
        await logged(workplace, other, "supporter-notified")
        meanwhile = await state(running, slow)
        await wait_until_told(post, slow)
        await logged(workplace, slow, "delivery-unknown")

        assert await state(running, slow) == [("unknown", 2)]
        assert await kinds(running, slow) == ["delivery-unknown"]

    assert meanwhile == [("sending", 2)]
    assert (len(questions(post, 1)), len(questions(post, 2))) == (1, 1)
    assert told(post, slow) == 1


CUTS = [
    (Act.CUT_IN_DATA, "unknown", 0),
    (Act.CUT_BEFORE_250, "unknown", 1),
    (Act.HANG_AFTER_DATA, "unknown", 1),
    (Act.CUT_AFTER_250, "sent", 1),
]
STEPS = {"unknown": "delivery-unknown", "sent": "supporter-notified"}


async def test_fault_18_a_connection_that_is_cut_or_hangs_once_the_content_is_on_its_way_leaves_the_message_unknown(
    workplace: Workplace, post: ScriptedServer
) -> None:
    referrals = [Referral(workplace, str(number)) for number in range(len(CUTS))]
    for number, (act, _, _) in enumerate(CUTS):
        post.script.always[a_supporter(number).email] = act
    async with workplace.running(notifier(workplace, post, smtp_timeout=4)) as running:
        await ask(workplace, *referrals)
        for referral, (_, ended, _) in zip(referrals, CUTS, strict=True):
            await wait_for_state(running, referral, ended)
            await logged(workplace, referral, STEPS[ended])
            if ended == "unknown":
                await wait_until_told(post, referral)
        states = [await state(running, referral) for referral in referrals]
        listed = [await kinds(running, referral) for referral in referrals]

    assert states == [[(ended, 1)] for _, ended, _ in CUTS]
    assert listed == [["delivery-unknown"] if ended == "unknown" else [] for _, ended, _ in CUTS]
    assert [len(questions(post, number)) for number in range(len(CUTS))] == [arrived for _, _, arrived in CUTS]
    assert [told(post, referral) for referral in referrals] == [int(ended == "unknown") for _, ended, _ in CUTS]


async def test_fault_19_each_message_has_one_recipient_whatever_became_of_the_one_before(
    workplace: Workplace, post: ScriptedServer
) -> None:
    referrals = [Referral(workplace, str(number)) for number in range(12)]
    post.script.always[a_supporter(3).email] = Act.RCPT_550
    async with workplace.running(notifier(workplace, post)) as running:
        await running.client.post("/v1/outreach/shcp/pause")
        await ask(workplace, *referrals)

        async def all_planned() -> bool:
            return len(await running.fetch("SELECT FROM send WHERE state = 'planned'")) == len(referrals)

        await until(all_planned, seconds=60, what="all plans")
        await running.client.post("/v1/outreach/shcp/resume")
        await wait_until_told(post, referrals[3])
        for referral in referrals:
            await wait_for_state(running, referral, ("sent", "failed"))

    assert {len(delivery.recipients) for delivery in post.deliveries} == {1}
    assert post.commands.count("RCPT") == post.commands.count("MAIL") == len(referrals) + 1
    assert max(post.delivered().values()) == 1
