from collections import Counter
from datetime import timedelta

import pytest
from sla_monitor.domain.case import FIRST_CONTACT, MATCH, Case, ClockName, Start
from sla_monitor.domain.decisions import Approaching, Breached, Met, Set, Standing, fire, standing
from sla_monitor.domain.facts import Closed, Forgotten, RetractionDeclined, Started, Withdrawn

from tests.unit.sla_monitor.watching import (
    CASE,
    DUE,
    HOUR,
    LONG_AFTER,
    ROW_1,
    WARNING,
    Monitor,
    a_start,
    joined,
    ny,
    requested,
    stopped,
)


def test_row_1_is_set_and_warned_and_met_when_it_is_stopped_at_the_very_instant() -> None:
    monitor = Monitor().learn(requested()).wait_until(DUE - HOUR)

    monitor.learn(stopped(DUE)).wait_until(LONG_AFTER)

    assert monitor.what == [Set(moved=False), Approaching(), Met(DUE, corrects=False)]
    assert monitor.standing is Standing.MET


def test_a_clock_that_nobody_stops_is_breached_at_its_due_time_and_not_a_microsecond_before() -> None:
    monitor = Monitor().learn(requested())

    monitor.wait_until(DUE - timedelta(microseconds=1))
    assert Breached not in monitor.kinds

    monitor.wait_until(DUE)
    assert monitor.kinds == [Set, Approaching, Breached]


def test_a_stop_after_the_due_time_leaves_the_breach_to_the_sweep_and_is_no_longer_warned_of() -> None:
    monitor = Monitor().learn(requested(), stopped(DUE + HOUR))

    monitor.wait_until(LONG_AFTER)

    assert monitor.what == [Set(moved=False), Breached()]


def test_a_sweep_that_comes_late_breaches_without_a_warning() -> None:
    monitor = Monitor().learn(requested())

    monitor.case, decisions = fire(monitor.case, LONG_AFTER)

    assert [decision.what for decision in decisions] == [Breached()]


def test_a_stop_that_becomes_known_after_the_breach_corrects_it_once() -> None:
    monitor = Monitor().learn(requested()).wait_until(LONG_AFTER)

    monitor.learn(stopped(DUE - HOUR), stopped(DUE - 2 * HOUR), Closed(CASE, DUE - HOUR), now=LONG_AFTER)

    assert monitor.what[-1] == Met(DUE - HOUR, corrects=True)
    assert Counter(monitor.kinds)[Met] == 1
    assert monitor.standing is Standing.MET


def test_row_22_a_referral_keyed_three_days_late_is_breached_on_entry_and_says_so() -> None:
    phoned, keyed = ny("2026-10-16T16:45"), ny("2026-10-19T09:10")

    monitor = Monitor().learn(requested(phoned, entered=keyed), now=keyed)

    assert monitor.what == [Set(moved=False), Breached()]
    assert all(decision.start.late_entry for decision in monitor.decided)
    assert monitor.decided[1].start.due_at == ny("2026-10-17T16:45")


def test_a_late_entry_that_had_been_kept_is_met_not_breached() -> None:
    entered = DUE + HOUR

    monitor = Monitor().learn(stopped(DUE - HOUR), requested(entered=entered), now=entered)

    assert monitor.what == [Set(moved=False), Met(DUE - HOUR, corrects=False)]


def test_an_entry_dated_into_the_future_is_not_breached_early() -> None:
    monitor = Monitor().learn(requested(entered=LONG_AFTER), now=DUE - HOUR)

    assert monitor.what == [Set(moved=False)]


def test_row_24_closed_before_it_was_due_is_cancelled_without_a_word() -> None:
    monitor = Monitor().learn(requested(), Closed(CASE, ny("2026-06-10T09:00"))).wait_until(LONG_AFTER)

    assert monitor.what == [Set(moved=False)]
    assert monitor.standing is Standing.CANCELLED


def test_row_24_closed_after_it_was_due_stays_breached() -> None:
    monitor = Monitor().learn(requested(), Closed(CASE, ny("2026-06-10T11:00"))).wait_until(LONG_AFTER)

    assert monitor.what == [Set(moved=False), Breached()]
    assert monitor.standing is Standing.BREACHED


