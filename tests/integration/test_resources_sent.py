"""A supporter asks whether further help may be sent, sends it, and says so on the private page."""

from pathlib import Path

import pytest
import yaml

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
    wait_for_step,
)
from tests.support.workplace import Running, Workplace

TO_THE_CONTACT = ["supporter-notified", "supporter-accepted", "contact-shown"]
CLOCKS = [{"kind": "match", "firmness": "promised", "due": {"rule": "elapsed", "weekday": "P1D", "weekend": "P2D"}}]
HELP = {"name": "Sleep after a hard day", "text": "a page about it", "url": "https://help.example/sleep"}


def _folder(place: Workplace, **more: object) -> Path:
    folder = programmes(place.folder / "programmes")
    file = folder / "shcp.yaml"
    said = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump(said | more))
    return folder


async def _to_the_contact(workplace: Workplace, post: Post, running: Running) -> tuple[str, str]:
    """The private page's path and what it shows beside the contact."""
    referral = Referral(workplace)
    page = await asked(workplace, post, referral)
    await press(running, page, "yes")
    await workplace.publish(referral.confirmed())
    await show(running, page, PHYSICIAN.name)
    return page, await press(running, page, "show-contact")


async def test_a_case_stays_open_until_what_was_promised_has_been_sent(workplace: Workplace, post: Post) -> None:
    folder = _folder(workplace, resources=[HELP])
    async with workplace.running(notifier(workplace, post, programmes=folder)) as running:
        page, contact = await _to_the_contact(workplace, post, running)
        owed = await press(running, page, "resources-permitted")
        still = await press(running, page, "close")
        sent = await press(running, page, "resources-sent")
        done = await press(running, page, "close")
        await wait_for_step(workplace, "closed")

    assert "whether you may send them" in contact
    assert HELP["url"] in contact
    assert "I have sent it" in owed
    assert "It is finished" not in owed
    assert still == owed
    assert "You have sent them further help" in sent
    assert "It is finished" in sent
    assert PHYSICIAN.name not in done
    await expect_steps(workplace, [*TO_THE_CONTACT, "contact-made", "resources-permitted", "resources-sent", "closed"])


async def test_what_is_owed_can_be_sent_also_by_a_file_that_asks_nobody_any_more(
    workplace: Workplace, post: Post
) -> None:
    async with workplace.running(notifier(workplace, post, programmes=_folder(workplace))) as running:
        page, _ = await _to_the_contact(workplace, post, running)
        await press(running, page, "resources-permitted")
    folder = _folder(workplace, supporters_send_resources=False, clocks=CLOCKS)
    async with workplace.running(notifier(workplace, post, programmes=folder)) as running:
        sent = await press(running, page, "resources-sent")
        await press(running, page, "close")
        await wait_for_step(workplace, "closed")

    assert "You have sent them further help" in sent
    await expect_steps(workplace, [*TO_THE_CONTACT, "contact-made", "resources-permitted", "resources-sent", "closed"])


@pytest.mark.parametrize("action", ["resources-permitted", "resources-sent"])
async def test_where_supporters_send_nothing_no_page_asks_and_no_post_says_so(
    workplace: Workplace, post: Post, action: str
) -> None:
    folder = _folder(workplace, resources=[HELP], supporters_send_resources=False, clocks=CLOCKS)
    async with workplace.running(notifier(workplace, post, programmes=folder)) as running:
        page, contact = await _to_the_contact(workplace, post, running)
        after = await press(running, page, action)
        await press(running, page, "close")
        await wait_for_step(workplace, "closed")

    assert "whether you may send them" not in contact
    assert HELP["url"] not in contact
    assert after == contact
    await expect_steps(workplace, [*TO_THE_CONTACT, "closed"])
