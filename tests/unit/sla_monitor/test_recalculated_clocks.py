"""A due time is pinned until somebody has it reckoned again; then it says so, and what was told of it is known after a restore."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sla_monitor.domain.calendar import Calendar
from sla_monitor.domain.case import Case, ClockName, Pinned, Start
from sla_monitor.domain.decisions import Set, fire, settle, settle_recorded
from sla_monitor.domain.due import Due, adds_up, due_at, recalculated, with_pauses
from sla_monitor.domain.facts import Joined, Started, fold
from sla_monitor.domain.moving import paused, recorded_last
from sla_monitor.domain.moving import recalculated as reckoned_again
from sla_monitor.domain.recall import Said, Told, recalled
from sla_monitor.domain.recorded import KnownPause, Recalculation

from tests.unit.sla_monitor.places import LOS_ANGELES, W, la, off

CASE = UUID(int=26)
THE_CLOCK = ClockName("match")
RECEIVED = la("2026-08-06T10:00").astimezone(UTC)
MONDAY, TUESDAY = (la(f"2026-08-{day}T17:00").astimezone(UTC) for day in (10, 11))
DECLARED = la("2026-08-06T18:00").astimezone(UTC)
WHY = Recalculation(DECLARED, "calendar-changed", 2)
OPEN, CLOSED = off(), off("2026-08-07")


def a_start(due: Due) -> Start:
    return Start(
        due_at=due.instant,
        starts_at=due.terms.received_at,
        entered_at=due.terms.received_at,
        warn_at=due.instant,
        firmness="promised",
        programme_id="ucsd",
        programme_digest="0" * 16,
        explanation=due.explanation,
        pinned=Pinned("America/Los_Angeles", None, due.calendar_version, None, json.dumps(due.steps_as_json())),
        recalculated=due.terms.recalculated,
        reckoned=due,
    )


def by(calendar: Calendar) -> Start:
    return a_start(due_at(W, RECEIVED, LOS_ANGELES, calendar))


def now_closed(_name: ClockName, start: Start) -> Start:
    """The same by the calendar in which Friday the 7th is closed."""
    return a_start(recalculated(due_at(W, start.starts_at, LOS_ANGELES, replace(CLOSED, version="later")), WHY))


def set_by(start: Start) -> Case:
    case, _ = settle(fold(Case(CASE), Started(CASE, {THE_CLOCK: start})), RECEIVED)
    return replace(case, sequence=1)


def due_of(case: Case) -> datetime:
    start = case.clocks[THE_CLOCK].start
    assert start is not None
    return start.due_at


def test_row_26_a_day_that_is_closed_afterwards_moves_nothing_until_it_is_recalculated() -> None:
    case = set_by(by(OPEN))

    again, decisions = settle_recorded(reckoned_again(case, DECLARED, now_closed), DECLARED)

    assert (due_of(case), due_of(again)) == (MONDAY, TUESDAY)
    assert [decision.what for decision in decisions] == [Set(moved=True)]
    start = again.clocks[THE_CLOCK].start
    assert start is not None
    assert start.pinned is not None
    assert start.pinned.calendar_version == "later"
    assert "Fri 7 is a day off" in start.explanation
    assert "recalculated Thu 6 Aug 2026 18:00 PDT (calendar-changed)" in start.explanation
    assert '"step": "recalculated"' in start.pinned.steps
    assert start.reckoned is not None
    assert adds_up(start.reckoned)


def test_what_was_due_by_then_or_is_decided_stays_as_it_was() -> None:
    breached, _ = fire(set_by(by(OPEN)), MONDAY)

    of_breached = reckoned_again(breached, TUESDAY, now_closed)
    of_due = reckoned_again(set_by(by(OPEN)), MONDAY, now_closed)

    assert (of_breached, of_due) == (breached, set_by(by(OPEN)))


def test_what_is_by_the_same_days_and_zones_already_is_not_recalculated() -> None:
    once = reckoned_again(set_by(by(OPEN)), DECLARED, now_closed)

    twice = reckoned_again(once, DECLARED + timedelta(hours=1), now_closed)

    assert recorded_last(twice) == recorded_last(once) == WHY.sequence
    assert twice == once


def test_a_recalculated_clock_is_paused_by_the_later_calendar_and_says_both() -> None:
    pause = KnownPause(UUID(int=1), 3, la("2026-08-10T09:00"), la("2026-08-10T10:00"), "legal-hold")
    case = reckoned_again(set_by(by(OPEN)), DECLARED, now_closed)

    case = paused(case, pause, lambda name, start: now_closed(name, start).reckoned)

    assert due_of(case) == la("2026-08-12T17:00")
    start = case.clocks[THE_CLOCK].start
    assert start is not None
    assert "Mon 10 is touched by a pause (legal-hold)" in start.explanation
    assert "(calendar-changed)" in start.explanation


def test_a_paused_clock_is_recalculated_with_its_pauses() -> None:
    pause = KnownPause(UUID(int=1), 2, la("2026-08-07T09:00"), la("2026-08-10T10:00"), "legal-hold")
    held = paused(set_by(by(OPEN)), pause, lambda _name, _start: due_at(W, RECEIVED, LOS_ANGELES, OPEN))

    again = reckoned_again(held, DECLARED, now_closed)

    closed = due_at(W, RECEIVED, LOS_ANGELES, CLOSED)
    expected = with_pauses(closed, [pause.as_pause()])
    assert isinstance(expected, Due)
    assert due_of(again) == expected.instant


def test_of_a_database_that_was_set_back_the_last_due_time_that_was_told_holds() -> None:
    case = Case(CASE)
    for sequence, due in ((1, MONDAY), (3, TUESDAY), (1, MONDAY)):
        case = recalled(case, Said(Told.SET, sequence, "match", due))

    case, decisions = settle(fold(case, Started(CASE, {THE_CLOCK: by(CLOSED)})), DECLARED)

    assert case.clocks[THE_CLOCK].told_due_at == TUESDAY
    assert decisions == []


def test_a_pause_that_is_known_again_before_what_it_pauses_keeps_the_clock_from_running_out() -> None:
    pause = KnownPause(UUID(int=1), 2, la("2026-08-06T11:00"), None, "legal-hold")
    case = recalled(Case(CASE), Said(Told.SET, 1, "match", MONDAY))
    case = paused(case, pause, lambda _name, _start: None)

    case, decisions = settle(fold(case, Started(CASE, {THE_CLOCK: by(OPEN)})), TUESDAY)
    case, fired = fire(case, TUESDAY)

    assert (decisions, fired) == ([], [])
    start = case.clocks[THE_CLOCK].start
    assert start is not None
    assert start.suspended


def test_an_earlier_trigger_of_a_recalculated_clock_moves_it_back_and_is_told() -> None:
    earlier = a_start(due_at(W, RECEIVED - timedelta(days=1), LOS_ANGELES, CLOSED))
    case, _ = settle_recorded(reckoned_again(set_by(by(OPEN)), DECLARED, now_closed), DECLARED)

    case, decisions = settle(fold(case, Joined(CASE, {THE_CLOCK: earlier})), DECLARED)

    assert due_of(case) == MONDAY
    assert [decision.what for decision in decisions] == [Set(moved=True)]
