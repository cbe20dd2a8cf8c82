"""Races that the protocol decides (design, who moves the case), run by hand on real services in one event loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from matcher.main import service as matcher_service
from matcher.settings import Settings as MatcherSettings
from peerline.compartments import MatchingProfile, WithdrawalKind
from peerline.events import Audience, MatchEvent, ReferralCreated, ReferralJoined, Topic

from tests.support.intake_place import a_report, an_intake
from tests.support.notifier_place import (
    FORM,
    Post,
    Referral,
    notifier,
    post_office,
    programmes,
    steps,
    wait_for_step,
    wait_until,
)
from tests.support.workplace import Running, Workplace, until

ROSTER = "supporter_id,name,email,phone,zone,programme,active,trained_at,capacity,identifiers\n" + "".join(
    f"s{n},Dr S{n},s{n}@staff.example,,,shcp,yes,2025-01-01,,npi|s{n}\n" for n in (1, 2)
)


class HeldPost(Post):
    """A mail server that takes each message only when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.has_one, self.let_go = asyncio.Event(), asyncio.Event()

    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:  # noqa: N802
        self.has_one.set()
        await self.let_go.wait()
        return await super().handle_DATA(server, session, envelope)  # type: ignore[arg-type]


@pytest.fixture
async def held() -> AsyncIterator[HeldPost]:
    async with post_office(HeldPost()) as office:
        assert isinstance(office, HeldPost)
        yield office


def created(referral: Referral) -> ReferralCreated:
    """The referral as both matcher and notifier can read it."""
    event = referral.created()
    profile = MatchingProfile(person=("p-1",), excluded=(), attributes={}, preferences={})
    sealed = referral.place.sealer.seal(
        Audience.MATCHER, profile, referral_id=referral.id, event_type=ReferralCreated.name, now=datetime.now(UTC)
    )
    assert event.sealed is not None
    return event.model_copy(update={"sealed": event.sealed.model_copy(update={"matcher": sealed})})


@asynccontextmanager
async def both(
    place: Workplace, post: Post, folder: Path, role: str = "coordinator"
) -> AsyncIterator[tuple[Running, Running]]:
    """Matcher and notifier, both running."""
    matching = matcher_service(place.settings(MatcherSettings, "matcher", programmes=folder))
    sending = notifier(place, post, programmes=folder)
    async with place.running(matching, role=role) as one, place.running(sending, role=role) as other:
        yield one, other


async def matches(place: Workplace) -> list[tuple[str, int]]:
    """What matcher has said, in order."""
    return [(each.name, each.attempt) for each in await place.events(Topic.MATCHES) if isinstance(each, MatchEvent)]


@pytest.mark.parametrize("order", ["release-first", "accept-first", "at-once"])
async def test_a_release_and_a_yes_that_cross_end_the_match_and_only_the_next_supporter_goes_on(
    workplace: Workplace, order: str
) -> None:
    referral = Referral(workplace)
    folder = programmes(workplace.folder / "programmes")
    async with post_office(Post()) as post, both(workplace, post, folder) as (matching, outreach):
        await matching.client.put("/v1/roster", content=ROSTER, headers={"content-type": "text/csv"})
        await workplace.publish(created(referral))
        await wait_until(lambda: bool(post.links()), "the first question", 60)
        page = post.links()[0]
        form = FORM.search((await outreach.client.get(page)).text)
        assert form is not None
        yes = {"action": "yes", "form": form.group(1)}
        acts: list[Callable[[], Awaitable[object]]] = [
            lambda: matching.client.post(f"/v1/referrals/{referral.id}/release"),
            lambda: outreach.client.post(page, data=yes),
        ]
        if order == "at-once":
            await asyncio.gather(*(act() for act in acts))
        else:
            for act in acts if order == "release-first" else reversed(acts):
                await act()
        await wait_until(lambda: len(post.links()) > 1, "the next question", 60)
        said = await matches(workplace)
        pages = await outreach.fetch("SELECT number, shown_at FROM outreach_attempt ORDER BY number")
        open_now = await matching.fetch("SELECT attempt FROM match WHERE stage <> 'ended'")

    assert said[-1] == ("match-proposed", 2)
    assert said.count(("match-released", 1)) == 1
    assert [(row["number"], row["shown_at"]) for row in pages] == [(1, None), (2, None)]
    assert [row["attempt"] for row in open_now] == [2]


