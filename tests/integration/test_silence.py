"""What happens once a supporter has the contact and is not heard of any more, on a real notifier."""

import asyncio
from typing import Any

import pytest

from tests.support.notifier_place import (
    PHYSICIAN,
    SUPPORTER,
    Post,
    Referral,
    notifier,
    programmes,
    shown,
    steps,
    wait_for_step,
    wait_until,
    worklist,
)
from tests.support.workplace import Running, Workplace, until


async def test_silence_after_the_contact_is_reminded_of_once_and_then_listed(workplace: Workplace, post: Post) -> None:
    overlay = programmes(workplace.folder / "quick", silence="PT1S")
    async with workplace.running(notifier(workplace, post, programmes=overlay)) as running:
        page = await shown(workplace, post, running, Referral(workplace))
        await wait_until(lambda: len(post.mails) == 2, "a reminder")

        async def listed() -> bool:
            return "silent" in await worklist(running)

        await until(listed, what="an item")
        await asyncio.sleep(1.5)

        assert PHYSICIAN.name in (await running.client.get(page)).text
        assert PHYSICIAN.name in (await running.client.get(post.links()[1])).text

    assert len(post.mails) == 2


@pytest.mark.parametrize("action", ["close", "other-supporter"])
async def test_a_coordinator_ends_a_silent_conversation_and_its_supporter_is_told_to_stop(
    workplace: Workplace, post: Post, action: str
) -> None:
    overlay = programmes(workplace.folder / "quick", silence="PT1S")
    async with workplace.running(notifier(workplace, post, programmes=overlay)) as running:
        page = await shown(workplace, post, running, Referral(workplace))
        item = await silent(running)
        acted = await running.client.post(f"/v1/worklist/{item['id']}/{action}")
        await wait_for_step(workplace, "closed" if action == "close" else "other-supporter-requested")
        await wait_until(lambda: len(post.mails) == 3, "the message to stop")
        ended = (await running.client.get(page)).text
        left = await worklist(running)

    assert acted.status_code == 200
    assert post.recipients == [[SUPPORTER.email]] * 3
    assert PHYSICIAN.name not in ended
    assert left == []
    assert ("closed" in await steps(workplace)) is (action == "close")


async def test_a_coordinator_who_waits_on_is_told_again_after_as_long_a_silence(
    workplace: Workplace, post: Post
) -> None:
    overlay = programmes(workplace.folder / "quick", silence="PT1S")
    async with workplace.running(notifier(workplace, post, programmes=overlay)) as running:
        page = await shown(workplace, post, running, Referral(workplace))
        first = await silent(running)
        acted = await running.client.post(f"/v1/worklist/{first['id']}/wait")
        second = await silent(running)
        still = (await running.client.get(page)).text

    assert acted.status_code == 200
    assert second["since"] > first["since"]
    assert PHYSICIAN.name in still
    assert len(post.mails) == 2  # the question and one reminder


async def silent(running: Running) -> dict[str, Any]:
    """The item, once it is on the worklist."""
    found: list[dict[str, Any]] = []

    async def is_listed() -> bool:
        items = (await running.client.get("/v1/worklist")).json()["items"]
        found[:] = [item for item in items if item["kind"] == "silent"]
        return bool(found)

    await until(is_listed, what="the item")
    return found[0]
