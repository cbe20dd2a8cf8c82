"""A monitor whose clocks are paused by HTTP, and what it tells of them on Kafka. No tests here."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
import yaml
from peerline.events import Event, ReferralCreated, Topic
from peerline.programme import read_programmes

from tests.support.promises import SHCP, a_clock
from tests.support.workplace import Running, Workplace

WAIT = timedelta(seconds=15)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
IN_SECONDS = {"rule": "elapsed", "weekday": "PT15S", "weekend": "PT15S"}
TWO_WORKING_DAYS = {"rule": "working-days", "days": 2, "at": "17:00"}
AWAY = "physician-away"


def install(folder: Path, *clocks: dict[str, Any], closed: Sequence[date] = ()) -> Path:
    """A folder with SHCP alone, which has these clocks, and these days closed besides the holidays."""
    years = {"from": datetime.now(UTC).year - 1, "to": datetime.now(UTC).year + 2}
    calendar = {"country": "US", "years": years, "closed": [str(day) for day in closed]}
    programme = SHCP | {"clocks": list(clocks), "calendar": calendar}
    folder.mkdir(exist_ok=True)
    (folder / "shcp.yaml").write_text(yaml.safe_dump(programme))
    return folder


def install_in_seconds(folder: Path) -> Path:
    """A folder with SHCP alone, whose match clock is due in seconds and whose first contact in a day."""
    return install(folder, a_clock("match", firmness="promised", due=IN_SECONDS), a_clock("first-contact"))


def created(programmes: Path, received_at: datetime) -> ReferralCreated:
    return ReferralCreated(
        event_id=uuid4(),
        referral_id=uuid4(),
        programme=read_programmes(programmes)["shcp"].ref,
        sequence=1,
        occurred_at=received_at,
        received_at=received_at,
    )


async def post(service: Running, referral_id: UUID, path: str, **given: Any) -> httpx.Response:
    values = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in given.items()}
    return await service.client.post(f"/v1/cases/{referral_id}/{path}", json=values)


async def recorded(service: Running, referral_id: UUID, path: str, **given: Any) -> dict[str, Any]:
    answer = await post(service, referral_id, path, **given)
    assert answer.status_code == 200, answer.text
    return cast(dict[str, Any], answer.json())


async def the_clock(service: Running, referral_id: UUID, kind: str = "match") -> dict[str, Any]:
    answer = await service.client.get(f"/v1/cases/{referral_id}/clocks")
    [found] = [clock for clock in answer.json()["clocks"] if clock["clock"] == kind]
    return cast(dict[str, Any], found)


def due_of(clock: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(clock["due_at"])


def about(events: list[Event], referral_id: UUID, kind: str = "match") -> list[Event]:
    """What was told of a clock, and of all the clocks of its case, in the order of the count."""
    mine = [
        event for event in events if event.referral_id == referral_id and getattr(event, "clock", kind) in (None, kind)
    ]
    return sorted(mine, key=lambda event: event.sequence)


async def told(place: Workplace, referral_id: UUID, number: int, kind: str = "match") -> list[Any]:
    """What was told of a clock, once there are so many events."""
    found = await place.wait_for(
        Topic.DEADLINES, lambda events: len(about(events, referral_id, kind)) >= number, seconds=90
    )
    return about(found, referral_id, kind)


def types(events: list[Any]) -> list[type[Event]]:
    return [type(event) for event in events]
