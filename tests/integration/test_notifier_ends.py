"""How a case ends in a running notifier: withdrawn, retracted, closed, forgotten, handed to another."""

import asyncio

from peerline.compartments import SupporterContact, WithdrawalKind
from peerline.events import (
    MatchReleased,
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
    asked,
    expect_steps,
    notifier,
    show,
    shown,
    steps,
    wait_for_step,
    wait_until,
)
from tests.support.workplace import Workplace, until


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
    refusals = [event for event in await workplace.events(Topic.OUTREACH) if event.referral_id == late.id]
    assert [getattr(event, "into", None) for event in refusals] == [closed.id]
    assert await steps(workplace, early.id) == []


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
