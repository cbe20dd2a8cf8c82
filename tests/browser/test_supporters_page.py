"""A supporter's three stages in a real browser, with scripts switched off."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.async_api import Page, async_playwright

from tests.support.notifier_place import (
    PHYSICIAN,
    Post,
    Referral,
    expect_steps,
    notifier,
    post_office,
    wait_until,
)
from tests.support.workplace import Workplace

CHROMIUM = os.environ.get("PEERLINE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
# Python and make are enough for the suite, so a laptop without a browser passes it; CI installs one and must use it.
pytestmark = pytest.mark.skipif(CHROMIUM is None and "CI" not in os.environ, reason="no chromium is installed")


@asynccontextmanager
async def listening(app: FastAPI) -> AsyncIterator[str]:
    """The app on a port of its own; gives its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve())
    await wait_until(lambda: server.started, "the server")
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def browser_page(complaints: list[str]) -> AsyncIterator[Page]:
    """A page without scripts; what the browser complains of (a refused style, say) is noted."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page(java_script_enabled=False)
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        yield page
        await browser.close()


async def see(page: Page, words: str) -> str:
    """Wait for these words as a heading; gives the whole text of the page."""
    await page.get_by_role("heading", name=words).wait_for(timeout=15_000)
    return await page.inner_text("body")


async def say_what_came_of_it(page: Page) -> None:
    """Tried, reached, and sent what they wanted to be sent; each shows on the page."""
    await page.get_by_role("button", name="I have tried to reach them").dblclick()
    await page.get_by_text("You have tried to reach them.").wait_for()
    await page.get_by_role("button", name="I have reached them").click()
    await page.get_by_text("You have reached them.").wait_for()
    await page.get_by_role("button", name="They would like to be sent something").click()
    await page.get_by_role("button", name="I have sent it").click()
    await page.get_by_text("You have sent them further help.").wait_for()


async def test_a_supporter_clicks_through_three_stages_without_scripts(workplace: Workplace) -> None:
    referral, complaints = Referral(workplace), list[str]()
    async with post_office(Post()) as post, workplace.running(notifier(workplace, post)) as running:
        await workplace.publish(referral.created(), referral.proposed())
        await wait_until(lambda: bool(post.links()), "a link")
        async with listening(running.app) as address, browser_page(complaints) as page:
            await page.goto(address + post.links()[0])
            room = await see(page, "Do you have room")
            await page.get_by_role("button", name="Yes, I have room").click()
            checking = await see(page, "Thank you")
            await workplace.publish(referral.confirmed())
            name = await see(page, PHYSICIAN.name)  # the page looks again by itself
            await page.get_by_role("button", name="Show me the contact").click()
            contact = await see(page, "Please get in touch")
            await say_what_came_of_it(page)
            await page.get_by_role("button", name="It is finished").click()
            await see(page, "Thank you")
            await page.go_back()
            await see(page, "Thank you")
        await expect_steps(
            workplace,
            [
                "supporter-notified",
                "supporter-accepted",
                "contact-shown",
                "contact-attempted",
                "contact-made",
                "resources-permitted",
                "resources-sent",
                "closed",
            ],
        )

    assert complaints == []
    assert all("988" in text for text in (room, checking, name, contact))
    assert PHYSICIAN.name not in room + checking
    assert str(PHYSICIAN.phone) not in name
    assert str(PHYSICIAN.phone) in contact
