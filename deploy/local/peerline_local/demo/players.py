"""
The played people: each opens the private link that came by mail, looks at the page, and presses buttons.

What a supporter does depends on who they are and on how often they were asked, so that a run is the same
in kind whoever is matched with whom. Most say yes; some have no room the first time, some know the
physician too well, two leave their first message unread.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from peerline_local.demo.browser import Page
from peerline_local.demo.comparison.mail import asks
from peerline_local.demo.people import Supporter
from peerline_local.demo.reach import tls
from peerline_local.mailbox import Message

YES, NO, TOO_WELL, SHOW = "yes", "no", "decline", "show-contact"
ATTEMPTED, MADE, DOES_NOT_WANT, CLOSE = "contact-attempted", "contact-made", "does-not-want", "close"
PERMITTED, SENT = "resources-permitted", "resources-sent"
LEFT_UNREAD: tuple[str, ...] = ()

_TALKED = (YES, SHOW, ATTEMPTED, MADE, CLOSE)
_TALKED_AND_SENT = (YES, SHOW, ATTEMPTED, MADE, PERMITTED, SENT, CLOSE)
_NOT_WANTED = (YES, SHOW, ATTEMPTED, MADE, PERMITTED, SENT, DOES_NOT_WANT)
_NOT_REACHED_AT_FIRST = (YES, SHOW, ATTEMPTED, CLOSE)
_FIRST = {1: (NO,), 3: (YES, TOO_WELL)}
"""What some answer when asked for the first time, by the remainder of their number by 8."""
_LEAVERS = (6, 22)
"""Who leaves the first message unread, by number; one of each programme."""
_AFTERWARDS = (_TALKED, _NOT_WANTED, _TALKED_AND_SENT, _NOT_REACHED_AT_FIRST)
_NOT_ASKED_EVERYWHERE = frozenset({PERMITTED, SENT})
"""What the pages of some programmes do not ask; their supporters go on."""

_THINKS_SECONDS = 0.25
_LOOKS_AGAIN_SECONDS = 0.2
_WAITS_SECONDS = 20.0


@dataclass
class Play:
    """How far one supporter has come with one request."""

    supporter: str
    plan: tuple[str, ...]
    done: list[str] = field(default_factory=list)
    failed: str = ""
    """What kind of error ended it, if one did."""


class Players:
    """Answers every link that arrives, each in a task of its own."""

    def __init__(self, supporters: Sequence[Supporter]) -> None:
        self._numbers = {one.person.name.email: number for number, one in enumerate(supporters)}
        self._ids = {one.person.name.email: one.id for one in supporters}
        self._asked: Counter[str] = Counter()
        self._seen: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.plays: dict[str, Play] = {}
        """By link."""

    def skip(self, mail: Sequence[Message]) -> None:
        """Leave alone what an earlier run has sent."""
        self._seen |= {message.id for message in mail}

    def read(self, mail: Sequence[Message]) -> None:
        """Begin to answer what has arrived since; the mailbox is given newest first."""
        for message in reversed(mail):
            if message.id in self._seen:
                continue
            self._seen.add(message.id)
            for link in asks(message):
                if link not in self.plays:
                    self._begin(message.to[0].lower(), link)

    @property
    def failures(self) -> list[Play]:
        """Those whose pages did not work."""
        return [play for play in self.plays.values() if play.failed]

    @property
    def busy(self) -> int:
        """How many are in the middle of something."""
        self._tasks = {task for task in self._tasks if not task.done()}
        return len(self._tasks)

    async def stop(self) -> None:
        """End all plays."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, address: str, link: str) -> None:
        play = Play(self._ids.get(address, "somebody"), self.plan(address))
        self._asked[address] += 1
        self.plays[link] = play
        self._tasks.add(asyncio.create_task(self._act(play, link)))

    def plan(self, address: str) -> tuple[str, ...]:
        """What this supporter will press, in order, if the pages let them."""
        number, asked = self._numbers.get(address, 0), self._asked[address]
        if asked == 0 and number in _LEAVERS:
            return LEFT_UNREAD
        if asked == 0 and number % 8 in _FIRST:
            return _FIRST[number % 8]
        return _AFTERWARDS[(number + asked) % len(_AFTERWARDS)]

    async def _act(self, play: Play, link: str) -> None:
        try:
            # A browser of their own: pages may give cookies.
            async with self._browser() as browser:
                await self._press_in_turn(play, link, browser)
        except httpx.HTTPError as error:
            play.failed = type(error).__name__

    def _browser(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(follow_redirects=True, trust_env=False, verify=tls(), timeout=_WAITS_SECONDS)

    async def _press_in_turn(self, play: Play, link: str, browser: httpx.AsyncClient) -> None:
        for choice in play.plan:
            await asyncio.sleep(_THINKS_SECONDS)
            page = await self._page_with(choice, link, browser)
            if page is None:
                return
            if choice not in page.choices:
                continue
            sent = page.press(choice)
            answer = await browser.post(sent.url, data=sent.content)
            answer.raise_for_status()
            play.done.append(choice)

    async def _page_with(self, choice: str, link: str, browser: httpx.AsyncClient) -> Page | None:
        """Look at the page until it has the button, or is not going to have it; None where it has none any more."""
        # Who declines because of the name has read it first.
        wanted = {TOO_WELL, SHOW} if choice == TOO_WELL else {choice}
        clock = asyncio.get_running_loop()
        deadline = clock.time() + _WAITS_SECONDS
        while clock.time() < deadline:
            answer = await browser.get(link)
            if answer.status_code == 404:
                return None
            answer.raise_for_status()
            page = Page(str(answer.url), answer.text)
            if wanted <= page.choices or (choice in _NOT_ASKED_EVERYWHERE and CLOSE in page.choices):
                return page
            if not page.choices:
                return None
            await asyncio.sleep(_LOOKS_AGAIN_SECONDS)
        return None
