"""How long somebody waited is counted once, whatever order the facts come in and however they are taken together."""

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from sla_monitor.domain.case import Case
from sla_monitor.domain.facts import Fact, fold
from sla_monitor.domain.measures import Wait, waits_ended

from tests.unit.sla_monitor.test_fact_order import FACTS
from tests.unit.sla_monitor.watching import CASE, HOUR, ROW_1, joined, requested, stopped


def counted(*batches: list[Fact]) -> list[Wait]:
    """The waits that are counted when these facts are taken in batches."""
    case, waits = Case(CASE), list[Wait]()
    for batch in batches:
        before = case
        for fact in batch:
            case = fold(case, fact)
        waits += waits_ended(before, case)
    return waits


def test_a_wait_is_counted_with_its_stop_and_not_again_with_an_earlier_one() -> None:
    waits = counted([requested()], [stopped(ROW_1 + 30 * HOUR)], [stopped(ROW_1 + 2 * HOUR)])

    assert waits == [Wait("match", "promised", 30 * HOUR)]


def test_a_stop_that_is_known_before_its_start_is_counted_with_the_start() -> None:
    assert counted([stopped(ROW_1 + HOUR)], [joined(ROW_1)]) == []
    assert counted([stopped(ROW_1 + HOUR)], [requested()]) == [Wait("match", "promised", HOUR)]


def test_what_was_done_before_it_was_asked_for_took_no_time() -> None:
    assert counted([requested(), stopped(ROW_1 - HOUR)]) == [Wait("match", "promised", timedelta(0))]


@given(FACTS.flatmap(lambda facts: st.tuples(st.permutations(facts), st.lists(st.integers(0, len(facts)), max_size=3))))
def test_every_wait_that_has_ended_is_counted_exactly_once(drawn: tuple[list[Fact], list[int]]) -> None:
    facts, cuts = drawn
    edges = [0, *sorted(cuts), len(facts)]

    waits = counted(*(facts[one:other] for one, other in pairwise(edges)))

    assert len(waits) == len(counted(facts)) <= 1