async def test_a_withdrawal_during_the_sending_of_a_question_closes_the_case_and_the_link_shows_nothing(
    workplace: Workplace, held: HeldPost
) -> None:
    referral = Referral(workplace)
    async with workplace.running(notifier(workplace, held, smtp_timeout=60)) as running:
        await workplace.publish(referral.created(), referral.proposed())
        await asyncio.wait_for(held.has_one.wait(), 60)
        await workplace.publish(referral.withdrawn())
        await wait_for_step(workplace, "closed", 60)
        held.let_go.set()
        await wait_until(lambda: bool(held.links()), "the question", 60)
        page = (await running.client.get(held.links()[0])).text
        states = await running.fetch("SELECT message FROM send WHERE state IN ('planned', 'refused')")

    assert "Ambroquaithe" not in page
    assert FORM.search(page) is None
    assert states == []
    assert len(held.mails) == 1


async def test_a_retraction_during_the_sending_of_an_invitation_leaves_the_offer_standing(
    workplace: Workplace, held: HeldPost
) -> None:
    referral = Referral(workplace, programme="first")
    async with workplace.running(notifier(workplace, held, smtp_timeout=60)):
        await workplace.publish(referral.created())
        await asyncio.wait_for(held.has_one.wait(), 60)
        await workplace.publish(referral.withdrawn(WithdrawalKind.RETRACTED))
        await wait_for_step(workplace, "retraction-declined", 60)
        held.let_go.set()
        await wait_until(lambda: bool(held.mails), "the invitation", 60)

        assert "closed" not in await steps(workplace)


async def test_a_withdrawal_before_the_claim_leaves_nothing_to_send(workplace: Workplace) -> None:
    referral, other = Referral(workplace), Referral(workplace, name="2")
    async with post_office(Post()) as post, workplace.running(notifier(workplace, post)) as running:
        await running.client.post("/v1/outreach/shcp/pause")
        await workplace.publish(referral.created(), referral.proposed(), referral.withdrawn())
        await wait_for_step(workplace, "closed", 60)
        await running.client.post("/v1/outreach/shcp/resume")
        await workplace.publish(other.created(), other.proposed())
        await wait_for_step(workplace, "supporter-notified", 60)
        states = await running.fetch("SELECT state FROM send WHERE referral_id = $1", referral.id)

    assert [row["state"] for row in states] == ["dropped"]
    assert len(post.links()) == 1


async def test_of_many_triggers_at_once_for_one_physician_one_opens_a_case_and_the_others_join_it(
    workplace: Workplace,
) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()
        reports = [a_report("1001") | {"incident_id": f"EV-race-{n}"} for n in range(6)]
        answers = await asyncio.gather(*(intake.send(report) for report in reports))
        joined = await intake.published(ReferralJoined, 5)
        opened = await intake.published(ReferralCreated, 1)

    assert all(answer.status_code == 202 for answer in answers)
    assert len(opened) == 1
    assert {event.into for event in joined} == {opened[0].referral_id}


async def test_a_referral_that_is_replayed_from_quarantine_after_its_withdrawal_asks_nobody(
    workplace: Workplace,
) -> None:
    referral = Referral(workplace, programme="first")
    folder = programmes(workplace.folder / "programmes")
    unknown = (folder / "first.yaml").read_text()
    (folder / "first.yaml").unlink()
    async with post_office(Post()) as post:
        async with both(workplace, post, folder, role="operator") as services:
            await workplace.publish(created(referral))
            for running in services:
                await until(lambda running=running: _has_quarantined(running), seconds=60, what="quarantine")  # type: ignore[misc]
        (folder / "first.yaml").write_text(unknown)
        async with both(workplace, post, folder, role="operator") as services:
            await workplace.publish(referral.withdrawn())
            await until(lambda: _is_closed(services[0], "referral", referral.id), seconds=60, what="matcher's end")
            for running in services:
                [entry] = (await running.client.get("/v1/quarantine")).json()["entries"]
                assert (await running.client.post(f"/v1/quarantine/{entry['id']}/replay")).status_code == 200
            sends = await services[1].fetch("SELECT state FROM send")
            closed = [
                await _is_closed(services[0], "referral", referral.id),
                await _is_closed(services[1], "outreach_case", referral.id),
            ]
            seeking = await services[0].fetch("SELECT FROM referral WHERE seeking")

    assert sends == seeking == []
    assert closed == [True, True]
    assert post.links() == []


async def _has_quarantined(running: Running) -> bool:
    return bool((await running.client.get("/v1/quarantine")).json()["entries"])


async def _is_closed(running: Running, table: str, referral_id: UUID) -> bool:
    rows = await running.fetch(f"SELECT closed_at FROM {table} WHERE referral_id = $1", referral_id)  # noqa: S608  ours
    return bool(rows) and rows[0]["closed_at"] is not None
