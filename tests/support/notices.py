"""What waits for a coordinator in another service, and when notifier has looked at it. No tests here."""

from datetime import UTC, datetime, timedelta

from peerline.events import (
    WORKLIST_CHANGED,
    ProgrammeRef,
    Topic,
    WorklistChanged,
)

from tests.support.workplace import Running, Workplace, until

SOME_TIME = timedelta(minutes=16)


def an_item(
    place: Workplace,
    kind: str,
    number: int = 1,
    *,
    urgent: bool = True,
    programme: str | None = "shcp",
    topic: Topic = Topic.MATCHES,
    is_open: bool = True,
    age: timedelta = SOME_TIME,
) -> WorklistChanged:
    """An item of another service, opened so long ago, or resolved just now."""
    event = WORKLIST_CHANGED[topic]
    item_id = place.ids.item(kind, str(number))
    return event(
        event_id=place.ids.event(event.name, item_id, str(is_open)),
        referral_id=item_id,
        programme=ProgrammeRef(id=programme, digest="0" * 16) if programme else None,
        sequence=1 if is_open else 2,
        occurred_at=datetime.now(UTC) - (age if is_open else timedelta(0)),
        item_id=item_id,
        kind=kind,
        urgent=urgent,
        is_open=is_open,
    )


async def looked(running: Running) -> None:
    """Once notifier has looked twice at what there is to tell."""
    for _ in range(2):
        before = await turns(running)
        await running.fetch("SELECT pg_notify('peerline', 'rounds')")

        async def another(before: float = before) -> bool:
            return await turns(running) > before

        await until(another, what="another look")


async def turns(running: Running) -> float:
    text = (await running.client.get("/metrics")).text
    [line] = [line for line in text.splitlines() if line.startswith('peerline_round_seconds_count{what="notices"}')]
    return float(line.split()[-1])
