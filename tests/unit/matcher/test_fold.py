from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID

import pytest
from matcher.domain import facts
from matcher.domain.facts import (
    Confirm,
    Decision,
    Fact,
    Propose,
    Release,
    RequestRelease,
    Unavailable,
)
from matcher.domain.fold import apply
from matcher.domain.state import Case, Item, Kind, Stage, Turn

AT = datetime(2026, 11, 18, 15, tzinfo=UTC)
SOON = AT + timedelta(hours=8)
JOIN = UUID(int=7)
CREATED = facts.Created(1, readable=True, invites_first=False, attempts=3)
INVITED = facts.Created(1, readable=True, invites_first=True, attempts=3)


def told(*said: Fact, case: Case = Case()) -> tuple[Case, list[Decision]]:  # noqa: B008  frozen
    decisions: list[Decision] = []
    for fact in said:
        outcome = apply(case, fact)
        case = outcome.case
        decisions += outcome.decisions
    return case, decisions


def chosen(supporter: str, *, needs_approval: bool = False) -> facts.Chosen:
    return facts.Chosen(supporter, needs_approval)


# --- the main path -----------------------------------------------------------------------------------


def test_a_yes_in_time_is_confirmed() -> None:
    case, decisions = told(CREATED, chosen("s1"), facts.Notified(1, SOON), facts.Accepted(1))

    assert decisions == [Propose(1), Confirm(1)]
    assert case.turn() is Turn.NOTIFIER


@pytest.mark.parametrize(
    "ending",
    [
        facts.Declined(1),
        facts.WindowOver(1),
        facts.Undelivered(1),
        facts.SupporterLeft(1),
        facts.ReleaseWanted(1),
        facts.OtherRequested(1, AT),
    ],
)
def test_a_proposal_that_ends_is_released_once_and_another_supporter_sought(ending: Fact) -> None:
    case, decisions = told(CREATED, chosen("s1"), ending, ending, facts.Accepted(1))

    assert decisions == [Propose(1), Release(1)]
    assert case.turn() is Turn.ROUND
    assert (case.next_number, case.asked) == (2, frozenset({"s1"}))


@pytest.mark.parametrize("ending", [facts.Declined(1), facts.OtherRequested(1, AT)])
def test_a_confirmed_match_ends_on_notifiers_word(ending: Fact) -> None:
    case, decisions = told(CREATED, chosen("s1"), facts.Accepted(1), ending)

    assert decisions == [Propose(1), Confirm(1), Release(1)]
    assert case.turn() is Turn.ROUND


@pytest.mark.parametrize(
    "fact", [facts.WindowOver(1), facts.Undelivered(1), facts.Accepted(1), facts.Withdrawn(), facts.SupporterLeft(1)]
)
def test_a_confirmed_match_is_never_released_by_matcher_itself(fact: Fact) -> None:
    case, decisions = told(CREATED, chosen("s1"), facts.Accepted(1), fact)

    assert decisions == [Propose(1), Confirm(1)]
    assert case.current is not None
    assert case.current.stage is Stage.CONFIRMED


def test_a_confirmed_match_that_should_end_is_asked_back_once() -> None:
    case, decisions = told(CREATED, chosen("s1"), facts.Accepted(1), *[facts.ReleaseWanted(1)] * 3)

    assert decisions == [Propose(1), Confirm(1), RequestRelease(1)]
    assert case.turn() is Turn.NOTIFIER


def test_a_supporter_who_leaves_a_confirmed_match_is_on_the_worklist() -> None:
    case, _ = told(CREATED, chosen("s1"), facts.Accepted(1), facts.SupporterLeft(1))

    assert case.items() == frozenset({Item(Kind.SUPPORTER_LEFT)})


def test_a_closed_case_frees_its_seat_without_a_word() -> None:
    case, decisions = told(CREATED, chosen("s1"), facts.Accepted(1), facts.Closed(AT))

    assert decisions == [Propose(1), Confirm(1)]
    assert (case.current, case.turn()) == (None, Turn.NOBODY)


