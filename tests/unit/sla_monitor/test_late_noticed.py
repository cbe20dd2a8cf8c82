"""A breach that is told notably later than it could be says so, and when it was told is kept."""

from datetime import datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sla_monitor.domain.case import FIRST_CONTACT, MATCH, Case, ClockName
from sla_monitor.domain.decisions import LATE_NOTICED_AFTER, Breached, fire, late_noticed, settle
from sla_monitor.domain.facts import Started, fold
from sla_monitor.domain.outcomes import Outcome, account_of
from sla_monitor.domain.recall import Said, Told, recalled

from tests.unit.sla_monitor.watching import (
    CASE,
    DUE,
    HOUR,
    LONG_AFTER,
    ROW_1,
    THE_CLOCK,
    Monitor,
    a_start,
    requested,
    stopped,
)

SECOND = timedelta(seconds=1)
MOMENTS = st.timedeltas(timedelta(0), timedelta(days=3)).map(lambda later: DUE + later)


def noticed(at: datetime, horizon: datetime = DUE) -> Monitor:
    """A monitor that tells a breach at this time, since it could not tell it before."""
    monitor = Monitor().learn(requested())
    monitor.case, monitor.decided = fire(monitor.case, horizon, now=at)
    return monitor


def is_late(monitor: Monitor) -> bool | None:
    return account_of(monitor.case, monitor.clock).late_noticed


@pytest.mark.parametrize(("after", "late"), [(2 * SECOND, False), (timedelta(minutes=5), False), (6 * HOUR, True)])
def test_a_breach_is_noticed_late_where_it_is_told_more_than_five_minutes_after_it_was_due(
    after: timedelta, late: bool
) -> None:
    monitor = noticed(DUE + after)

    assert monitor.what == [Breached()]
    assert (monitor.clock.noticed_at, is_late(monitor)) == (DUE + after, late)


def test_when_it_is_told_counts_also_where_time_decides_only_up_to_long_before() -> None:
    monitor = noticed(DUE + LATE_NOTICED_AFTER + SECOND, horizon=DUE)

    assert is_late(monitor)


def test_what_was_due_already_when_it_was_entered_is_not_noticed_late_for_that() -> None:
    entered = DUE + 60 * HOUR

    at_once = Monitor().learn(requested(entered=entered), now=entered + SECOND)
    away = Monitor().learn(requested(entered=entered), now=entered + HOUR)

    assert (is_late(at_once), is_late(away)) == (False, True)
    assert all(monitor.decided[-1].start.late_entry for monitor in (at_once, away))


@given(MOMENTS, MOMENTS)
def test_who_is_told_later_is_not_told_in_time(one: datetime, other: datetime) -> None:
    start = a_start(ROW_1)

    earlier, later = sorted((one, other))
    assert late_noticed(start, later) or not late_noticed(start, earlier)
    assert late_noticed(start, one) == (one > DUE + LATE_NOTICED_AFTER)


def test_a_breach_that_was_noticed_late_and_is_refuted_keeps_when_it_was_noticed() -> None:
    monitor = noticed(DUE + HOUR)

    monitor.learn(stopped(DUE - HOUR), now=LONG_AFTER)

    assert (monitor.clock.noticed_at, is_late(monitor)) == (DUE + HOUR, True)
    assert account_of(monitor.case, monitor.clock).outcome is Outcome.CORRECTED


def test_what_is_kept_in_time_was_never_noticed() -> None:
    monitor = Monitor().learn(requested(), stopped(DUE)).wait_until(LONG_AFTER)

    assert (monitor.clock.noticed_at, is_late(monitor)) == (None, None)


def test_of_several_clocks_of_a_case_the_longest_due_is_told_first() -> None:
    starts = {ClockName(FIRST_CONTACT): a_start(ROW_1 + HOUR), ClockName(MATCH): a_start(ROW_1)}
    case, _ = settle(fold(Case(CASE), Started(CASE, starts)), ROW_1)

    _, decisions = fire(case, LONG_AFTER)

    assert [decision.kind for decision in decisions] == [MATCH, FIRST_CONTACT]


def test_a_database_that_was_set_back_knows_again_when_a_breach_was_noticed_in_whatever_order_it_hears() -> None:
    said = [
        Said(Told.SET, 1, MATCH, DUE, at=ROW_1),
        Said(Told.BREACHED, 2, MATCH, DUE, at=DUE + HOUR),
        Said(Told.CORRECTED, 3, MATCH, DUE, at=DUE + 2 * HOUR),
        Said(Told.BREACHED, 2, MATCH, DUE, at=DUE + HOUR),
    ]

    ends = []
    for order in permutations(said):
        case = Case(CASE)
        for each in order:
            case = recalled(case, each)
        ends.append(settle(fold(case, requested()), LONG_AFTER))

    assert all(end == ends[0] for end in ends)
    case, decided = ends[0]
    assert decided == []
    assert case.clocks[THE_CLOCK].noticed_at == DUE + HOUR
    assert account_of(case, case.clocks[THE_CLOCK]).late_noticed
