"""What lists and reports know of a clock, by what has happened to its case."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sla_monitor.domain.case import MATCH, RESPONSE, Case, Clock, ClockName, Pinned
from sla_monitor.domain.facts import Closed, Released, Started, Stopped, fold
from sla_monitor.domain.outcomes import Account, Outcome, account_of, outcomes_of

from tests.unit.sla_monitor.watching import CASE, DUE, HOUR, LONG_AFTER, ROW_1, Monitor, a_start, requested, stopped


def account(monitor: Monitor) -> Account:
    return account_of(monitor.case, monitor.clock)


def test_a_clock_is_open_until_it_stops_also_when_its_due_time_has_passed() -> None:
    monitor = Monitor().learn(requested())
    running = account(monitor).open_due_at
    monitor.wait_until(LONG_AFTER)
    overdue = account(monitor)
    monitor.learn(stopped(DUE + HOUR), now=LONG_AFTER)

    assert (running, overdue.open_due_at, overdue.outcome) == (DUE, DUE, Outcome.BREACHED)
    assert account(monitor).open_due_at is None
    assert account(monitor).outcome is Outcome.BREACHED


def test_a_clock_of_a_closed_case_is_open_no_more_though_nobody_came() -> None:
    monitor = Monitor().learn(requested()).wait_until(LONG_AFTER).learn(Closed(CASE, LONG_AFTER), now=LONG_AFTER)

    assert account(monitor).open_due_at is None
    assert account(monitor).waited is None


def test_a_clock_of_an_attempt_that_was_released_is_open_no_more() -> None:
    answer = ClockName("answer", 1)
    case = fold(Case(CASE), Started(CASE, {answer: a_start(ROW_1)}))

    ended = fold(case, Released(CASE, [answer], ROW_1 + HOUR))

    assert account_of(case, case.clocks[answer]).open_due_at == DUE
    assert account_of(ended, ended.clocks[answer]).open_due_at is None


def test_a_breach_that_is_refuted_counts_as_corrected_only() -> None:
    monitor = Monitor().learn(requested()).wait_until(LONG_AFTER).learn(stopped(DUE - HOUR), now=LONG_AFTER)

    assert account(monitor).outcome is Outcome.CORRECTED


def test_a_response_after_its_due_time_is_late_and_no_breach() -> None:
    response = ClockName(RESPONSE)
    case = fold(Case(CASE), Started(CASE, {response: a_start(ROW_1)}))
    waiting = account_of(case, case.clocks[response])

    case = fold(case, Stopped(CASE, [response], DUE + HOUR))

    assert (waiting.open_due_at, waiting.outcome) == (DUE, None)
    assert account_of(case, case.clocks[response]).outcome is Outcome.LATE
    assert Outcome.LATE not in outcomes_of(MATCH)
    assert Outcome.BREACHED not in outcomes_of(RESPONSE)


def test_a_clock_that_nothing_has_started_is_neither_open_nor_counted() -> None:
    monitor = Monitor().learn(stopped(ROW_1))

    assert account(monitor) == Account()


def test_times_are_whole_minutes_from_the_start_and_never_less_than_none() -> None:
    late = Monitor().learn(requested(entered=ROW_1 + timedelta(minutes=7, seconds=59)))
    late.learn(stopped(ROW_1 + timedelta(hours=2, seconds=59)))
    early = Monitor().learn(requested(entered=ROW_1 - HOUR), stopped(ROW_1 - HOUR))

    assert (account(late).waited, account(late).entered_after) == (120, 7)
    assert (account(early).waited, account(early).entered_after) == (0, 0)


@pytest.mark.parametrize(
    ("zone", "month"),
    [("America/New_York", date(2026, 6, 1)), ("Asia/Kolkata", date(2026, 7, 1)), (None, date(2026, 7, 1))],
)
def test_the_month_is_that_of_the_wall_of_the_programme(zone: str | None, month: date) -> None:
    pinned: Any = zone and Pinned(zone, "", None, "2026b", "[]")
    start = replace(a_start(datetime(2026, 7, 1, 3, 59, tzinfo=UTC)), pinned=pinned)
    clock = Clock(MATCH, begun=True, start=start)

    assert account_of(Case(CASE, clocks={ClockName(MATCH): clock}), clock).month == month