# --- what comes at the wrong moment ------------------------------------------------------------------


def test_created_after_closed_opens_nothing() -> None:
    case, decisions = told(facts.Closed(AT), CREATED, chosen("s1"), facts.NobodyFound())

    assert (decisions, case.turn(), case.attempts) == ([], Turn.NOBODY, ())


def test_withdrawn_before_created_holds_the_case() -> None:
    case, decisions = told(facts.Withdrawn(), CREATED, chosen("s1"))

    assert (decisions, case.turn()) == ([], Turn.NOTIFIER)


@pytest.mark.parametrize("order", list(permutations([facts.Withdrawn(), facts.Stands(), CREATED])))
def test_a_declined_retraction_lifts_the_hold_whichever_comes_first(order: tuple[Fact, ...]) -> None:
    case, _ = told(*order)

    assert case.turn() is Turn.ROUND


def test_a_yes_while_the_case_is_held_is_released() -> None:
    case, decisions = told(CREATED, chosen("s1"), facts.Withdrawn(), facts.Accepted(1))

    assert decisions == [Propose(1), Release(1)]
    assert case.turn() is Turn.NOTIFIER


def test_a_decline_of_an_old_attempt_does_not_touch_the_new_one() -> None:
    case, decisions = told(CREATED, chosen("s1"), facts.WindowOver(1), chosen("s2"), facts.Declined(1))

    assert decisions == [Propose(1), Release(1), Propose(2)]
    assert case.current is not None
    assert case.current.number == 2


def test_an_attempt_that_we_have_forgotten_is_released_and_its_number_not_used_again() -> None:
    case, decisions = told(CREATED, facts.Accepted(2), facts.Accepted(2), chosen("s1"))

    assert decisions == [Release(2), Propose(3)]
    assert case.attempt(2) is not None


def test_the_first_of_two_notifications_counts() -> None:
    case, _ = told(CREATED, chosen("s1"), facts.Notified(1, SOON), facts.Notified(1, SOON + timedelta(hours=1)))

    assert case.current is not None
    assert case.current.answer_by == SOON


# --- joins, profiles, wishes -------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(permutations([CREATED, facts.Amended(2, readable=False)])))
def test_the_latest_profile_decides_whether_a_case_can_be_matched(order: tuple[Fact, ...]) -> None:
    case, decisions = told(*order, chosen("s1"))

    assert (decisions, case.turn(), case.items()) == ([], Turn.COORDINATOR, frozenset({Item(Kind.UNREADABLE)}))
    assert told(facts.Amended(3, readable=True), case=case)[0].turn() is Turn.ROUND


@pytest.mark.parametrize("order", list(permutations([CREATED, facts.JoinTaken(JOIN, 1, readable=False)])))
def test_a_case_waits_for_what_joined_it_to_be_readable(order: tuple[Fact, ...]) -> None:
    case, _ = told(*order)

    assert (case.turn(), case.items()) == (Turn.COORDINATOR, frozenset({Item(Kind.UNREADABLE, JOIN)}))
    assert told(facts.JoinTaken(JOIN, 2, readable=True), case=case)[0].turn() is Turn.ROUND


def test_a_joined_referral_is_not_matched_unless_the_join_was_refused() -> None:
    joined, _ = told(facts.Joined(1, readable=True))
    refused, decisions = told(
        facts.Created(2, readable=True, invites_first=False, attempts=3), chosen("s1"), case=joined
    )

    assert (joined.turn(), joined.items(), joined.seeking) == (Turn.OTHER_CASE, frozenset(), False)
    assert (refused.turn(), decisions) == (Turn.NOTIFIER, [Propose(1)])


def test_where_the_programme_invites_first_the_match_waits_for_the_physician() -> None:
    case, decisions = told(INVITED, chosen("s1"))

    assert (decisions, case.turn()) == ([], Turn.PHYSICIAN)
    assert told(facts.Wish(AT, wants=True), case=case)[0].turn() is Turn.ROUND


