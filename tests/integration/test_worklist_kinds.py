"""Every kind of item is listed, measured, told once and gone when it is over."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from notifier.sends.coordinators import WORDS

from tests.support.notices import looked
from tests.support.notifier_place import Post
from tests.support.worklists import RESOLVE, Kinds, both, figures, gone, items, resolves, tellings, told
from tests.support.workplace import Running, Workplace, until

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
NEWS = {"deadline-approaching", "deadline-breached", "deadline-escalated"}


async def open_all(running: Running, kinds: Kinds) -> dict[str, str]:
    """Open one item of each kind as the services' code does; gives the subject of each."""
    subjects = {kind: f"somewhere/0/{uuid4()}" if kind in OF_EVERY_SERVICE else str(uuid4()) for kind in kinds}
    async with running.transactions.begin() as work:
        for kind, subject in subjects.items():
            await work.open_item(kind, subject=subject, referral_id=uuid4(), programme="shcp", urgent=True)
    return subjects


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
