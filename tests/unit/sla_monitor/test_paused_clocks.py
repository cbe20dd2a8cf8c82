"""A clock that runs is paused: by pauses that become known in any order, beside whatever else becomes known."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

import pytest
from sla_monitor.domain.case import Clock, ClockName, Start
from sla_monitor.domain.decisions import Breached, Met, Set, Standing, fire
from sla_monitor.domain.due import Due
from sla_monitor.domain.moving import paused, recorded_last
from sla_monitor.domain.outcomes import NEVER, account_of
from sla_monitor.domain.which_start import with_starts

from tests.unit.sla_monitor.pausing import Pausing, a_monitor, a_pause, a_start, joined, requested
from tests.unit.sla_monitor.watching import DUE, HOUR, LONG_AFTER, ROW_1, stopped


def test_a_pause_moves_the_due_time_and_is_told_once_however_often_it_comes() -> None:
    pause = a_pause(ROW_1 + HOUR, ROW_1 + 6 * HOUR)

    monitor = a_monitor().pause(pause, pause)

    assert monitor.due == DUE + 5 * HOUR
    assert monitor.what == [Set(moved=False), Set(moved=True)]
    assert monitor.clock.told_due_at == DUE + 5 * HOUR


def test_an_open_pause_passes_the_due_time_without_a_word_and_its_end_gives_another() -> None:
    monitor = a_monitor().pause(a_pause(ROW_1 + HOUR, None))
    standing_meanwhile, next_meanwhile = monitor.standing, monitor.next_at
    _, meanwhile = fire(monitor.case, LONG_AFTER)

    monitor.pause(a_pause(ROW_1 + HOUR, DUE + 9 * HOUR, sequence=3)).wait_until(LONG_AFTER)

    assert (standing_meanwhile, next_meanwhile, meanwhile) == (Standing.PAUSED, None, [])
    assert monitor.due == DUE + (DUE - ROW_1) + 8 * HOUR
    assert [type(what) for what in monitor.what if not isinstance(what, Set)][-1] is Breached


def test_what_it_waits_for_stops_a_clock_while_it_is_paused() -> None:
    monitor = a_monitor().pause(a_pause(ROW_1 + HOUR, None))

    monitor.learn(stopped(LONG_AFTER))

    assert monitor.what == [Set(moved=False), Met(LONG_AFTER, corrects=False)]
    assert monitor.standing is Standing.MET


def test_a_clock_that_starts_in_an_open_pause_is_told_and_not_due() -> None:
    monitor = Pausing()
    monitor.pause(a_pause(ROW_1 - HOUR, None))

    monitor.learn(requested())

    assert (monitor.what, monitor.standing, monitor.next_at) == ([Set(moved=False)], Standing.PAUSED, None)
    assert account_of(monitor.case, monitor.clock).open_due_at == NEVER


def test_nothing_is_told_of_a_due_time_while_a_pause_is_open_whatever_else_is_recorded() -> None:
    monitor = a_monitor().pause(a_pause(ROW_1 + 4 * HOUR, None))

    monitor.pause(a_pause(ROW_1 + HOUR, ROW_1 + 2 * HOUR, sequence=3, pause_id=UUID(int=8)))

    assert (monitor.what, monitor.standing) == ([Set(moved=False)], Standing.PAUSED)


def test_a_due_time_that_is_known_goes_before_one_that_an_open_pause_leaves_undecided() -> None:
    held, other = replace(a_start(ROW_1), suspended=True), a_start(ROW_1 + HOUR)

    clock = with_starts(Clock("match"), [held, other], [held, other])

    assert clock.start == other


def test_a_pause_that_begins_at_the_due_instant_does_not_undo_a_breach() -> None:
    monitor = a_monitor()
    monitor.wait_until(LONG_AFTER)

    monitor.pause(a_pause(DUE, LONG_AFTER)).learn(stopped(DUE + HOUR))

    assert monitor.due == DUE
    assert monitor.standing is Standing.BREACHED
    assert [type(what) for what in monitor.what].count(Set) == 1


def test_a_later_pause_does_not_ask_by_what_a_promise_was_reckoned_that_is_broken_already() -> None:
    monitor = a_monitor()
    monitor.wait_until(LONG_AFTER)

    def gone(_name: ClockName, _start: Start) -> Due:
        raise LookupError

    assert paused(monitor.case, a_pause(DUE, None), gone).clocks == monitor.case.clocks
    with pytest.raises(LookupError):
        paused(monitor.case, a_pause(DUE - HOUR, None), gone)


def test_a_back_dated_pause_corrects_a_breach_where_the_stop_turns_out_to_have_been_in_time() -> None:
    monitor = a_monitor()
    monitor.learn(stopped(DUE + HOUR)).wait_until(LONG_AFTER)

    monitor.pause(a_pause(ROW_1, ROW_1 + HOUR), a_pause(ROW_1, ROW_1 + HOUR, sequence=5))

    assert monitor.what[1:] == [Breached(), Set(moved=True), Met(DUE + HOUR, corrects=True)]


def test_a_breach_stays_told_until_a_stop_within_the_moved_due_time() -> None:
    monitor = a_monitor()
    monitor.wait_until(DUE)
    monitor.pause(a_pause(ROW_1, ROW_1 + 2 * HOUR))
    before = monitor.standing

    monitor.learn(stopped(DUE + 2 * HOUR))

    assert before is Standing.BREACHED
    assert monitor.what[-1] == Met(DUE + 2 * HOUR, corrects=True)


def test_a_pause_that_is_withdrawn_gives_the_first_due_time_back() -> None:
    monitor = a_monitor().pause(a_pause(ROW_1 + HOUR, None))

    monitor.pause(a_pause(ROW_1 + HOUR, ROW_1 + HOUR, sequence=3))

    assert (monitor.due, monitor.standing) == (DUE, Standing.RUNNING)
    assert monitor.what == [Set(moved=False)]
    assert recorded_last(monitor.case) == 3


def test_a_promise_that_was_kept_in_a_pause_stays_kept_when_the_pause_is_withdrawn() -> None:
    monitor = a_monitor().pause(a_pause(ROW_1 + HOUR, ROW_1 + 3 * HOUR))
    monitor.learn(stopped(DUE + HOUR))

    monitor.pause(a_pause(ROW_1 + HOUR, ROW_1 + HOUR, sequence=4)).wait_until(LONG_AFTER)

    assert monitor.what == [Set(moved=False), Set(moved=True), Met(DUE + HOUR, corrects=False)]
    assert (monitor.due, monitor.standing) == (DUE + 2 * HOUR, Standing.MET)


def test_a_pause_of_another_kind_of_clock_moves_nothing() -> None:
    monitor = a_monitor().pause(a_pause(ROW_1, None, clock="first-contact"))

    assert (monitor.due, monitor.what) == (DUE, [Set(moved=False)])


def test_of_two_triggers_the_one_counts_that_is_due_first_with_its_pauses() -> None:
    sunday, monday = (datetime.fromisoformat(f"2026-07-{at}:00-04:00") for at in ("12T09:59", "13T10:00"))
    pause = a_pause(
        sunday + HOUR, sunday + 13 * HOUR
    )  # touches the first of them alone, which would have been due first
    expected = a_start(monday).due_at

    after = a_monitor(requested(sunday), joined(monday)).pause(pause)
    between = a_monitor(requested(sunday)).pause(pause)
    between.learn(joined(monday))

    assert a_start(sunday).due_at < expected
    assert (after.due, between.due) == (expected, expected)
