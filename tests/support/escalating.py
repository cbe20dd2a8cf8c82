"""A programme whose overdue clocks are told on, step by step; the monitor and notifier that do it. No tests here."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from peerline.events import (
    DeadlineAcknowledged,
    DeadlineBreached,
    DeadlineEscalated,
    DeadlineEvent,
    ReferralCreated,
    Topic,
)
from sla_monitor.main import service as monitor
from sla_monitor.settings import Settings

from tests.support.notifier_place import Post, Referral, notifier, wait_until
from tests.support.promises import SHCP
from tests.support.workplace import Running, Workplace

COORDINATOR, DEPUTY, DIRECTOR = (f"{role}@shcp.example.org" for role in ("coordinator", "deputy", "director"))
DUE = timedelta(seconds=5)
STEPS = [{"after": "PT5S", "to": "deputy"}, {"after": "PT10S", "to": "director"}]
QUICK = [{"after": "PT2S", "to": "deputy"}, {"after": "PT5S", "to": "director"}]
"""Where nobody has to do anything between two steps."""
CONTACTS = {
    role: {"name": f"The {role}", "email": email, "phone": "(207) 555-0100"}
    for role, email in (("deputy", DEPUTY), ("director", DIRECTOR))
}
ALL_DAY = {"from": "00:00", "to": "00:00"}


def a_programme(folder: Path, steps: list[dict[str, Any]], **contacts: Any) -> Path:
    """A folder with SHCP alone, whose match clock is due in seconds, with these steps and contacts."""
    due = {"rule": "elapsed", "weekday": "PT5S", "weekend": "PT5S"}
    clock = {"kind": "match", "firmness": "promised", "due": due, "warn_before": "PT4S", "escalation": steps}
    contact = SHCP["contact"] | {"hours": ALL_DAY}
    texts = SHCP["texts"] | {"signature": "The program coordinator"}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "shcp.yaml").write_text(
        yaml.safe_dump(SHCP | {"clocks": [clock], "contact": contact, "texts": texts} | contacts)
    )
    return folder


@asynccontextmanager
async def watching(place: Workplace, programmes: Path, *, ready: bool = True) -> AsyncIterator[Running]:
    """The monitor with these programmes."""
    described = monitor(place.settings(Settings, "sla-monitor", programmes=programmes))
    async with place.running(described, ready=ready) as running:
        yield running


@asynccontextmanager
async def both(place: Workplace, post: Post, programmes: Path) -> AsyncIterator[tuple[Running, Running]]:
    """The monitor and a notifier with these programmes."""
    async with AsyncExitStack() as stack:
        telling = await stack.enter_async_context(place.running(notifier(place, post, programmes=programmes)))
        yield await stack.enter_async_context(watching(place, programmes)), telling


def a_request(referral: Referral, ago: timedelta = timedelta(seconds=4)) -> ReferralCreated:
    """A request that was received so long ago, as entered at once; by default it is due in a second."""
    received_at = datetime.now(UTC) - ago
    return referral.created().model_copy(update={"received_at": received_at, "occurred_at": received_at})


async def said(place: Workplace, referral_id: UUID) -> list[DeadlineEvent]:
    """What the monitor has said of the breach of a referral's clock, and after it."""
    kinds = DeadlineBreached | DeadlineEscalated | DeadlineAcknowledged
    return [e for e in await place.events(Topic.DEADLINES) if isinstance(e, kinds) and e.referral_id == referral_id]


def levels(events: list[DeadlineEvent]) -> list[tuple[int, str]]:
    """The steps among these events, in order."""
    return [(event.level, event.to) for event in events if isinstance(event, DeadlineEscalated)]


async def has_mail(post: Post, address: str, seconds: float = 60) -> None:
    """Wait until somebody has mail."""
    await wait_until(lambda: [address] in post.recipients, f"mail to {address}", seconds)


def letters_to(post: Post, address: str) -> list[str]:
    """The texts of somebody's mails, in one line each."""
    return [" ".join(text.split()) for text, to in zip(post.texts(), post.recipients, strict=True) if to == [address]]
