"""How late its source reported what a clock is about: of the request that counts, in whatever order it became known."""

from collections.abc import Sequence
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from peerline.events import REPORTED_WITHIN, Event
from sla_monitor.domain.case import ClockName, Start

from tests.support.promises import created, joined, logged, unresolved
from tests.unit.sla_monitor.watching import CASE, HOUR, LONG_AFTER, ROW_1
from tests.unit.sla_monitor.watching_kinds import Watch

CLASSES = st.sampled_from([None, *REPORTED_WITHIN])
RECEIVED = st.integers(0, 3).map(lambda hours: ROW_1 + hours * HOUR)
REQUEST = st.one_of(
    st.builds(lambda at, within: created(CASE, at, within=within), RECEIVED, CLASSES),
    st.builds(lambda at, within: unresolved(CASE, at, within), RECEIVED, CLASSES),
    st.builds(lambda at, within: joined(CASE, at, within), RECEIVED, CLASSES),
)
REQUESTS = st.lists(REQUEST, min_size=1, max_size=4)


def start_of(watch: Watch, kind: str, attempt: int = 0) -> Start:
    start = watch.clock(kind, attempt).start
    assert start is not None
    return start


def classes(watch: Watch) -> dict[ClockName, int]:
    return {name: clock.start.reported_within for name, clock in watch.case.clocks.items() if clock.start is not None}


@given(REQUESTS.flatmap(lambda requests: st.tuples(st.just(requests), st.permutations(requests * 2))))
def test_the_same_requests_in_any_order_with_any_repeats_give_the_same_class(
    told: tuple[Sequence[Event], Sequence[Event]],
) -> None:
    requests, order = told

    one, other = Watch().hear(*requests), Watch().hear(*order)

    assert one.case == other.case
    assert classes(one) == classes(other)


def test_of_several_triggers_the_one_that_counts_says_how_late_it_was_reported() -> None:
    watch = Watch().hear(created(CASE, ROW_1, within=72), joined(CASE, ROW_1 - HOUR, within=336))

    assert (start_of(watch, "match").starts_at, start_of(watch, "match").reported_within) == (ROW_1 - HOUR, 336)


def test_who_asked_for_themselves_and_what_no_request_starts_say_nothing_of_it() -> None:
    watch = Watch().hear(created(CASE, ROW_1), logged(CASE, "contact-attempted", ROW_1 + timedelta(hours=2), 1))

    assert [start_of(watch, *name).reported_within for name in (("match",), ("response", 1))] == [0, 0]


def test_a_verdict_keeps_the_class_of_the_request_that_it_was_given_on() -> None:
    watch = Watch().hear(created(CASE, ROW_1, within=168)).wait_until(LONG_AFTER)

    watch.hear(joined(CASE, ROW_1 - HOUR, within=72), now=LONG_AFTER)

    assert start_of(watch, "match").reported_within == 168
