"""What a physician agreed to be sent: owed until it was sent, and by nobody forgotten."""

from dataclasses import replace
from datetime import timedelta

import pytest
from notifier.domain import facts
from notifier.domain.decisions import Moot
from notifier.domain.facts import Button, Message
from notifier.domain.state import Case, Page

from tests.unit.notifier.test_fold import AT, SHOWN, after, items, messages, pressed, steps

REACHED = (*SHOWN, pressed(Button.MADE))
OWED = (*REACHED, pressed(Button.PERMITTED))
SENT = (*OWED, pressed(Button.SENT))
DAY = timedelta(days=1)


def test_who_agreed_to_be_sent_something_was_reached() -> None:
    _, decisions = after(*SHOWN, pressed(Button.PERMITTED), pressed(Button.PERMITTED), pressed(Button.MADE))

    assert steps(decisions)[-2:] == ["contact-made", "resources-permitted"]


def test_each_step_is_logged_once_however_often_it_is_pressed() -> None:
    again = (pressed(Button.PERMITTED), pressed(Button.SENT))

    _, decisions = after(*SENT, *again, *again)

    assert steps(decisions)[-3:] == ["contact-made", "resources-permitted", "resources-sent"]


def test_nothing_is_sent_that_nobody_agreed_to() -> None:
    case, decisions = after(*REACHED, pressed(Button.SENT))

    assert case.attempt(1).sent_at is None
    assert steps(decisions)[-1] == "contact-made"


@pytest.mark.parametrize("ending", [Button.CLOSE, Button.DOES_NOT_WANT])
def test_a_supporter_does_not_end_a_case_that_still_owes_something(ending: Button) -> None:
    owed, _ = after(*OWED, pressed(ending))
    sent, _ = after(*SENT, pressed(ending))

    assert owed.page(1) is Page.CONTACT
    assert sent.page(1) is Page.DONE


@pytest.mark.parametrize(
    "ending",
    [
        facts.ClosedByCoordinator(AT),
        facts.Withdrawn(AT, facts.Withdrawal.WITHDRAWN),
        facts.Forgotten(AT),
        facts.OtherRequested(AT),
    ],
)
def test_whoever_may_end_it_otherwise_still_does(ending: facts.Fact) -> None:
    case, _ = after(*OWED, ending)

    assert case.page(1) is Page.TOLD_TO_STOP


def test_silence_is_counted_from_the_last_word_about_it_and_ends_on_a_worklist() -> None:
    later = facts.Pressed(AT + DAY, 1, Button.PERMITTED)

    case, _ = after(*REACHED, later)
    quiet, decisions = after(facts.Quiet(AT + 2 * DAY), facts.Quiet(AT + 3 * DAY), case=case)

    assert case.quiet_since == AT + DAY
    assert messages(decisions) == [Message.SUPPORTER_REMINDED]
    assert items(decisions) == ["silent"]
    assert quiet.is_silent


@pytest.mark.parametrize("button", [Button.PERMITTED, Button.SENT])
def test_a_word_about_it_is_an_answer_to_the_reminder(button: Button) -> None:
    before = REACHED if button is Button.PERMITTED else OWED
    reminded, _ = after(*before, facts.Quiet(AT + timedelta(hours=1)))

    heard, decisions = after(facts.Pressed(AT + DAY, 1, button), case=reminded)

    assert (Message.SUPPORTER_REMINDED, 1) in reminded.unanswered
    assert (Message.SUPPORTER_REMINDED, 1) not in heard.unanswered
    assert Moot(Message.SUPPORTER_REMINDED, 1) in decisions


@pytest.mark.parametrize(
    ("steps_said", "owes"), [(("resources-permitted",), True), (("resources-permitted", "resources-sent"), False)]
)
def test_a_database_that_was_set_back_knows_it_again(steps_said: tuple[str, ...], owes: bool) -> None:
    known, _ = after(*REACHED)

    recalled, decisions = after(*(facts.Recalled(AT, step, 1) for step in steps_said), case=known)

    assert recalled.attempt(1).owes_resources is owes
    assert decisions == ()


def test_another_supporter_owes_nothing_of_what_the_first_was_allowed_to_send() -> None:
    first: Case = after(*OWED, facts.OtherRequested(AT))[0]
    second = replace(first.attempt(1), number=2, stopped_at=None, permitted_at=None)

    case, decisions = after(pressed(Button.CLOSE, 2), case=first.having(second))

    assert case.page(2) is Page.DONE
    assert steps(decisions) == ["closed"]
