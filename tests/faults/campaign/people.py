"""The played people: supporters who answer their private links, and those who work off the worklists."""

import asyncio
import contextlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
from notifier.pages.private import form_token

from tests.faults.campaign.ground import Ground
from tests.faults.campaign.plan import SERVICES, Plan
from tests.faults.campaign.reports import CANARIES
from tests.faults.campaign.stream import Stream
from tests.faults.campaign.topics import SET_ASIDE, Place, Tail
from tests.support.scripted_smtp import Delivery

LINK = re.compile(r"http://[^/\s]+(/[sp]/[\w-]{43})")
NAMED = re.compile(rf"Dr {CANARIES[0]} \d+")
PRESSED_AFTER_NAME = ("show-contact", "decline")
AT_ONCE = 12  # requests of supporters
PLAYS: tuple[tuple[int, tuple[str, ...]], ...] = (
    (46, ("yes", "show-contact", "contact-attempted", "close")),
    (8, ("yes", "show-contact", "contact-made", "resources-permitted", "resources-sent", "does-not-want")),
    (10, ("yes", "show-contact")),
    (12, ("no",)),
    (6, ("yes", "decline")),
    (18, ()),
)
"""What a supporter presses in turn, and how often; the last leave their message unread."""


@dataclass
class Play:
    """One link, and how far its supporter has come. `named` is the physician that the page showed."""

    supporter: str
    pressed: list[str] = field(default_factory=list)
    named: str = ""
    shown: bool = False
    """Whether the page gave the contact."""


