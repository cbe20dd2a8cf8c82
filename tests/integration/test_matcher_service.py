"""Matcher as a running service, with Kafka, PostgreSQL and HTTP; the test plays intake and notifier."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
import yaml
from matcher.main import service as matcher
from matcher.settings import Settings
from peerline.compartments import SupporterContact
from peerline.events import (
    Event,
    MatchConfirmed,
    MatchEvent,
    MatchProposed,
    MatchReleased,
    MatchReleaseRequested,
    MatchUnavailable,
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


@pytest.fixture
def programmes(tmp_path: Path) -> Path:
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
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(programme))
    return tmp_path


@pytest.fixture
async def service(workplace: Workplace, programmes: Path) -> AsyncIterator[Running]:
    settings = workplace.settings(Settings, "matcher", programmes=programmes)
    async with workplace.running(matcher(settings)) as running:
        yield running


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


@pytest.fixture
def office(workplace: Workplace, service: Running, programmes: Path) -> Office:
    return Office(workplace, service, programmes)


PEDIATRICS = {"training_programme": "Pediatrics"}


async def test_a_referral_is_proposed_confirmed_and_closed_within_one_trace(office: Office) -> None:
    await office.load(a_row("s1"))
    referral = office.referral()

    await office.say(referral.created(attributes=PEDIATRICS))
    (proposed,) = await office.said(referral, MatchProposed)
    await office.say(referral.logged("supporter-notified", 1), referral.logged("supporter-accepted", 1))
    _, confirmed = await office.said(referral, MatchProposed, MatchConfirmed)
    await office.say(referral.logged("closed", 1))
    await office.settled(referral, lambda stages: stages == ["ended"])

    assert office.asked(proposed) == SupporterContact(
        supporter_id="s1", name="Dr s1", email="s1@example.org", phone="+1 555 0100", zone="America/Toronto"
    )
    assert (confirmed.attempt, confirmed.match_id, confirmed.sequence) == (1, proposed.match_id, 2)
    records = await office.records(2)
    traces = {dict(record.headers)["traceparent"].decode().split("-")[1] for record in records}
    assert traces == {TRACE.split("-")[1]}
    rows = await office.service.fetch("SELECT profile, rest_until FROM referral JOIN match USING (referral_id)")
    assert rows[0]["profile"] is None
    assert rows[0]["rest_until"] > datetime.now(UTC) + timedelta(days=13)


async def test_names_and_contacts_are_nowhere_in_the_database_or_in_public(office: Office) -> None:
    await office.load(a_row("s1", name="Okafor", email="okafor@example.org", phone="5550199"))
    referral = office.referral()
    await office.say(referral.created(("p-of-physician",), attributes=PEDIATRICS))
    await office.said(referral, MatchProposed)

    rows = [
        str(dict(row))
        for table in ("supporter", "referral", "match", "outbox", "worklist_item")
        for row in await office.service.fetch(f"SELECT * FROM {table}")  # noqa: S608  constant
    ]
    records = await office.records(1)

    for text in [*rows, *[str((record.key, record.value, record.headers)) for record in records]]:
        for secret in ("kafor", "5550199", "p-of-physician", "Pediatrics"):
            assert secret not in text


async def test_a_declined_proposal_goes_to_another_and_after_all_attempts_to_the_coordinator(office: Office) -> None:
    await office.load(a_row("s1"), a_row("s2"), a_row("s3"))
    referral = office.referral()
    await office.say(referral.created(attributes=PEDIATRICS))
    await office.said(referral, MatchProposed)

    await office.say(referral.logged("supporter-declined", 1))
    first = await office.said(referral, MatchProposed, MatchReleased, MatchProposed)
    await office.say(referral.logged("supporter-declined", 2))
    told = await office.said(referral, MatchProposed, MatchReleased, MatchProposed, MatchReleased, MatchUnavailable)
    item = await office.item("unmatched", referral)
    refused = await office.act(item, "resolve")
    retried = await office.act(item, "retry")
    again = await office.said(referral, *[type(event) for event in told], MatchProposed)

    assert (item["reason"], refused, retried) == ("attempts-used-up", 409, 200)
    asked = [office.asked(event).supporter_id for event in (first[0], first[2], again[-1])]
    assert sorted(asked) == ["s1", "s2", "s3"]
    assert [event.sequence for event in again] == [1, 2, 3, 4, 5, 6]
    assert await office.items() == []


async def test_no_answer_in_the_window_releases_the_proposal(office: Office) -> None:
    await office.load(a_row("s1"), a_row("s2"))
    referral = office.referral()
    await office.say(referral.created(attributes=PEDIATRICS))
    await office.said(referral, MatchProposed)

    asked_at = datetime.now(UTC) - timedelta(hours=12) + timedelta(seconds=2)  # the window is 12 h
    await office.say(referral.logged("supporter-notified", 1, at=asked_at))
    told = await office.said(referral, MatchProposed, MatchReleased, MatchProposed)

    assert told[1].occurred_at >= asked_at + timedelta(hours=12)


async def test_whoever_shares_an_identifier_or_the_training_programme_is_never_asked(office: Office) -> None:
    await office.load(
        a_row("npi"),
        a_row("mail"),
        a_row("phone", phone="(555) 010-9999"),
        a_row("same", training="Pediatrics"),
        a_row("unknown", training=""),
        a_row("untrained", trained_at=""),
        a_row("inactive", active="no"),
        a_row("other", programme="inviting"),
        a_row("right"),
    )
    referral, nobodys = office.referral(), office.referral()
    excluded = [("NPI", " npi "), ("email", "Mail@Example.org"), ("phone", "5550109999")]
    excluded_pseudonyms = tuple(office.pseudonyms.of(system, value) for system, value in excluded)

    await office.say(referral.created(excluded=excluded_pseudonyms, attributes=PEDIATRICS))
    (proposed,) = await office.said(referral, MatchProposed)
    await office.say(nobodys.created(excluded=excluded_pseudonyms))
    await office.said(nobodys, MatchUnavailable)

    assert office.asked(proposed).supporter_id == "right"


async def test_whoever_is_unmatched_is_tried_again_when_the_roster_changes(office: Office) -> None:
    referral = office.referral()
    await office.say(referral.created(attributes=PEDIATRICS))
    await office.said(referral, MatchUnavailable)
    await office.item("unmatched", referral)

    await office.load(a_row("s1"))
    await office.said(referral, MatchUnavailable, MatchProposed)

    assert await office.items() == []


async def test_whoever_is_unmatched_is_tried_again_when_a_seat_is_free(office: Office) -> None:
    await office.load(a_row("s1", capacity="1"))
    first, second = office.referral(), office.referral()
    await office.say(first.created(attributes=PEDIATRICS))
    await office.said(first, MatchProposed)
    await office.say(second.created(attributes=PEDIATRICS))
    await office.said(second, MatchUnavailable)

    await office.say(first.logged("closed"))

    await office.said(second, MatchUnavailable, MatchProposed)


async def test_whoever_is_unmatched_is_tried_again_when_a_rest_ends(office: Office) -> None:
    await office.load(a_row("s1"))
    first, second = office.referral(), office.referral()
    await office.say(first.created(attributes=PEDIATRICS))
    await office.said(first, MatchProposed)
    await office.say(first.logged("supporter-accepted", 1))
    await office.said(first, MatchProposed, MatchConfirmed)
    closed_at = datetime.now(UTC) - timedelta(days=14) + timedelta(seconds=4)  # the cool-off is 14 days
    await office.say(first.logged("closed", at=closed_at))
    await office.settled(first, lambda stages: stages == ["ended"])

    await office.say(second.created(attributes=PEDIATRICS))
    _, proposed = await office.said(second, MatchUnavailable, MatchProposed)

    assert proposed.occurred_at >= closed_at + timedelta(days=14)


async def test_a_coordinator_sees_and_approves_a_suggestion_or_wants_another(office: Office) -> None:
    await office.load(a_row("s1", programme="approved"), a_row("s2", programme="approved"))
    referral = office.referral("approved")
    await office.say(referral.created(attributes=PEDIATRICS))

    item = await office.item("approval", referral)
    seen = (await office.service.client.get(f"/v1/suggestions/{referral.referral_id}")).json()
    assert await office.act(item, "resolve") == 409
    assert await office.act(item, "another") == 200
    assert await office.act(await office.item("approval", referral), "approve") == 200
    (proposed,) = await office.said(referral, MatchProposed)

    assert seen["supporter"]["name"] == f"Dr {seen['supporter']['supporter_id']}"
    assert office.asked(proposed).supporter_id != seen["supporter"]["supporter_id"]
    assert proposed.attempt == 2
    assert await office.items() == []


async def test_where_the_programme_invites_first_the_physicians_wish_starts_the_match(office: Office) -> None:
    await office.load(a_row("s1", programme="inviting"))
    referral, later = office.referral("inviting"), office.referral("inviting")

    await office.say(later.privately("wants-to-talk"), later.created(attributes=PEDIATRICS))
    await office.say(referral.created(attributes=PEDIATRICS))
    await office.said(later, MatchProposed)
    assert await office.stage(referral) == []
    await office.say(referral.privately("wants-to-talk"))

    await office.said(referral, MatchProposed)


async def test_when_a_supporter_leaves_proposals_are_released_and_confirmed_cases_listed(office: Office) -> None:
    await office.load(a_row("s1"))
    confirmed, proposed = office.referral(), office.referral()
    await office.say(confirmed.created(attributes=PEDIATRICS), proposed.created(attributes=PEDIATRICS))
    await office.said(confirmed, MatchProposed)
    await office.said(proposed, MatchProposed)
    await office.say(confirmed.logged("supporter-accepted", 1))
    await office.said(confirmed, MatchProposed, MatchConfirmed)

    answer = await office.load(a_row("s2"))
    _, _, again = await office.said(proposed, MatchProposed, MatchReleased, MatchProposed)
    item = await office.item("supporter-left", confirmed)
    assert await office.act(item, "release") == 200
    await office.said(confirmed, MatchProposed, MatchConfirmed, MatchReleaseRequested)

    assert answer == {"supporters": 1, "new": 1, "changed": 0, "left": 1, "faults": []}
    assert office.asked(again).supporter_id == "s2"


async def test_a_rule_newly_broken_ends_a_proposal_and_asks_a_confirmed_match_back(office: Office) -> None:
    await office.load(a_row("s1"))
    confirmed, proposed, join = office.referral(), office.referral(), office.referral()
    await office.say(confirmed.created(attributes=PEDIATRICS), proposed.created(attributes=PEDIATRICS))
    await office.said(confirmed, MatchProposed)
    await office.said(proposed, MatchProposed)
    await office.say(confirmed.logged("supporter-accepted", 1))
    await office.said(confirmed, MatchProposed, MatchConfirmed)
    witness = (office.pseudonyms.of("npi", "s1"),)

    await office.say(proposed.amended(excluded=witness, attributes=PEDIATRICS))
    await office.say(join.joined(confirmed.referral_id, excluded=witness))

    await office.said(proposed, MatchProposed, MatchReleased, MatchUnavailable)
    await office.said(confirmed, MatchProposed, MatchConfirmed, MatchReleaseRequested)
    assert await office.stage(join) == []


async def test_a_join_before_its_case_excludes_from_the_first_match_on(office: Office) -> None:
    await office.load(a_row("s1"))
    referral, join = office.referral(), office.referral()
    await office.say(join.joined(referral.referral_id, excluded=(office.pseudonyms.of("npi", "s1"),)))
    await until(lambda: _known(office, join), what="the join")

    await office.say(referral.created(attributes=PEDIATRICS))

    await office.said(referral, MatchUnavailable)


async def _known(office: Office, referral: Told) -> bool:
    rows = await office.service.fetch("SELECT FROM referral WHERE referral_id = $1", referral.referral_id)
    return bool(rows)


async def test_an_unreadable_referral_waits_on_the_worklist_until_it_is_sealed_again(office: Office) -> None:
    await office.load(a_row("s1"))
    referral = office.referral()
    await office.say(referral.unreadable())
    item = await office.item("unreadable", referral)
    refused = await office.act(item, "resolve")

    await office.say(referral.amended(attributes=PEDIATRICS))
    await office.said(referral, MatchProposed)

    assert refused == 409
    assert await office.items() == []


async def test_a_withdrawal_is_held_until_the_offer_is_said_to_stand(office: Office) -> None:
    await office.load(a_row("s1"))
    held, standing, gone = office.referral(), office.referral(), office.referral()
    await office.say(standing.logged("retraction-declined"), gone.logged("closed"), held.withdrawn())
    await until(lambda: _known(office, held), what="the withdrawal")

    for referral in (held, standing, gone):
        await office.say(referral.created(attributes=PEDIATRICS))
    await office.say(standing.withdrawn())
    await office.said(standing, MatchProposed)
    assert await office.stage(held) == []
    assert await office.stage(gone) == []
    await office.say(held.logged("retraction-declined"))

    await office.said(held, MatchProposed)


async def test_a_forgotten_referral_leaves_nothing_but_its_id(office: Office) -> None:
    await office.load(a_row("s1"))
    referral = office.referral()
    created = referral.created(attributes=PEDIATRICS)
    await office.say(created)
    await office.said(referral, MatchProposed)

    await office.say(referral.forgotten())
    await office.settled(referral, lambda stages: stages == [])

    (row,) = await office.service.fetch("SELECT profile, received_at, seeking, closed_at FROM referral")
    assert (row["profile"], row["received_at"], row["seeking"]) == (None, None, False)
    assert row["closed_at"] is not None


async def test_a_roster_with_faults_changes_only_what_is_right_and_needs_the_coordinators_token(
    office: Office, workplace: Workplace
) -> None:
    await office.load(a_row("s1"), a_row("s2"))

    answer = await office.load(a_row("s1", email="nowhere"), a_row("s2"), a_row("s3"))
    operators = {"authorization": f"Bearer {workplace.tokens['operator']}"}
    refused = await office.service.client.put("/v1/roster", content=a_roster(), headers=operators)

    fault = {"line": 2, "column": "email", "code": "not-an-address"}
    assert answer == {"supporters": 2, "new": 1, "changed": 0, "left": 0, "faults": [fault]}
    assert refused.status_code == 403
    rows = await office.service.fetch("SELECT supporter_id FROM supporter WHERE active ORDER BY 1")
    assert [row["supporter_id"] for row in rows] == ["s1", "s2", "s3"]


async def test_an_unknown_programme_is_refused_and_a_step_without_its_attempt_too(office: Office) -> None:
    await office.load(a_row("s1"))
    stranger, careless, good = office.referral(), office.referral(), office.referral()
    stranger.programme = stranger.programme.model_copy(update={"id": "unheard-of"})

    await office.say(stranger.created(), careless.logged("supporter-accepted"), good.created(attributes=PEDIATRICS))
    await office.said(good, MatchProposed)

    async def are_listed() -> bool:
        return {each["reason"] for each in await office.items()} == {"unknown-programme", "no-attempt"}

    await until(are_listed, what="both to be quarantined")
