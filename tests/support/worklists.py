"""A worklist over HTTP, and what coordinators were told of it. No tests here."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from matcher.main import service as matcher
from matcher.settings import Settings as MatcherSettings
from notifier.sends.coordinators import WORDS
from sla_monitor.main import service as sla_monitor
from sla_monitor.settings import Settings as MonitorSettings

from tests.support.intake_place import an_intake
from tests.support.notifier_place import Post, notifier
from tests.support.workplace import Running, Workplace, until

Kinds = Mapping[str, tuple[str, ...]]
RESOLVE = "resolve"


async def both(place: Workplace, post: Post, name: str, folder: Path, stack: AsyncExitStack) -> tuple[Running, Running]:
    """A service, and the notifier that tells of its items: one and the same where it is notifier."""
    notifying = await stack.enter_async_context(place.running(notifier(place, post, programmes=folder)))
    if name == "notifier":
        return notifying, notifying
    if name == "intake":
        return (await stack.enter_async_context(an_intake(place))).running, notifying
    if name == "matcher":
        service = matcher(place.settings(MatcherSettings, "matcher", programmes=folder))
    else:
        service = sla_monitor(place.settings(MonitorSettings, "sla-monitor", programmes=folder))
    return await stack.enter_async_context(place.running(service)), notifying


async def items(running: Running) -> dict[str, dict[str, object]]:
    return {item["kind"]: item for item in (await running.client.get("/v1/worklist")).json()["items"]}


async def resolves(running: Running) -> dict[str, int]:
    """What a plain resolve of each open item is answered."""
    found = {}
    for kind, item in (await items(running)).items():
        found[kind] = (await running.client.post(f"/v1/worklist/{item['id']}/{RESOLVE}")).status_code
    return found


async def act(running: Running, kind: str, action: str) -> int:
    item = (await items(running))[kind]
    return (await running.client.post(f"/v1/worklist/{item['id']}/{action}")).status_code


async def figures(running: Running, name: str) -> dict[str, float]:
    """What a metric of the worklist says of each kind that is open."""
    lines = (await running.client.get("/metrics")).text.splitlines()
    start = f'peerline_worklist_{name}{{kind="'
    said = [line.removeprefix(start).partition('"} ') for line in lines if line.startswith(start)]
    return {kind: float(value) for kind, _, value in said if float(value)}


def tellings(post: Post, kind: str) -> int:
    """How many items of a kind coordinators were told of, over all messages."""
    lines = [line for text in post.texts() for line in text.splitlines() if f" × {WORDS[kind]} (" in line]
    return sum(int(line.split()[0]) for line in lines)


async def told(post: Post, *kinds: str) -> None:
    async def all_of_them() -> bool:
        return all(tellings(post, kind) for kind in kinds)

    await until(all_of_them, seconds=60, what=f"a message about {', '.join(kinds)}")


async def gone(running: Running, notifying: Running) -> None:
    """Once nothing is listed, measured, or left to be told."""

    async def everywhere() -> bool:
        listed, measured = await items(running), await figures(running, "items")
        return not (listed or measured or await notifying.fetch("SELECT FROM open_attention"))

    await until(everywhere, seconds=60, what="nothing to be left of it")