class Supporters:
    """Answer what arrives, each link in a task of its own."""

    def __init__(self, ground: Ground, plan: Plan) -> None:
        self._plan = plan
        self._web = httpx.AsyncClient(
            base_url=ground.url("notifier"),
            timeout=10,
            trust_env=False,
            limits=httpx.Limits(max_connections=AT_ONCE),
        )
        self._turn = asyncio.Semaphore(AT_ONCE)  # the client's own queue takes the longer the more wait in it
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked: Counter[str] = Counter()
        self.plays: dict[str, Play] = {}
        """By link."""
        self.wrong: list[str] = []

    def read(self, delivery: Delivery) -> None:
        """Begin to answer a message."""
        recipient = delivery.recipients[0]
        found = LINK.search(delivery.text) if recipient.endswith("@support.example") else None
        if found is None or found.group(1) in self.plays:
            return
        self._asked[recipient] += 1
        dice = self._plan.dice("play", recipient, self._asked[recipient])
        plan = dice.choices([play for _, play in PLAYS], [weight for weight, _ in PLAYS])[0]
        play = self.plays[found.group(1)] = Play(recipient)
        self._tasks.add(asyncio.create_task(self._act(found.group(1), play, plan, dice.uniform(0.2, self._plan.pause))))

    @property
    def busy(self) -> int:
        """How many are in the middle of something."""
        self._tasks = {task for task in self._tasks if not task.done() or task.exception()}
        for task in self._tasks:
            if task.done():
                task.result()
        return len(self._tasks)

    async def stop(self) -> None:
        """Let go of everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._web.aclose()

    async def _act(self, link: str, play: Play, buttons: tuple[str, ...], pause: float) -> None:
        for button in buttons:
            await asyncio.sleep(pause)
            if button in PRESSED_AFTER_NAME and not await self._sees_name(link, play):
                return
            answer = await self._send("POST", link, {"action": button, "form": form_token(link.rpartition("/")[2])})
            if answer is None or answer.status_code != 303:
                return
            play.pressed.append(button)
        if play.pressed[1:2] == ["show-contact"]:
            await self._look_at_end(link, play)

    async def _sees_name(self, link: str, play: Play) -> bool:
        """Whether the page comes to show the name; it may also be void by now."""
        for _ in range(90):
            page = await self._send("GET", link)
            if page is None or page.status_code == 404 or "No longer needed" in page.text:
                return False
            if found := NAMED.search(page.text):
                play.named = found.group()
                if CANARIES[2] in page.text:
                    self.wrong.append("a page gave the contact before it was asked for")
                return True
            await asyncio.sleep(1)
        return False

    async def _look_at_end(self, link: str, play: Play) -> None:
        page = await self._send("GET", link)
        play.shown = page is not None and (CANARIES[2] in page.text or "This is finished" in page.text)

    async def _send(self, method: str, link: str, form: Mapping[str, str] | None = None) -> httpx.Response | None:
        """As a person does: again while the page does not come, for a while."""
        for _ in range(120):
            with contextlib.suppress(httpx.HTTPError):
                async with self._turn:
                    answer = await self._web.request(method, link, data=form)
                if answer.status_code < 500:
                    return answer
            await asyncio.sleep(0.7)
        return None


@dataclass(frozen=True)
class Listed:
    """An item of a worklist."""

    service: str
    id: str
    kind: str
    subject: str
    referral_id: UUID | None
    reason: str


class Desk:
    """Coordinators and operators: they look at every worklist, act on some items, and take back some referrals."""

    def __init__(self, ground: Ground, plan: Plan, stream: Stream, tail: Tail) -> None:
        self._plan = plan
        self._stream = stream
        self._tail = tail
        self._clients = {service: ground.client(service) for service in SERVICES}
        self.open: dict[str, dict[str, Listed]] = {service: {} for service in SERVICES}
        """The items as they were seen last, by service and id."""
        self.seen: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        """Ids of items by service, kind and subject."""
        self.acted: dict[tuple[str, str, str], str] = {}
        """What was done about (service, kind, subject)."""
        self.withdrawn: set[UUID] = set()

    def to_decide(self, topic: str) -> int:
        """How many records of ours on a topic wait for a decision, or have not been seen yet, in any service."""
        waiting = [place for place, what in self._tail.ours.items() if place[0] == topic and what in SET_ASIDE]
        done = {subject for (_, kind, subject), _ in self.acted.items() if kind == "quarantined"}
        return sum(_subject(place) not in done for place in waiting)

    async def work(self) -> None:
        """Look and act, until cancelled."""
        while True:
            for service in SERVICES:
                with contextlib.suppress(httpx.HTTPError):
                    await self.look(service)
            with contextlib.suppress(httpx.HTTPError):
                await self._take_back()
            await asyncio.sleep(1)

    async def look(self, service: str) -> None:
        """See what one service has for a human, and act."""
        items = await self._items(service)
        self.open[service] = {item.id: item for item in items}
        for item in items:
            key = (service, item.kind, item.subject)
            self.seen[key].add(item.id)
            action = self._action(item)
            if action and key not in self.acted:
                answer = await self._clients[service].post(f"/v1/worklist/{item.id}/{action}")
                if answer.status_code == 200:
                    self.acted[key] = action
                    self.open[service].pop(item.id)

    async def _items(self, service: str) -> list[Listed]:
        items: list[Listed] = []
        after: dict[str, str] = {}
        while True:
            answer = await self._clients[service].get("/v1/worklist", params={"limit": "500", **after})
            answer.raise_for_status()
            page = answer.json()["items"]
            items += [_listed(service, each) for each in page]
            if len(page) < 500:
                return items
            after = {"after": page[-1]["since"]}

    def _action(self, item: Listed) -> str | None:
        """What a human does about it; most is left."""
        dice = self._plan.dice("desk", item.service, item.kind, item.referral_id or item.subject)
        if item.kind == "quarantined":
            ours = {_subject(place) for place, what in self._tail.ours.items() if what in SET_ASIDE}
            return "discard" if item.subject in ours else None
        if item.kind in ("delivery-unknown", "delivery-failed") and item.reason == "supporter-asked":
            return dice.choice([None, "match-again", "delivered"])
        if item.kind == "halted":
            return "go-on"
        return None

    async def _take_back(self) -> None:
        """Physicians who want to be left alone."""
        for referral_id, incident in list(self._tail.created.items()):
            accepted = self._stream.accepted.get(incident)
            if accepted is None or not accepted.report.withdrawn or referral_id in self.withdrawn:
                continue
            answer = await self._clients["intake"].post(f"/v1/referrals/{referral_id}/withdraw")
            if answer.status_code == 200:
                self.withdrawn.add(referral_id)

    async def close(self) -> None:
        """Let go of the connections."""
        for client in self._clients.values():
            await client.aclose()


def _subject(place: Place) -> str:
    return f"{place[0]}/{place[1]}/{place[2]}"


def _listed(service: str, given: Mapping[str, Any]) -> Listed:
    referral_id = given["referral_id"]
    return Listed(
        service,
        given["id"],
        given["kind"],
        given["subject"],
        UUID(referral_id) if referral_id else None,
        given["reason"],
    )
