"""Silence that ends, and deliveries that nobody need look into any more."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from notifier.domain import facts
from notifier.domain.decisions import Decision, Decisions, Moot, Open, Resolve
from notifier.domain.facts import Answer, Button, Message
from notifier.domain.fold import fold
from notifier.domain.state import Case

AT = datetime(2026, 6, 9, 14, 15, tzinfo=UTC)
LATER = AT + timedelta(days=9)
CREATED = (facts.Created(AT), facts.BecameReadable(AT))
CLAIMED = (*CREATED, facts.Proposed(AT, 1), facts.Claimed(AT, Message.SUPPORTER_ASKED))
IN_DOUBT = (*CLAIMED, facts.Undelivered(AT, Message.SUPPORTER_ASKED, "send-1", unknown=True, attempt=1))
YES, SHOW = facts.Pressed(AT, 1, Button.YES), facts.Pressed(AT, 1, Button.SHOW_CONTACT)
SHOWN = (*CLAIMED, facts.Handed(AT, Message.SUPPORTER_ASKED, 1), YES, facts.Confirmed(AT, 1), SHOW)
SILENT = (*SHOWN, facts.Quiet(AT), facts.Quiet(AT))
INVITED = (facts.Created(AT, invites=True), facts.BecameReadable(AT), facts.Claimed(AT, Message.PHYSICIAN_INVITED))


def after(*happened: facts.Fact) -> tuple[Case, Decisions]:
    """The case after facts, and what the last of them led to."""
    case: Case = Case()
    decisions: tuple[Decision, ...] = ()
    for fact in happened:
        case, decisions = fold(case, fact)
    return case, decisions


@pytest.mark.parametrize(
    "fact", [YES, facts.Pressed(AT, 1, Button.NO), facts.Released(AT, 1), facts.ClosedByCoordinator(AT)]
)
def test_a_question_in_doubt_is_settled_by_an_answer_or_by_the_end_of_the_match(fact: facts.Fact) -> None:
    _, decisions = after(*IN_DOUBT, fact)

    assert Moot(Message.SUPPORTER_ASKED, 1) in decisions


def test_a_question_that_was_answered_while_it_was_being_sent_is_nobodys_to_look_into() -> None:
    _, decisions = after(
        *CLAIMED, YES, facts.Undelivered(AT, Message.SUPPORTER_ASKED, "send-1", unknown=True, attempt=1)
    )

    assert decisions == ()


def test_an_invitation_in_doubt_is_settled_by_the_physicians_answer() -> None:
    doubt = facts.Undelivered(AT, Message.PHYSICIAN_INVITED, "send-1", unknown=True)

    _, decisions = after(*INVITED, doubt, facts.Answered(AT, Answer.NOT_NOW))

    assert Moot(Message.PHYSICIAN_INVITED) in decisions


def test_that_a_supporter_could_not_be_told_to_stop_matters_even_after_all_is_forgotten() -> None:
    stop = facts.Undelivered(AT, Message.SUPPORTER_STOPPED, "send-2", unknown=False, attempt=1)

    _, decisions = after(*SHOWN, facts.OtherRequested(AT), facts.Forgotten(AT), stop)

    assert Open("delivery-failed", subject="send-2", reason=Message.SUPPORTER_STOPPED, urgent=True) in decisions


@pytest.mark.parametrize("fact", [facts.Pressed(LATER, 1, Button.ATTEMPTED), facts.OtherRequested(LATER)])
def test_whoever_is_heard_again_is_taken_off_the_worklist(fact: facts.Fact) -> None:
    _, decisions = after(*SILENT, fact)

    assert Resolve("silent") in decisions


def test_a_supporter_who_spoke_after_a_silence_is_watched_again() -> None:
    case, _ = after(*SILENT, facts.Pressed(LATER, 1, Button.ATTEMPTED))

    assert case.quiet_since == LATER


def test_a_coordinator_who_waits_on_is_told_again() -> None:
    waiting, decisions = after(*SILENT, facts.WaitedOn(LATER))
    _, again = after(*SILENT, facts.WaitedOn(LATER), facts.Quiet(LATER))

    assert Resolve("silent") in decisions
    assert waiting.quiet_since == LATER
    assert again == (Open("silent"),)


def test_a_physician_whose_answer_is_waited_for_longer_is_not_forgotten() -> None:
    case, _ = after(*INVITED, facts.Quiet(AT), facts.WaitedOn(LATER))

    assert case.quiet_since == LATER


def test_a_trigger_is_refused_by_each_case_that_it_came_too_late_for() -> None:
    first, second = UUID(int=1), UUID(int=2)

    late = [facts.JoinCameLate(AT, into) for into in (first, second, first, second)]
    decisions = [after(*late[: count + 1])[1] for count in range(len(late))]

    assert [[getattr(each, "into", None) for each in found] for found in decisions] == [[first], [second], [], []]