@pytest.mark.parametrize("wants", [True, False])
def test_the_physicians_latest_word_counts(wants: bool) -> None:
    first, last = facts.Wish(AT, wants=not wants), facts.Wish(SOON, wants=wants)

    cases = [told(INVITED, *order)[0] for order in permutations([first, last])]

    assert [case.seeking for case in cases] == [wants, wants]


# --- approval, nobody, renewal -----------------------------------------------------------------------


def test_a_suggestion_is_proposed_when_the_coordinator_agrees() -> None:
    case, decisions = told(CREATED, chosen("s1", needs_approval=True))

    assert (decisions, case.items(), case.turn()) == ([], frozenset({Item(Kind.APPROVAL)}), Turn.COORDINATOR)
    assert told(facts.Approved(1), facts.Approved(1), case=case)[1] == [Propose(1)]


@pytest.mark.parametrize("ending", [facts.Rejected(1), facts.SupporterLeft(1), facts.ReleaseWanted(1)])
def test_a_suggestion_that_ends_was_never_published(ending: Fact) -> None:
    case, decisions = told(CREATED, chosen("s1", needs_approval=True), ending)

    assert (decisions, case.turn(), case.asked) == ([], Turn.ROUND, frozenset({"s1"}))


def test_a_suggestion_is_not_approved_while_the_case_is_held() -> None:
    case, decisions = told(CREATED, chosen("s1", needs_approval=True), facts.Withdrawn(), facts.Approved(1))

    assert (decisions, case.turn()) == ([], Turn.COORDINATOR)


def test_that_there_is_nobody_is_said_once_for_an_attempt() -> None:
    case, decisions = told(CREATED, *[facts.NobodyFound()] * 3)

    assert (decisions, case.items()) == ([Unavailable(1)], frozenset({Item(Kind.UNMATCHED)}))
    assert told(chosen("s1"), facts.Declined(1), facts.NobodyFound(), case=case)[1] == [
        Propose(1),
        Release(1),
        Unavailable(2),
    ]


def exhausted_case() -> Case:
    refusals = [fact for number in (1, 2, 3) for fact in (chosen(f"s{number}"), facts.Declined(number))]
    return told(CREATED, *refusals, facts.NobodyFound())[0]


def test_no_more_supporters_are_asked_than_the_programme_allows() -> None:
    case, decisions = told(chosen("s4"), case=exhausted_case())

    assert (decisions, case.exhausted, case.items()) == ([], True, frozenset({Item(Kind.UNMATCHED)}))


def test_a_new_roster_is_worth_one_attempt_and_no_second_alarm() -> None:
    _, decisions = told(
        facts.Renewed(1, by_human=False), facts.NobodyFound(), chosen("s4"), facts.Declined(4), chosen("s5"),
        case=exhausted_case(),
    )  # fmt: skip

    assert decisions == [Propose(4), Release(4)]


def test_a_coordinator_who_asks_again_is_told_again() -> None:
    case, decisions = told(facts.Renewed(3, by_human=True), facts.NobodyFound(), case=exhausted_case())

    assert (decisions, case.exhausted) == ([Unavailable(4)], False)


# --- rest --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "rest"),
    [
        ([facts.Accepted(1), facts.Closed(AT)], AT),
        ([facts.Accepted(1), facts.OtherRequested(1, AT), facts.Closed(SOON)], AT),
        ([facts.Accepted(1), facts.Declined(1), facts.Closed(AT)], None),
        ([facts.Closed(AT)], None),
        ([facts.Accepted(1)], None),
    ],
)
def test_a_supporter_rests_after_a_talk_and_not_after_a_mere_question(said: list[Fact], rest: datetime | None) -> None:
    case, _ = told(CREATED, chosen("s1"), *said)

    assert case.rest_from(case.attempts[0]) == rest
