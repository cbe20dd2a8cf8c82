"""What the rows share in which a service is killed at a chosen call: the services' settings, and what stands on topics."""

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
from chassis import ServiceSettings
from intake.settings import Settings as Intake
from matcher.settings import Settings as Matcher
from peerline.events import Event, Topic
from peerline.programme import read_programmes
from sla_monitor.settings import Settings as SlaMonitor

from tests.support.killed import Child, Point, in_a_process
from tests.support.workplace import PROGRAMMES, Workplace
from tests.unit.matcher.events import Told

SETTINGS: dict[str, type[ServiceSettings]] = {"intake": Intake, "matcher": Matcher, "sla-monitor": SlaMonitor}


def a_process(
    place: Workplace,
    service: str,
    point: Point | None = None,
    *,
    constants: dict[str, object] | None = None,
    **more: Any,
) -> AbstractAsyncContextManager[Child]:
    """A service of this workplace as a process; `more` are further settings."""
    return in_a_process(service, place.settings(SETTINGS[service], service, **more), place.folder, point, constants)


def a_referral(place: Workplace, programmes: Path = PROGRAMMES) -> Told:
    """A referral of SHCP, to be told as its owner would."""
    return Told(read_programmes(programmes)["shcp"].ref, place.sealer)


def client_of(place: Workplace, child: Child) -> httpx.AsyncClient:
    """A coordinator's client; the caller's to close."""
    headers = {"authorization": f"Bearer {place.tokens['coordinator']}"}
    return httpx.AsyncClient(base_url=child.url, headers=headers, timeout=30, trust_env=False)


async def measured(child: Child, metric: str) -> float:
    """The sum of a metric's samples in a process."""
    async with httpx.AsyncClient(base_url=child.url, trust_env=False) as client:
        lines = (await client.get("/metrics")).text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == metric)


async def doubled_ids(place: Workplace, topic: Topic) -> list[bytes]:
    """Event ids that stand more than once on a topic."""
    counts = Counter(dict(record.headers)["ce_id"] for record in await place.records(topic))
    return [event_id for event_id, count in counts.items() if count > 1]


def named(events: Sequence[Event], kind: type[Event]) -> list[Event]:
    """The events of one type."""
    return [event for event in events if isinstance(event, kind)]
