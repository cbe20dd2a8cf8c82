"""A running matcher with a test that plays intake and notifier. No tests here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import yaml
from peerline.compartments import SupporterContact
from peerline.events import (
    Event,
    MatchEvent,
    MatchProposed,
    Topic,
)
from peerline.ids import Pseudonyms
from peerline.programme import read_programmes

from tests.support.workplace import PROGRAMMES, Running, Workplace, until
from tests.unit.matcher.events import Told

HEADER = "supporter_id,name,email,phone,zone,programme,active,trained_at,capacity,identifiers,attr_training_programme"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def a_row(supporter_id: str, **other: str) -> str:
    ordinary = {
        "name": f"Dr {supporter_id}",
        "email": f"{supporter_id}@example.org",
        "phone": "+1 555 0100",
        "zone": "",
        "programme": "rcaps",
        "active": "yes",
        "trained_at": "2025-01-01",
        "capacity": "",
        "identifiers": f"npi|{supporter_id}",
        "training": "Surgery",
    }
    return ",".join([supporter_id, *(ordinary | other).values()])


def a_roster(*rows: str) -> str:
    return "\n".join([HEADER, *rows]) + "\n"


def matcher_programmes(folder: Path) -> Path:
    """RCAPS with contact hours all day; `approved` is the same with a coordinator who approves; `inviting` invites."""
    for name, matching, more in (
        ("rcaps", {"attempts": 2}, {}),
        ("approved", {"approval": "coordinator"}, {}),
        ("inviting", {}, {"first_contact": "programme"}),
    ):
        programme = yaml.safe_load((PROGRAMMES / "rcaps.yaml").read_text()) | more
        programme["id"] = name
        programme["contact"]["hours"] = {"from": "00:00", "to": "00:00"}
        programme["matching"] |= matching
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(programme))
    return folder


class Office:
    """The test's hands: loads rosters, says what intake and notifier say, reads what matcher says."""

    def __init__(self, workplace: Workplace, service: Running, programmes: Path) -> None:
        self.workplace, self.service, self.programmes = workplace, service, read_programmes(programmes)
        surroundings = service.transactions.surroundings
        self.pseudonyms = cast(Pseudonyms, surroundings.keys.pseudonyms)

    async def load(self, *rows: str) -> dict[str, Any]:
        answer = await self.service.client.put(
            "/v1/roster", content=a_roster(*rows), headers={"content-type": "text/csv"}
        )
        assert answer.status_code == 200, answer.text
        return cast(dict[str, Any], answer.json())

    def referral(self, programme: str = "rcaps") -> Told:
        return Told(self.programmes[programme].ref, self.workplace.sealer)

    async def say(self, *events: Event) -> None:
        await self.workplace.publish(*events, traceparent=TRACE)

    async def said(self, about: Told, *kinds: type[MatchEvent]) -> list[MatchEvent]:
        """What matcher has said about a referral, once it is of these kinds."""

        def is_so(found: list[Event]) -> bool:
            return [type(each) for each in of(found, about.referral_id)] == list(kinds)

        found = await self.workplace.wait_for(Topic.MATCHES, is_so, what=" ".join(kind.name for kind in kinds))
        return of(found, about.referral_id)

    async def records(self, count: int) -> list[Any]:
        """The records of matcher's topic, once there are so many: a reader may see the topic late."""
        found: list[Any] = []

        async def are_there() -> bool:
            found[:] = await self.workplace.records(Topic.MATCHES)
            return len(found) == count

        await until(are_there, what=f"{count} records")
        return found

    def asked(self, proposal: MatchEvent) -> SupporterContact:
        assert proposal.sealed is not None
        assert proposal.sealed.notifier is not None
        return self.workplace.opener.open(
            proposal.sealed.notifier, SupporterContact, referral_id=proposal.referral_id, event_type=MatchProposed.name
        )

    async def items(self) -> list[dict[str, Any]]:
        return cast(list[dict[str, Any]], (await self.service.client.get("/v1/worklist")).json()["items"])

    async def item(self, kind: str, about: Told) -> dict[str, Any]:
        """The worklist item of this kind about a referral, once there is one."""
        found: list[dict[str, Any]] = []

        async def is_there() -> bool:
            found[:] = [
                each for each in await self.items() if (each["kind"], each["subject"]) == (kind, str(about.referral_id))
            ]
            return bool(found)

        await until(is_there, what=f"item {kind}")
        return found[0]

    async def act(self, item: dict[str, Any], action: str) -> int:
        return (await self.service.client.post(f"/v1/worklist/{item['id']}/{action}")).status_code

    async def stage(self, about: Told) -> list[str]:
        rows = await self.service.fetch(
            "SELECT stage FROM match WHERE referral_id = $1 ORDER BY attempt", about.referral_id
        )
        return [row["stage"] for row in rows]

    async def settled(self, about: Told, wanted: Callable[[list[str]], bool]) -> None:
        async def is_so() -> bool:
            return wanted(await self.stage(about))

        await until(is_so, what="the stage of a match")


def of(events: list[Event], referral_id: UUID) -> list[MatchEvent]:
    return [event for event in events if isinstance(event, MatchEvent) and event.referral_id == referral_id]


PEDIATRICS = {"training_programme": "Pediatrics"}
