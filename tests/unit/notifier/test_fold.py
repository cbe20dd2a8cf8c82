"""The case as a fold: any order, any repeats, never two who hold the contact."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID

import pytest
from notifier.domain import facts
from notifier.domain.decisions import Decisions, Log, Open, Plan
from notifier.domain.facts import Answer, Button, Message, Withdrawal
from notifier.domain.fold import RULES, fold
from notifier.domain.state import Case, Page, Phase

AT = datetime(2026, 6, 9, 14, 15, tzinfo=UTC)
OTHER = UUID(int=1)


def after(*happened: facts.Fact, case: Case | None = None) -> tuple[Case, Decisions]:
    """The case after facts, and everything that was decided on the way."""
    known = case or Case()
    decided: Decisions = ()
    for fact in happened:
        known, decisions = fold(known, fact)
        decided = (*decided, *decisions)
    return known, decided


def steps(decisions: Decisions) -> list[str]:
    return [decision.step for decision in decisions if isinstance(decision, Log)]


def messages(decisions: Decisions) -> list[Message]:
    return [decision.message for decision in decisions if isinstance(decision, Plan)]


def items(decisions: Decisions) -> list[str]:
    return [decision.kind for decision in decisions if isinstance(decision, Open)]


def pressed(button: Button, attempt: int = 1) -> facts.Pressed:
    return facts.Pressed(AT, attempt, button)


CREATED = (facts.Created(AT), facts.BecameReadable(AT))
ASKED = (*CREATED, facts.Proposed(AT, 1), facts.Handed(AT, Message.SUPPORTER_ASKED, 1))
WISHED = (*ASKED, pressed(Button.YES))
NAMED = (*WISHED, facts.Confirmed(AT, 1))
SHOWN = (*NAMED, pressed(Button.SHOW_CONTACT))
INVITED = (facts.Created(AT, invites=True), facts.BecameReadable(AT), facts.Claimed(AT, Message.PHYSICIAN_INVITED))


def test_every_kind_of_fact_has_a_rule() -> None:
    kinds = {kind for kind in vars(facts).values() if isinstance(kind, type) and issubclass(kind, facts.Fact)}

    assert kinds - set(RULES) == {facts.Fact, facts.AboutAttempt}


@pytest.mark.parametrize("order", list(permutations((facts.Created(AT), facts.Withdrawn(AT, Withdrawal.WITHDRAWN)))))
def test_a_withdrawn_referral_is_closed_whichever_comes_first(order: tuple[facts.Fact, ...]) -> None:
    case, decisions = after(*order, facts.BecameReadable(AT), facts.Proposed(AT, 1))

    assert case.phase is Phase.CLOSED
    assert steps(decisions) == ["closed"]
    assert messages(decisions) == []


def test_name_and_contact_are_shown_in_three_stages() -> None:
    pages = [after(*happened)[0].page(1) for happened in (ASKED, WISHED, NAMED, SHOWN)]

    assert pages == [Page.ASKED, Page.WISH, Page.NAME, Page.CONTACT]


def test_should_matcher_ever_confirm_two_the_second_does_not_get_the_contact_and_a_human_is_told() -> None:
    second = (facts.Proposed(AT, 2), pressed(Button.YES, 2), facts.Confirmed(AT, 2))

    case, decisions = after(*SHOWN, *second, pressed(Button.SHOW_CONTACT, 2))

    assert case.holders == [1]
    assert case.page(2) is Page.NAME
    assert items(decisions) == ["two-supporters"]


def test_a_supporter_who_was_released_while_answering_sees_no_name() -> None:
    case, _ = after(*WISHED, facts.Released(AT, 1), pressed(Button.SHOW_CONTACT))

    assert case.page(1) is Page.VOID


@pytest.mark.parametrize("happened", [ASKED, WISHED, NAMED])
def test_a_supporter_may_decline_at_each_stage_before_the_contact(happened: tuple[facts.Fact, ...]) -> None:
    case, decisions = after(*happened, pressed(Button.DECLINE))

    assert case.page(1) is Page.VOID
    assert steps(decisions)[-1] == "supporter-declined"


def test_the_main_path_logs_each_step_once_however_often_it_is_clicked() -> None:
    clicks = [pressed(button) for button in (Button.ATTEMPTED, Button.MADE, Button.CLOSE) for _ in range(2)]

    case, decisions = after(*SHOWN, pressed(Button.SHOW_CONTACT), pressed(Button.YES), *clicks)

    assert steps(decisions) == [
        "supporter-notified",
        "supporter-accepted",
        "contact-shown",
        "contact-attempted",
        "contact-made",
        "closed",
    ]
    assert case.page(1) is Page.DONE


def test_a_physician_who_does_not_want_to_talk_was_reached_and_the_case_is_closed() -> None:
    case, decisions = after(*SHOWN, pressed(Button.DOES_NOT_WANT))

    assert steps(decisions)[-3:] == ["contact-made", "does-not-want", "closed"]
    assert case.phase is Phase.CLOSED


def test_a_withdrawal_tells_the_supporter_who_has_the_contact_to_stop() -> None:
    case, decisions = after(*SHOWN, facts.Withdrawn(AT, Withdrawal.WITHDRAWN))

    assert case.page(1) is Page.TOLD_TO_STOP
    assert messages(decisions)[-1] is Message.SUPPORTER_STOPPED


def test_a_retraction_closes_while_the_physician_has_heard_nothing() -> None:
    case, decisions = after(*NAMED, facts.Withdrawn(AT, Withdrawal.RETRACTED))

    assert steps(decisions)[-1] == "closed"
    assert case.page(1) is Page.VOID


@pytest.mark.parametrize("happened", [SHOWN, INVITED])
def test_a_retraction_leaves_the_offer_standing_once_the_physician_may_have_heard(
    happened: tuple[facts.Fact, ...],
) -> None:
    case, decisions = after(*happened, *[facts.Withdrawn(AT, Withdrawal.RETRACTED)] * 2)

    assert steps(decisions).count("retraction-declined") == 1
    assert case.closed_at is None


def test_the_physician_may_withdraw_after_a_retraction_was_declined() -> None:
    case, _ = after(*SHOWN, facts.Withdrawn(AT, Withdrawal.RETRACTED), facts.Withdrawn(AT, Withdrawal.WITHDRAWN))

    assert case.phase is Phase.CLOSED


def test_a_trigger_that_came_too_late_is_refused_once_and_opens_a_case_of_its_own() -> None:
    case, decisions = after(
        facts.JoinCameLate(AT, OTHER), facts.JoinCameLate(AT, OTHER), *CREATED, facts.Proposed(AT, 1)
    )

    assert steps(decisions) == ["join-refused"]
    assert case.page(1) is Page.ASKED


def test_a_confirmed_match_that_nobody_looked_at_is_declined_by_silence() -> None:
    case, decisions = after(*NAMED, facts.WindowPassed(AT, 1))

    assert case.page(1) is Page.VOID
    assert decisions[-1] == Log("supporter-declined", Phase.OPEN, 1, (("why", "silent"),))


def test_silence_after_the_contact_is_reminded_of_once_and_then_put_on_the_worklist() -> None:
    case, decisions = after(*SHOWN, facts.Quiet(AT), facts.Quiet(AT), facts.Quiet(AT))

    assert messages(decisions).count(Message.SUPPORTER_REMINDED) == 1
    assert items(decisions) == ["silent"]
    assert case.holders == [1]


def test_every_step_of_the_supporter_begins_the_silence_anew() -> None:
    later = AT + timedelta(days=2)

    case, _ = after(*SHOWN, facts.Pressed(later, 1, Button.ATTEMPTED))

    assert case.quiet_since == later


def test_a_request_to_release_revokes_the_link_before_the_contact_and_asks_a_human_after() -> None:
    before, _ = after(*NAMED, facts.ReleaseRequested(AT, 1, "event"))
    shown, decisions = after(*SHOWN, facts.ReleaseRequested(AT, 1, "event"))

    assert before.page(1) is Page.VOID
    assert shown.page(1) is Page.CONTACT
    assert items(decisions) == ["release-requested"]


def test_another_supporter_is_asked_for_and_the_first_is_told_to_stop() -> None:
    case, decisions = after(*SHOWN, facts.OtherRequested(AT))

    assert case.page(1) is Page.TOLD_TO_STOP
    assert steps(decisions)[-1] == "other-supporter-requested"


def test_asking_twice_for_another_supporter_costs_the_next_one_nothing() -> None:
    case, _ = after(*SHOWN, facts.OtherRequested(AT), facts.Proposed(AT, 2), facts.OtherRequested(AT))

    assert case.page(2) is Page.ASKED


def test_an_invited_physician_who_wants_to_talk_is_said_to_matcher() -> None:
    _, decisions = after(*INVITED, *[facts.Answered(AT, Answer.WANTS_TO_TALK)] * 2)

    assert [d for d in decisions if isinstance(d, Log)] == [Log("wants-to-talk", Phase.OPEN, to_matcher=True)]


def test_not_now_is_not_never() -> None:
    case, decisions = after(*INVITED, facts.Answered(AT, Answer.NOT_NOW), facts.Answered(AT, Answer.WANTS_TO_TALK))

    assert steps(decisions) == ["not-now", "wants-to-talk"]
    assert case.closed_at is None


@pytest.mark.parametrize("unknown", [True, False])
def test_a_message_that_was_not_delivered_is_a_coordinators_and_never_planned_again(unknown: bool) -> None:
    _, decisions = after(*ASKED, facts.Undelivered(AT, Message.SUPPORTER_ASKED, "send-1", unknown, 1))

    assert items(decisions) == ["delivery-unknown" if unknown else "delivery-failed"]
    assert messages(decisions).count(Message.SUPPORTER_ASKED) == 1


def test_a_match_without_a_readable_referral_asks_nobody_and_is_put_on_the_worklist_once() -> None:
    _, decisions = after(facts.Created(AT), facts.Proposed(AT, 1), facts.Overdue(AT), facts.Overdue(AT))

    assert messages(decisions) == []
    assert items(decisions) == ["no-referral"]


def test_a_forgotten_case_stays_a_tombstone() -> None:
    case, decisions = after(*SHOWN, facts.Forgotten(AT), *CREATED, facts.Proposed(AT, 2))

    assert case.phase is Phase.CLOSED
    assert steps(decisions)[-1] == "closed"
    assert messages(decisions) == [Message.SUPPORTER_ASKED, Message.SUPPORTER_STOPPED]
