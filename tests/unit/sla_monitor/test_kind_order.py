"""Events about clocks of every kind give the same case in any order and with any repeats, and no more of it to keep."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import chain

from hypothesis import given
from hypothesis import strategies as st
from peerline.events import (
    PUBLIC_STEPS,
    Event,
    MatchConfirmed,
    MatchProposed,
    MatchReleased,
    MatchReleaseRequested,
    MatchUnavailable,
    ReferralAmended,
    ReferralWithdrawn,
)
from peerline.programme import Programmes
from sla_monitor.domain.case import Case, ClockName
from sla_monitor.domain.decisions import Standing, fire, settle, standing
from sla_monitor.domain.facts import fold
from sla_monitor.moments import OF_AN_ATTEMPT, facts_of

from tests.support.promises import (
    EVERY_KIND,
    a_clock,
    created,
    joined,
    logged,
    matched,
    only,
    promising,
    told,
    unresolved,
)
from tests.unit.sla_monitor.watching import CASE, DUE, HOUR, LONG_AFTER, ROW_1

MIXED = (
    a_clock("own", ["match-released", "supporter-declined", "referral-amended"], ["match-confirmed", "closed"]),
    a_clock("nobody", ["match-unavailable"], ["match-proposed", "join-refused"]),
    a_clock("looked-at", ["referral-joined", "delivery-failed"], ["referral-withdrawn", "contact-made"]),
)
PROGRAMMES = only(promising(*EVERY_KIND, *MIXED))
AT = st.datetimes((ROW_1 - HOUR).replace(tzinfo=None), (DUE + 24 * HOUR).replace(tzinfo=None), timezones=st.just(UTC))
ATTEMPTS = st.integers(1, 3)
MATCHES = (MatchProposed, MatchConfirmed, MatchReleased, MatchReleaseRequested, MatchUnavailable)

Make = Callable[[datetime], Event]
MAKES: st.SearchStrategy[Make] = st.one_of(
    st.sampled_from([lambda at: created(CASE, at), lambda at: unresolved(CASE, at), lambda at: joined(CASE, at)]),
    st.sampled_from([ReferralAmended, ReferralWithdrawn]).map(lambda kind: lambda at: told(kind, CASE, at)),
    st.tuples(st.sampled_from(MATCHES), ATTEMPTS).map(lambda some: lambda at: matched(CASE, at, some[1], some[0])),
    st.tuples(st.sampled_from(sorted(PUBLIC_STEPS)), st.none() | ATTEMPTS).map(
        lambda some: lambda at: logged(CASE, some[0], at, some[1])
    ),
)
EVENTS = st.lists(st.builds(lambda make, at: make(at), MAKES, AT), min_size=1, max_size=12)


PLAIN = only(promising(*EVERY_KIND))
STARTED_TWICE = {"participant-unresolved", "referral-joined"}


def moment(event: Event) -> tuple[str, object]:
    """What starts or stops a clock of the case counts once for it, whichever attempt it names."""
    name = getattr(event, "step", None) or event.name
    return name, getattr(event, "attempt", None) if name in OF_AN_ATTEMPT else None


SINGLE = st.lists(st.builds(lambda make, at: make(at), MAKES, AT), min_size=1, max_size=12, unique_by=moment).map(
    lambda events: [event for event in events if event.name not in STARTED_TWICE]
)
"""No clock has two starts: once it has its verdict, which of them came first would count."""


@st.composite
def histories(draw: st.DrawFn) -> tuple[Sequence[Event], Sequence[Event]]:
    """Some events, and the same in another order with repeats."""
    events = draw(EVENTS)
    return events, draw(st.permutations([*events, *draw(st.lists(st.sampled_from(events), max_size=4))]))


def folded(events: Sequence[Event], programmes: Programmes = PROGRAMMES) -> Case:
    case = Case(CASE)
    for fact in chain.from_iterable(facts_of(event, programmes) for event in events):
        case = fold(case, fact)
    return case


def standings(case: Case) -> dict[ClockName, Standing]:
    return {name: standing(case, clock) for name, clock in case.clocks.items()}


@given(histories())
def test_events_of_any_kind_in_any_order_with_any_repeats_give_the_same_case(
    history: tuple[Sequence[Event], Sequence[Event]],
) -> None:
    events, order = history

    assert folded(order) == folded(events)


@given(histories())
def test_what_is_decided_of_all_events_does_not_depend_on_their_order(
    history: tuple[Sequence[Event], Sequence[Event]],
) -> None:
    ends = []
    for events in history:
        case, set_or_met = settle(folded(events), LONG_AFTER)
        case, breached = fire(case, LONG_AFTER)
        ends.append((case, set_or_met, breached))

    assert ends[0] == ends[1]


@given(SINGLE.flatmap(st.permutations), st.data())
def test_a_sweep_between_any_two_events_changes_the_way_but_not_the_end_of_a_clock_of_any_kind(
    events: Sequence[Event], data: st.DataObject
) -> None:
    sweeps = sorted(data.draw(st.lists(AT, min_size=len(events), max_size=len(events))))
    case, told_of = Case(CASE), Counter[tuple[str, int, type]]()

    for event, at in zip(events, sweeps, strict=True):
        for fact in facts_of(event, PLAIN):
            case = fold(case, fact)
        for decide in (settle, fire):
            case, decisions = decide(case, at)
            told_of.update((each.kind, each.attempt, type(each.what)) for each in decisions)
    case, _ = fire(settle(case, LONG_AFTER)[0], LONG_AFTER)

    swept_once, _ = fire(settle(folded(events, PLAIN), LONG_AFTER)[0], LONG_AFTER)
    assert standings(case) == standings(swept_once)
    assert max(told_of.values(), default=1) == 1


@given(EVENTS)
def test_however_much_is_heard_a_case_keeps_one_clock_of_a_kind_and_attempt(events: Sequence[Event]) -> None:
    case = folded(events)

    assert len(case.clocks) <= len([*EVERY_KIND, *MIXED]) * (
        1 + 4
    )  # of the case, of three attempts, and of the one after
    assert folded([*events, *events, *events]) == case
