"""The fold whatever happens: one holder of the contact, one end, and no order that matters."""

from itertools import permutations
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from notifier.domain import facts
from notifier.domain.decisions import Log, Plan
from notifier.domain.facts import Answer, Button, Message, Withdrawal
from notifier.domain.fold import fold
from notifier.domain.state import Case

from tests.unit.notifier.test_fold import AT, after, messages, steps

NUMBERS = st.integers(1, 3)

FROM_TOPICS = (
    facts.Created(AT),
    facts.BecameReadable(AT),
    facts.Proposed(AT, 1),
    facts.Confirmed(AT, 1),
    facts.Released(AT, 1),
)

LATE_JOIN = st.builds(facts.JoinCameLate, st.just(AT), st.sampled_from([UUID(int=n) for n in range(3)]))

ANY_FACT = st.one_of(
    st.builds(facts.Created, st.just(AT), st.booleans()),
    st.builds(facts.BecameReadable, st.just(AT)),
    st.builds(facts.Withdrawn, st.just(AT), st.sampled_from(Withdrawal)),
    LATE_JOIN,
    st.builds(facts.Forgotten, st.just(AT)),
    *(
        st.builds(kind, st.just(AT), NUMBERS)
        for kind in (facts.Proposed, facts.Confirmed, facts.Released, facts.WindowPassed, facts.Unreachable)
    ),
    st.builds(facts.ReleaseRequested, st.just(AT), NUMBERS, st.just("event")),
    st.builds(facts.Pressed, st.just(AT), NUMBERS, st.sampled_from(Button)),
    st.builds(facts.Answered, st.just(AT), st.sampled_from(Answer)),
    *(
        st.builds(kind, st.just(AT))
        for kind in (facts.OtherRequested, facts.ClosedByCoordinator, facts.Quiet, facts.WaitedOn)
    ),
    st.builds(facts.Overdue, st.just(AT)),
    st.builds(facts.Claimed, st.just(AT), st.sampled_from(Message)),
    st.builds(facts.Handed, st.just(AT), st.sampled_from(Message), NUMBERS),
    st.builds(facts.Undelivered, st.just(AT), st.sampled_from(Message), st.just("send"), st.booleans(), NUMBERS),
)


TO_THE_CONTACT = st.one_of(
    *(st.builds(kind, st.just(AT), st.integers(1, 2)) for kind in (facts.Proposed, facts.Confirmed, facts.Released)),
    st.builds(facts.Pressed, st.just(AT), st.integers(1, 2), st.sampled_from([Button.YES, Button.SHOW_CONTACT])),
)


@given(st.lists(st.one_of(TO_THE_CONTACT, TO_THE_CONTACT, ANY_FACT), max_size=40))
@settings(max_examples=500)
def test_whatever_happens_at_most_one_supporter_holds_the_contact(happened: list[facts.Fact]) -> None:
    case = Case()
    for fact in happened:
        case, _ = fold(case, fact)

        assert len(case.holders) <= 1


@given(st.lists(ANY_FACT, max_size=25))
@settings(max_examples=500)
def test_whatever_happens_a_case_is_closed_at_most_once_and_nobody_holds_the_contact_afterwards(
    happened: list[facts.Fact],
) -> None:
    case, decisions = after(*happened)

    assert steps(decisions).count("closed") <= 1
    assert not (case.closed_at and case.holders)


@given(st.lists(st.one_of(LATE_JOIN, ANY_FACT), max_size=20))
@settings(max_examples=500)
def test_whatever_happens_each_case_that_a_trigger_came_too_late_for_refuses_it_once(
    happened: list[facts.Fact],
) -> None:
    _, decisions = after(*happened)

    refused = [each.into for each in decisions if isinstance(each, Log) and each.step == "join-refused"]
    assert len(refused) == len(set(refused))


@given(st.lists(st.one_of(LATE_JOIN, ANY_FACT), max_size=20), LATE_JOIN)
@settings(max_examples=500)
def test_a_case_that_is_recalled_from_the_topic_refuses_no_join_again(
    happened: list[facts.Fact], late: facts.JoinCameLate
) -> None:
    case, decisions = after(*happened, late)
    logged = [each for each in decisions if isinstance(each, Log)]
    lost, _ = after(*(facts.Recalled(AT, each.step, each.attempt, each.into) for each in logged))

    _, again = after(late, case=lost)

    assert steps(again) == (["join-refused"] if late.into not in case.refused_into and not lost.closed_at else [])


@given(st.lists(ANY_FACT, max_size=20))
@settings(max_examples=500)
def test_whoever_loses_the_contact_without_ending_it_is_told_to_stop(happened: list[facts.Fact]) -> None:
    case, decisions = after(*happened)

    told = {d.attempt for d in decisions if isinstance(d, Plan) and d.message is Message.SUPPORTER_STOPPED}
    assert told == {attempt.number for attempt in case.attempts if attempt.stopped_at}


@given(st.lists(ANY_FACT, max_size=20), ANY_FACT.filter(lambda fact: not isinstance(fact, facts.Undelivered)))
@settings(max_examples=500)
def test_the_same_fact_again_changes_nothing_and_logs_nothing(happened: list[facts.Fact], fact: facts.Fact) -> None:
    if isinstance(fact, facts.Quiet | facts.Handed):
        return  # a second silence is worse than the first; a handed message is ended once by its row
    case, _ = after(*happened, fact)

    again, decisions = fold(case, fact)

    assert again == case
    assert steps(decisions) == []


def test_facts_from_topics_give_the_same_case_in_any_order() -> None:
    cases = {after(*order)[0] for order in permutations(FROM_TOPICS)}

    assert len(cases) == 1


@given(st.permutations(FROM_TOPICS[:3]))
def test_a_supporter_is_asked_in_whatever_order_proposal_and_referral_come(order: list[facts.Fact]) -> None:
    _, decisions = after(*order)

    assert set(messages(decisions)) == {Message.SUPPORTER_ASKED}
