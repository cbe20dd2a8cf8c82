"""Further steps after breaches at a real notifier: whose they are, at which pace, and when nobody is told any more."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from peerline.events import DeadlineAcknowledged, DeadlineEscalated, DeadlineEvent, Firmness

from tests.support.escalating import (
    CONTACTS,
    COORDINATOR,
    DEPUTY,
    DIRECTOR,
    STEPS,
    a_programme,
    has_mail,
    letters_to,
)
from tests.support.notices import looked
from tests.support.notifier_place import Post, Referral, notifier, wait_until
from tests.support.workplace import Workplace, until

NOW = datetime.now(UTC)


@pytest.fixture
def programmes(tmp_path: Path) -> Path:
    """SHCP with a deputy and a Director, who are told after the coordinator."""
    return a_programme(tmp_path / "escalating", STEPS, **CONTACTS)


def a_step(place: Workplace, referral: Referral, level: int, to: str) -> DeadlineEscalated:
    return DeadlineEscalated(**of_a_deadline(place, referral, DeadlineEscalated, level), level=level, to=to)


def of_a_deadline(
    place: Workplace,
    referral: Referral,
    kind: type[DeadlineEvent],
    number: int,
    overdue: timedelta = timedelta(hours=3),
) -> dict[str, Any]:
    return {
        "event_id": place.ids.event(kind.name, referral.id, "match", 0, str(number)),
        "referral_id": referral.id,
        "programme": referral.created().programme,
        "sequence": number + 2,
        "occurred_at": NOW,
        "deadline_id": place.ids.deadline(referral.id, "match", 0),
        "clock": "match",
        "firmness": Firmness.PROMISED,
        "due_at": datetime.now(UTC) - overdue,
    }


async def test_a_role_that_nobody_has_here_is_told_to_the_coordinator_and_never_lost(
    workplace: Workplace, post: Post, tmp_path: Path
) -> None:
    referral = Referral(workplace)
    programmes = a_programme(tmp_path / "without", [])
    async with workplace.running(notifier(workplace, post, programmes=programmes)) as telling:
        await workplace.publish(a_step(workplace, referral, 1, "deputy"), a_step(workplace, referral, 2, "chief"))
        await wait_until(lambda: "Step 2" in " ".join(letters_to(post, COORDINATOR)), "both steps")
        await looked(telling)

    told = " ".join(letters_to(post, COORDINATOR))
    assert (told.count("Step 1, for the deputy"), told.count("Step 2, for the coordinator")) == (1, 1)
    assert {to for [to] in post.recipients} == {COORDINATOR}


async def test_steps_wait_for_nothing_but_their_own_pace_and_are_dropped_when_somebody_takes_note(
    workplace: Workplace, post: Post, programmes: Path
) -> None:
    first, second, third = (Referral(workplace, name) for name in ("1", "2", "3"))
    quarter = timedelta(minutes=15)
    described = notifier(workplace, post, programmes=programmes, urgent_every=quarter)
    async with workplace.running(described) as telling:
        await telling.client.post("/v1/outreach/shcp/pause")  # holds what goes to people, not this
        await workplace.publish(a_step(workplace, first, 1, "deputy"))
        await has_mail(post, DEPUTY)
        noted = DeadlineAcknowledged(**of_a_deadline(workplace, second, DeadlineAcknowledged, 2))
        steps = [a_step(workplace, referral, 1, "deputy") for referral in (second, third)]
        await workplace.publish(*steps, noted, a_step(workplace, first, 2, "director"))
        await has_mail(post, DIRECTOR)
        await looked(telling)
        within_a_quarter = len(letters_to(post, DEPUTY))
        paces = await telling.fetch("SELECT role, urgent_at FROM coordinator")
        await telling.fetch("UPDATE coordinator SET urgent_at = urgent_at - interval '15 minutes'")
        await looked(telling)
        await wait_until(lambda: len(letters_to(post, DEPUTY)) == 2, "the next message to the deputy")
        await looked(telling)
        notices = await telling.fetch("SELECT role, state FROM notice ORDER BY planned_at")

    assert within_a_quarter == 1
    assert len(post.mails) == 3
    assert len({row["urgent_at"] for row in paces}) == len(paces) == 2
    assert [tuple(row) for row in notices] == [(role, "sent") for role in ("deputy", "director", "deputy")]
    later = letters_to(post, DEPUTY)[1]
    assert f"overdue by 3 h, under the reference {third.id}" in later
    assert str(second.id) not in later


async def test_who_cannot_be_reached_is_on_the_worklist_of_which_the_coordinator_is_told(
    workplace: Workplace, post: Post, programmes: Path
) -> None:
    post.refuse_recipient = "550 no such mailbox"
    async with workplace.running(notifier(workplace, post, programmes=programmes)) as telling:
        await workplace.publish(a_step(workplace, Referral(workplace), 1, "deputy"))

        async def is_listed() -> bool:
            found = (await telling.client.get("/v1/worklist")).json()["items"]
            return ("coordinator-unreachable", "shcp/deputy") in [(item["kind"], item["subject"]) for item in found]

        await until(is_listed, what="the item")
        post.refuse_recipient = ""
        await telling.fetch("UPDATE attention SET opened_at = opened_at - interval '20 minutes'")
        await telling.fetch("SELECT pg_notify('peerline', 'rounds')")
        await has_mail(post, COORDINATOR)

    assert "coordinators to whom no message can be delivered" in letters_to(post, COORDINATOR)[0]
