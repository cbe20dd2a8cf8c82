"""What each service puts to a coordinator is told once, until they have acted."""

from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from peerline.events import Audience, OutreachLogged, Phase, ReferralCreated, Sealed, Topic
from peerline.programme import read_programmes

from tests.support.intake_place import a_report, an_intake
from tests.support.notices import looked
from tests.support.notifier_place import PHYSICIAN, Post, Referral, notifier, wait_until
from tests.support.worklists import RESOLVE, act, both, gone, resolves, tellings, told
from tests.support.workplace import Running, Workplace, until
from tests.unit.matcher.events import Told


async def test_what_matcher_cannot_do_is_told_once_until_a_coordinator_has_acted(
    workplace: Workplace, post: Post, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.health.EVERY", 0.3)
    kinds = ("quarantined", "approval", "unreadable-step", "unmatched", "unreadable")
    known = read_programmes(folder)
    waiting, unreadable, suggested = (Told(known[name].ref, workplace.sealer) for name in ("shcp", "shcp", "approved"))
    async with AsyncExitStack() as stack:
        running, notifying = await both(workplace, post, "matcher", folder, stack)
        await load(running, "approved")
        await workplace.produce(Topic.REFERRALS, (b"key", b"{}", [("ce_specversion", b"0.1")]))
        created = [waiting.created(), unreadable.unreadable(), suggested.created()]
        await workplace.publish(*(with_contact(workplace, each) for each in created), a_step(waiting))
        await told(post, *kinds)
        await looked(notifying)
        answers = await resolves(running)
        done = [await act(running, kind, action) for kind, action in ACTS.items()]
        await load(running, "approved", "shcp")
        await workplace.publish(unreadable.amended(("p-other",)))
        await act(notifying, "quarantined", "discard")
        await gone(running, notifying)
        await looked(notifying)

    assert answers == dict.fromkeys(kinds, 409)
    assert done == [200, 200, 200]
    assert {kind: tellings(post, kind) for kind in kinds} == dict.fromkeys(kinds, 1) | {"quarantined": 2}  # by each


ACTS = {"quarantined": "discard", "approval": "approve", "unreadable-step": "wants-to-talk"}


def with_contact(place: Workplace, event: ReferralCreated) -> ReferralCreated:
    """The same, with what notifier needs of it."""
    contact = place.sealer.seal(
        Audience.NOTIFIER, PHYSICIAN, referral_id=event.referral_id, event_type=event.name, now=datetime.now(UTC)
    )
    assert event.sealed is not None
    return event.model_copy(update={"sealed": event.sealed.model_copy(update={"notifier": contact})})


async def load(running: Running, *served: str) -> None:
    """A roster with one supporter of each of these programmes."""
    rows = [f"s-{each},Dr {each},{each}@staff.example,,,{each},yes,2025-01-01,9,npi|{each}" for each in served]
    head = "supporter_id,name,email,phone,zone,programme,active,trained_at,capacity,identifiers"
    roster = "\n".join([head, *rows]) + "\n"
    answer = await running.client.put("/v1/roster", content=roster, headers={"content-type": "text/csv"})
    assert answer.status_code == 200, answer.text


def a_step(about: Told) -> OutreachLogged:
    """A step whose compartment for matcher cannot be opened."""
    step = about.privately("wants-to-talk")
    return step.model_copy(update={"phase": Phase.OPEN, "sealed": Sealed(matcher="not.a.real.sealed.one")})


async def test_what_notifier_cannot_do_is_told_once_until_a_coordinator_has_acted(
    workplace: Workplace, post: Post, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.health.EVERY", 0.3)
    failing, given_up, mended = (Referral(workplace, name=name) for name in "123")
    post.answers = ["550 not this"]
    async with workplace.running(notifier(workplace, post, programmes=folder)) as running:
        await workplace.publish(failing.created(), failing.proposed())
        await told(post, "delivery-failed")
        await running.client.post("/v1/outreach/shcp/pause")
        for broken in (given_up, mended):
            await workplace.publish(broken.created(), broken.proposed())
        await until(lambda: _are_planned(running, 3), what="two messages that are held")
        await running.fetch(  # a contact that cannot be read
            "UPDATE outreach_attempt SET contact = '\\x00' || contact WHERE referral_id <> $1", failing.id
        )
        await running.client.post("/v1/outreach/shcp/resume")
        await wait_until(lambda: tellings(post, "stuck") == 2, "a message about each", seconds=60)
        await looked(running)
        answers = await act(running, "delivery-failed", RESOLVE)
        done = await act(running, "delivery-failed", "match-again")
        await workplace.publish(given_up.withdrawn())
        await running.fetch(
            "UPDATE outreach_attempt SET contact = substr(contact, 2) WHERE referral_id = $1", mended.id
        )
        await running.fetch("UPDATE send SET due_at = now(), window_ends = NULL WHERE referral_id = $1", mended.id)
        await running.fetch("SELECT pg_notify('peerline', 'rounds')")
        await gone(running, running)
        await looked(running)

    assert (answers, done) == (409, 200)
    assert (tellings(post, "delivery-failed"), tellings(post, "stuck"), len(post.links())) == (1, 2, 1)


async def _are_planned(running: Running, number: int) -> bool:
    return len(await running.fetch("SELECT FROM send WHERE message = 'supporter-asked'")) == number


async def test_whom_nobody_knows_is_told_once_until_a_coordinator_has_acted(
    workplace: Workplace, post: Post, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.health.EVERY", 0.3)
    async with (
        workplace.running(notifier(workplace, post, programmes=folder)) as notifying,
        an_intake(workplace) as intake,
    ):
        await intake.load()
        await intake.send(a_report("9999"))
        await told(post, "unresolved")
        await looked(notifying)
        answers = await resolves(intake.running)
        done = await act(intake.running, "unresolved", "not-a-physician")
        await gone(intake.running, notifying)
        await looked(notifying)

    assert (answers, done) == ({"unresolved": 409}, 200)
    assert tellings(post, "unresolved") == 1
