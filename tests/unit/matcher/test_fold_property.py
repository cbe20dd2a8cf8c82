"""The fold under any order and any repeats, and what never happens."""

from collections import Counter
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from matcher.domain import facts
from matcher.domain.facts import (
    Confirm,
    Fact,
)
from matcher.domain.fold import apply
from matcher.domain.state import Case, Item, Kind, Stage, Turn

from tests.unit.matcher.test_fold import AT, CREATED, INVITED, JOIN, SOON, chosen, told

# --- any order, any repeats --------------------------------------------------------------------------

numbers = st.integers(1, 3)
instants = st.sampled_from([AT, SOON])
learnt: st.SearchStrategy[Fact] = st.one_of(
    st.sampled_from([CREATED, INVITED, facts.Withdrawn(), facts.Stands(), facts.Joined(1, readable=True)]),
    st.builds(facts.Amended, st.integers(1, 4), st.booleans()),
    st.builds(facts.JoinTaken, st.uuids().map(lambda each: UUID(int=each.int % 3)), st.integers(1, 3), st.booleans()),
    st.builds(facts.Wish, instants, st.booleans()),
    st.builds(facts.Closed, instants),
)
about_attempts: st.SearchStrategy[Fact] = st.one_of(
    st.builds(facts.Notified, numbers, instants),
    st.builds(facts.OtherRequested, numbers, instants),
    *[
        st.builds(kind, numbers)
        for kind in (
            facts.Accepted, facts.Declined, facts.Undelivered, facts.WindowOver, facts.SupporterLeft,
            facts.ReleaseWanted,
        )
    ],
)  # fmt: skip
suggested = st.one_of(st.builds(facts.Approved, numbers), st.builds(facts.Rejected, numbers))
round_found = st.one_of(
    st.builds(facts.Chosen, st.sampled_from(["s1", "s2", "s3", "s4"]), st.booleans()), st.just(facts.NobodyFound())
)
proposed = st.builds(chosen, st.sampled_from(["s1", "s2", "s3", "s4"]))
everything = st.lists(st.one_of(learnt, about_attempts, suggested, round_found, round_found), max_size=25)


def knowledge(case: Case) -> object:
    return (
        case.created,
        case.joined,
        case.profile,
        case.joins,
        case.withdrawn,
        case.stands,
        case.wish,
        case.closed_at,
        case.allowance,
        case.readable,
        case.held,
    )


@given(st.data())
def test_what_a_case_knows_is_the_same_in_any_order_and_with_any_repeats(data: st.DataObject) -> None:
    said = data.draw(st.lists(learnt, max_size=8))
    again = data.draw(st.lists(st.sampled_from(said), max_size=4)) if said else []
    shuffled = data.draw(st.permutations(said + again))

    assert knowledge(told(*said)[0]) == knowledge(told(*shuffled)[0])


@given(st.lists(st.one_of(learnt, about_attempts, proposed, proposed), max_size=25), st.data())
def test_facts_that_come_again_change_nothing_and_decide_nothing(said: list[Fact], data: st.DataObject) -> None:
    case, _ = told(*said)
    held_or_not = [fact for fact in said if not isinstance(fact, facts.Chosen)]
    again = data.draw(st.permutations(held_or_not))

    assert told(*again, case=case) == (case, [])


REFERRALS: list[Fact] = [CREATED, facts.Amended(2, readable=True), facts.JoinTaken(JOIN, 1, readable=True)]
OUTREACH: list[list[Fact]] = [
    [facts.Notified(1, SOON), facts.Accepted(1), facts.Declined(1)],
    [facts.Notified(1, SOON), facts.Accepted(1), facts.OtherRequested(1, AT), facts.Closed(SOON)],
    [facts.Notified(1, SOON), facts.Stands(), facts.Accepted(1), facts.Closed(SOON)],
]


@given(st.sampled_from(OUTREACH), st.data())
def test_two_topics_in_any_interleaving_end_in_the_same_case(outreach: list[Fact], data: st.DataObject) -> None:
    case, _ = told(CREATED, chosen("s1"))
    rest = REFERRALS[1:] + ([facts.Withdrawn()] if facts.Stands() in outreach[:2] else [])
    places = data.draw(st.lists(st.integers(0, len(outreach)), min_size=len(rest), max_size=len(rest)).map(sorted))
    mixed = list(outreach)
    for fact, place in reversed(list(zip(rest, places, strict=True))):
        mixed.insert(place, fact)
    if facts.Withdrawn() in mixed and mixed.index(facts.Withdrawn()) < mixed.index(facts.Stands()):
        mixed.remove(facts.Withdrawn())
        mixed.insert(mixed.index(facts.Stands()), facts.Withdrawn())

    assert told(*mixed, case=case)[0] == told(*outreach, *rest, case=case)[0]


# --- what never happens ------------------------------------------------------------------------------


@given(everything)
def test_every_decision_is_taken_once_and_no_supporter_is_asked_twice(said: list[Fact]) -> None:
    case, decisions = told(*said)

    assert max(Counter(decisions).values(), default=1) == 1
    known = [attempt.supporter for attempt in case.attempts if attempt.supporter]
    assert len(known) == len(set(known))


@given(everything)
def test_never_are_two_matches_open_at_a_time(said: list[Fact]) -> None:
    case, confirmed = Case(), None
    for fact in said:
        outcome = apply(case, fact)
        case = outcome.case
        assert sum(attempt.stage is not Stage.ENDED for attempt in case.attempts) <= 1
        for decision in outcome.decisions:
            if isinstance(decision, Confirm):
                assert confirmed is None
                confirmed = decision.attempt
        if isinstance(fact, facts.Declined | facts.OtherRequested) and fact.attempt == confirmed:
            confirmed = None
        if case.closed_at is not None:
            confirmed = None


@given(everything)
def test_there_is_always_somebody_to_move_a_case(said: list[Fact]) -> None:
    case, _ = told(*said)
    turn = case.turn()

    if turn is Turn.ROUND:
        assert apply(case, facts.NobodyFound()).case.turn() is Turn.COORDINATOR
    if turn is Turn.COORDINATOR:
        assert case.items()
    if turn is Turn.SUPPORTER and case.current is not None:
        assert case.current.answer_by is not None
        assert apply(case, facts.WindowOver(case.current.number)).decisions
    if turn is Turn.NOBODY:
        assert case.closed_at is not None
    assert case.seeking == (turn is Turn.ROUND or Item(Kind.UNMATCHED) in case.items())
