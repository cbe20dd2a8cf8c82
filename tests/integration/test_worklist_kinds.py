"""
Every kind of item, on running services: listed with its actions, measured, told once, gone everywhere once it is over.

The first test opens each kind by a unit of work on the service's own database, as all code that opens one does. The
others provoke some kinds from outside and act on them.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from matcher.main import service as matcher
from matcher.settings import Settings as MatcherSettings
from notifier.sends.coordinators import WORDS
from peerline.events import Audience, OutreachLogged, Phase, ReferralCreated, Sealed, Topic
from peerline.programme import read_programmes
from sla_monitor.main import service as sla_monitor
from sla_monitor.settings import Settings as MonitorSettings

from tests.integration.test_intake_service import a_report, an_intake
from tests.integration.test_notices import looked
from tests.support.notifier_place import PHYSICIAN, Post, Referral, notifier, post_office, programmes, wait_until
from tests.support.workplace import Running, Workplace, until
from tests.unit.matcher.events import Told

Kinds = Mapping[str, tuple[str, ...]]
RESOLVE = "resolve"
ABOUT_A_MESSAGE = ("delivered", "send-again", "match-again")
OF_EVERY_SERVICE: Kinds = {
    "quarantined": ("discard",),
    "halted": ("go-on",),
    "position-beyond-end": ("read-from-beginning",),
    "records-lost": (RESOLVE,),
    "source-failing": (RESOLVE,),
    "restored": (),
    "not-recalled": (RESOLVE,),
}
KINDS: Mapping[str, Kinds] = {
    "intake": {
        "stuck": ("retry",),
        "unresolved": ("not-a-physician",),
        "old-report": ("offer", RESOLVE),
        "nobody-named": ("add-people", RESOLVE),
        "decide-involvement": ("add-people", RESOLVE),
        "conflicting-report": ("add-people", RESOLVE),
        "participant-removed": (RESOLVE,),
        "referral-unknown": (RESOLVE,),
    },
    "matcher": {
        "stuck": (RESOLVE,),
        "approval": ("approve", "another"),
        "unmatched": ("retry",),
        "unreadable": (),
        "unreadable-step": ("wants-to-talk", "does-not-want"),
        "supporter-left": ("release", RESOLVE),
        "supporter-unknown": (RESOLVE,),
    },
    "notifier": {
        "stuck": (RESOLVE,),
        "delivery-unknown": ABOUT_A_MESSAGE,
        "delivery-failed": ABOUT_A_MESSAGE,
        "unreadable": ("close",),
        "no-referral": ("close",),
        "silent": ("close", "wait", "other-supporter"),
        "release-requested": ("close", "other-supporter", RESOLVE),
        "two-supporters": ("close", "other-supporter", RESOLVE),
        "step-unknown": (RESOLVE,),
        "link-lost": (RESOLVE,),
        "coordinator-unreachable": (RESOLVE,),
    },
    "sla-monitor": {"stuck": (RESOLVE,)},
}
"""What each service opens, and what can be done about it; where no plain resolve stands, it would hide who waits."""

NEWS = {"deadline-approaching", "deadline-breached"}


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    async with post_office(Post()) as office:
        yield office


@pytest.fixture
def folder(workplace: Workplace) -> Path:
    """SHCP, the same with invitations, and the same with a coordinator who approves; contact hours all day."""
    folder = programmes(workplace.folder / "kinds")
    said = yaml.safe_load((folder / "shcp.yaml").read_text())
    approved = said | {"id": "approved", "matching": said["matching"] | {"approval": "coordinator"}}
    (folder / "approved.yaml").write_text(yaml.safe_dump(approved))
    return folder


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


async def open_all(running: Running, kinds: Kinds) -> dict[str, str]:
    """Open one item of each kind as the services' code does; gives the subject of each."""
    subjects = {kind: f"somewhere/0/{uuid4()}" if kind in OF_EVERY_SERVICE else str(uuid4()) for kind in kinds}
    async with running.transactions.begin() as work:
        for kind, subject in subjects.items():
            await work.open_item(kind, subject=subject, referral_id=uuid4(), programme="shcp", urgent=True)
    return subjects


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


def test_this_file_has_every_kind_that_a_coordinator_is_told_of() -> None:
    kinds = set(OF_EVERY_SERVICE).union(*KINDS.values())

    assert kinds == WORDS.keys() - NEWS


@pytest.mark.parametrize("name", KINDS)
async def test_every_kind_is_listed_measured_told_once_and_gone_when_it_is_over(
    workplace: Workplace, post: Post, folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.health.EVERY", 0.3)
    kinds = {**OF_EVERY_SERVICE, **KINDS[name]}
    async with AsyncExitStack() as stack:
        running, notifying = await both(workplace, post, name, folder, stack)
        subjects = await open_all(running, kinds)
        await told(post, *kinds)
        await looked(notifying)
        listed = await items(running)
        await until(lambda: _are_measured(running, kinds), what="the figures")
        ages = await figures(running, "oldest_seconds")
        answers = await resolves(running)
        async with running.transactions.begin() as work:  # as when the matter itself is over
            for kind, subject in subjects.items():
                await work.resolve_item(kind, subject=subject)
        await gone(running, notifying)
        await looked(notifying)

    assert {kind: tuple(item["actions"]) for kind, item in listed.items()} == kinds  # type: ignore[arg-type]  # JSON
    assert ages.keys() == kinds.keys()
    assert answers == {kind: 200 if RESOLVE in actions else 409 for kind, actions in kinds.items()}
    assert {kind: tellings(post, kind) for kind in kinds} == dict.fromkeys(kinds, 1)


async def _are_measured(running: Running, kinds: Kinds) -> bool:
    return await figures(running, "items") == dict.fromkeys(kinds, 1.0)


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
