"""Many messages due at once: how many a second one notifier hands to a mail server that is quick."""

import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psutil
from chassis import topics
from peerline.cloudevents import headers_of
from peerline.events import Event, Topic

from tests.support.killed import Child, in_a_process
from tests.support.notifier_place import Referral, notifier, programmes
from tests.support.scripted_smtp import ScriptedServer, scripted_smtp
from tests.support.servers import Servers
from tests.support.workplace import PARTITIONS, Workplace, until

LONGEST_SECONDS = 300


async def sends(servers: Servers, folder: Path, quick: bool) -> dict[str, Any]:
    """Messages a second, claim and end of each committed; a round counts only if each was delivered exactly once."""
    messages, rounds = (500, 1) if quick else (5_000, 3)
    measured = [await _round(servers, folder / f"sends-{number}", messages) for number in range(rounds)]
    return {
        "messages": messages,
        "rounds": rounds,
        "messages_per_second": round(median(rate for rate, _ in measured)),
        "notifier_cpu_ms_per_message": round(median(cpu for _, cpu in measured), 2),
        "missing": 0,
        "doubled": 0,
    }


async def _round(servers: Servers, folder: Path, messages: int) -> tuple[float, float]:
    place = Workplace(servers, folder)
    await topics.apply(servers.bootstrap, partitions=PARTITIONS, prefix=place.prefix)
    async with scripted_smtp() as post:
        service = notifier(place, post, programmes=programmes(folder / "programmes"), log_level="warning")
        async with in_a_process("notifier", service.settings, folder) as child:
            await child.ready()
            headers = {"authorization": f"Bearer {place.tokens['coordinator']}"}
            async with httpx.AsyncClient(base_url=child.url, headers=headers, trust_env=False) as client:
                await client.post("/v1/outreach/shcp/pause")
                await _plan(place, messages)
                await until(lambda: _states(client, planned=messages), seconds=LONGEST_SECONDS, what="all plans")
                return await _resumed(client, child, post, messages)


async def _resumed(client: httpx.AsyncClient, child: Child, post: ScriptedServer, messages: int) -> tuple[float, float]:
    process = psutil.Process(child.popen.pid)
    used, began = sum(process.cpu_times()[:2]), time.perf_counter()
    await client.post("/v1/outreach/shcp/resume")
    await until(lambda: _states(client, sent=messages), seconds=LONGEST_SECONDS, what="all messages")
    seconds, used = time.perf_counter() - began, sum(process.cpu_times()[:2]) - used
    if len(post.deliveries) != messages or max(post.delivered().values()) != 1:
        raise SystemExit("sends: something is missing or doubled; the figure does not count")
    return messages / seconds, used * 1000 / messages


async def _states(client: httpx.AsyncClient, **states: int) -> bool:
    return bool((await client.get("/v1/outreach")).json()["sends"] == states)


async def _plan(place: Workplace, messages: int) -> None:
    referrals = [Referral(place, str(number)) for number in range(messages)]
    await place.produce(Topic.REFERRALS, *(_record(referral.created()) for referral in referrals))
    await place.produce(Topic.MATCHES, *(_record(referral.proposed()) for referral in referrals))


def _record(event: Event) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    headers = headers_of(event, source="/peerline/bench", time=datetime.now(UTC), traceparent=None)
    return str(event.referral_id).encode(), event.body(), headers