def test_row_24_a_withdrawal_counts_from_when_it_was_made_once_the_case_is_closed() -> None:
    monitor = Monitor().learn(requested(), Withdrawn(CASE, DUE - HOUR))
    assert monitor.next_at is not None

    monitor.learn(Closed(CASE, DUE + HOUR)).wait_until(LONG_AFTER)

    assert monitor.standing is Standing.CANCELLED
    assert Breached not in monitor.kinds


def test_a_retraction_that_was_declined_cancels_nothing() -> None:
    retracted = (Withdrawn(CASE, DUE - HOUR), RetractionDeclined(CASE), Closed(CASE, DUE + HOUR))

    monitor = Monitor().learn(requested(), *retracted).wait_until(LONG_AFTER)

    assert monitor.standing is Standing.BREACHED


def test_a_case_that_proves_to_have_been_closed_in_time_corrects_the_breach() -> None:
    monitor = Monitor().learn(requested()).wait_until(LONG_AFTER)

    monitor.learn(Closed(CASE, DUE - HOUR))

    assert monitor.what[-1] == Met(DUE - HOUR, corrects=True)
    assert monitor.standing is Standing.CANCELLED


def test_row_25_a_later_trigger_for_the_same_physician_leaves_the_earlier_due_time() -> None:
    colleague, feed = ny("2026-06-09T10:15"), ny("2026-06-09T16:00")

    monitor = Monitor().learn(requested(colleague), joined(feed))

    assert monitor.what == [Set(moved=False)]
    assert monitor.clock.told_due_at == ny("2026-06-10T10:15")


def test_rows_4_and_5_a_later_trigger_that_is_due_earlier_moves_the_clock() -> None:
    sunday, monday = ny("2026-07-12T23:59:59"), ny("2026-07-13T00:00")

    monitor = Monitor().learn(requested(sunday), joined(monday), joined(monday))

    assert monitor.what == [Set(moved=False), Set(moved=True)]
    assert monitor.clock.told_due_at == ny("2026-07-14T00:00")


def test_a_trigger_that_comes_first_starts_no_clock_but_is_remembered() -> None:
    sunday, monday = ny("2026-07-12T23:59:59"), ny("2026-07-13T00:00")

    monitor = Monitor().learn(joined(monday))
    assert (monitor.decided, monitor.next_at, monitor.standing) == ([], None, Standing.WAITING)

    monitor.learn(requested(sunday))
    assert [decision.start.starts_at for decision in monitor.decided] == [monday]


def test_a_trigger_moves_no_clock_that_has_its_verdict() -> None:
    sunday, monday = ny("2026-07-12T23:59:59"), ny("2026-07-13T00:00")
    monitor = Monitor().learn(requested(sunday), stopped(ny("2026-07-14T12:00")))

    monitor.learn(joined(monday)).wait_until(LONG_AFTER)

    assert monitor.kinds == [Set, Met]


def test_stopping_one_clock_leaves_the_other_running() -> None:
    both = Started(CASE, {ClockName(MATCH): a_start(ROW_1), ClockName(FIRST_CONTACT): a_start(ROW_1)})

    monitor = Monitor().learn(both, stopped(ROW_1 + HOUR)).wait_until(LONG_AFTER)

    assert standing(monitor.case, monitor.case.clocks[ClockName(FIRST_CONTACT)]) is Standing.RUNNING
    assert monitor.standing is Standing.MET


def test_a_forgotten_case_keeps_nothing_and_learns_nothing() -> None:
    monitor = Monitor().learn(requested(), Forgotten(CASE), stopped(ROW_1), requested()).wait_until(LONG_AFTER)

    assert monitor.case == Case(CASE, forgotten=True)
    assert monitor.kinds == [Set]


@pytest.mark.parametrize("warning", [timedelta(0), -WARNING])
def test_a_warning_at_the_due_time_or_after_it_is_not_given(warning: timedelta) -> None:
    start = a_start(ROW_1)
    unwarned = Start(**{**vars(start), "warn_at": start.due_at - warning})

    monitor = Monitor().learn(Started(CASE, {ClockName(MATCH): unwarned})).wait_until(LONG_AFTER)

    assert monitor.kinds == [Set, Breached]
