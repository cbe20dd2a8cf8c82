"""What whoever is told after the coordinator reads: which clock, how long overdue, and how to take note of it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from uuid import UUID

import pytest
from notifier.domain.notices import Notice
from notifier.repository.escalations import Overdue
from notifier.repository.notices import Count
from notifier.sends.coordinators import Waiting, write
from notifier.sends.letters import Sender
from peerline.escalation import EscalationStep
from peerline.programme import Programme, read_programmes
from peerline.texts import TELLING_WORDS, Coordinator

SHCP = read_programmes(Path(__file__).parents[3] / "deploy" / "programmes")["shcp"]
DEPUTY = Coordinator(name="The deputy", email="deputy@shcp.example.org", phone="(207) 555-0100")
WITH_DEPUTY = SHCP.model_copy(update={"deputy": DEPUTY})
REFERRAL = UUID(int=7)
NOON = datetime(2026, 6, 9, 16, tzinfo=UTC)


def step(overdue: timedelta = timedelta(hours=3), attempt: int | None = None) -> Overdue:
    return Overdue("deputy", 1, "match", attempt, REFERRAL, overdue)


def said(
    programme: Programme, steps: Sequence[Overdue], kind: str = "deadline-escalated", role: str = "deputy"
) -> tuple[EmailMessage, str]:
    waiting = Waiting([Count(kind, 1, timedelta(0))], [REFERRAL], steps)
    sender = Sender("hello@mail.example", "https://pages.example")
    letter = write(Notice.URGENT, waiting, programme, sender, role=role, message_id="1f", at=NOON)
    mail = message_from_bytes(letter.content, policy=default)
    assert isinstance(mail, EmailMessage)
    part = mail.get_body(("plain",))
    assert part is not None
    return mail, " ".join(str(part.get_content()).split())


def test_the_step_is_told_to_whoever_has_the_role_with_the_clock_and_how_to_take_note_of_it() -> None:
    mail, text = said(WITH_DEPUTY, [step()])

    assert mail["To"] == DEPUTY.email
    assert f"Step 1, for the deputy: match, overdue by 3 h, under the reference {REFERRAL}." in text
    assert f"peerline deadlines acknowledge {REFERRAL} match" in text
    assert "nobody has taken note of it" in text
    assert "--attempt" not in text


def test_a_role_that_nobody_has_any_more_is_the_coordinators() -> None:
    mail, text = said(SHCP, [step()])

    assert mail["To"] == SHCP.coordinator.email
    assert "for the deputy" in text


@pytest.mark.parametrize(
    ("overdue", "words"),
    [
        (timedelta(seconds=59), "overdue by 0 min"),
        (timedelta(minutes=59), "overdue by 59 min"),
        (timedelta(minutes=60), "overdue by 1 h"),
        (timedelta(hours=47), "overdue by 47 h"),
        (timedelta(hours=48), "overdue by 2 days"),
    ],
)
def test_how_long_it_is_overdue_is_said_as_people_say_it(overdue: timedelta, words: str) -> None:
    _, text = said(WITH_DEPUTY, [step(overdue, attempt=2)])

    assert words in text
    assert f"match, attempt 2, {words}" in text
    assert f"peerline deadlines acknowledge {REFERRAL} match --attempt 2" in text


def test_a_coordinator_reads_how_to_keep_others_from_being_told_where_others_would_be() -> None:
    steps = (EscalationStep(after=timedelta(hours=2), to="deputy"),)
    clock = SHCP.clocks[0].model_copy(update={"escalation": steps})
    escalating = WITH_DEPUTY.model_copy(update={"clocks": (clock,)})

    told = [
        "peerline deadlines acknowledge" in said(programme, [], kind, role="coordinator")[1]
        for programme in (escalating, SHCP)
        for kind in ("deadline-breached", "deadline-approaching", "unmatched")
    ]

    assert told == [True, True, False, False, False, False]


def test_a_bystander_reads_no_word_that_tells_what_it_is_about() -> None:
    steps = (EscalationStep(after=timedelta(hours=2), to="deputy"),)
    clock = SHCP.clocks[0].model_copy(update={"escalation": steps})
    mail, text = said(WITH_DEPUTY, [step()])
    _, breach = said(WITH_DEPUTY.model_copy(update={"clocks": (clock,)}), [], "deadline-breached")

    outside = " ".join(str(mail[name]) for name in ("From", "To", "Subject"))
    assert TELLING_WORDS.findall(outside + text + breach) == []
    assert mail["Subject"] == SHCP.texts.subject
