"""How the rules are read where a row would not tell."""

from datetime import UTC, datetime, time, timedelta

import pytest
from sla_monitor.domain.decisions import Breached, Set, Standing
from sla_monitor.domain.due import Due, Suspended, due_at, with_pauses
from sla_monitor.domain.facts import Closed
from sla_monitor.domain.pauses import Pause
from sla_monitor.domain.rules import Elapsed, Shift, Weekend, WeekTime, WorkingDays, WorkingHours

from tests.unit.sla_monitor.places import (
    H_FROM_FRIDAY_FIVE,
    H_WITH_HOLIDAYS,
    LOS_ANGELES,
    NEW_YORK,
    H,
    W,
    h,
    la,
    ny,
    off,
    paused,
    w,
    zone,
)
from tests.unit.sla_monitor.watching import CASE, DUE, LONG_AFTER, Monitor, joined, requested

OFFICE = (Shift(time(8), time(12)), Shift(time(13), time(17)))
EIGHT_HOURS = WorkingHours(timedelta(hours=8), dict.fromkeys(range(1, 6), OFFICE))
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def moved(due: Due, *pauses: Pause) -> datetime:
    later = with_pauses(due, pauses)
    assert isinstance(later, Due)
    return later.instant


def test_a_weekend_from_friday_five_includes_five_o_clock_sharp_and_no_second_before() -> None:
    before, sharp = ny("2026-07-10T16:59:59"), ny("2026-07-10T17:00:00")

    assert h(before, H_FROM_FRIDAY_FIVE).instant - before == 24 * HOUR
    assert h(sharp, H_FROM_FRIDAY_FIVE).instant - sharp == 48 * HOUR


def test_a_weekend_within_a_week_ends_when_it_says() -> None:
    friday_and_saturday = Elapsed(24 * HOUR, 48 * HOUR, Weekend(WeekTime(5, time(0)), WeekTime(7, time(0))))
    saturday, sunday = ny("2026-07-11T23:59:59"), ny("2026-07-12T00:00")

    assert h(saturday, friday_and_saturday).instant - saturday == 48 * HOUR
    assert h(sunday, friday_and_saturday).instant - sunday == 24 * HOUR


def test_the_evening_before_a_holiday_is_not_weekend() -> None:
    rule = Elapsed(24 * HOUR, 48 * HOUR, H_FROM_FRIDAY_FIVE.weekend_span, holidays_as_weekend=True)
    eve = ny("2026-11-25T23:59:59")

    due = h(eve, rule, off("2026-11-26"))

    assert due.instant - eve == 24 * HOUR


def test_closures_count_for_elapsed_time_exactly_where_holidays_do() -> None:
    closed, calendar = ny("2026-08-07T10:00"), off("2026-08-07")

    assert h(closed, H, calendar).instant - closed == 24 * HOUR
    assert h(closed, H_WITH_HOLIDAYS, calendar).instant - closed == 48 * HOUR


def test_an_opened_saturday_is_a_working_day_and_for_elapsed_time_still_weekend() -> None:
    saturday, calendar = "2026-08-15", off(opened=["2026-08-15"])

    by_days = due_at(W, la("2026-08-13T09:00"), LOS_ANGELES, calendar)
    by_time = h(ny(f"{saturday}T10:00"), H_WITH_HOLIDAYS, calendar)

    assert by_days.instant == la(f"{saturday}T17:00")
    assert by_time.instant - ny(f"{saturday}T10:00") == 48 * HOUR


@pytest.mark.parametrize("rule", [H, W, EIGHT_HOURS])
def test_a_pause_of_no_length_does_nothing(rule: Elapsed | WorkingDays | WorkingHours) -> None:
    due = due_at(rule, la("2026-08-10T09:00"), LOS_ANGELES, off())
    noon = la("2026-08-10T14:00")

    assert moved(due, paused(noon, noon), paused(noon + DAY, noon + DAY)) == due.instant


def test_a_pause_that_ends_at_midnight_leaves_the_new_day_untouched() -> None:
    due = w(la("2026-06-08T10:00"))

    to_midnight = moved(due, paused(la("2026-06-08T12:00"), la("2026-06-09T00:00")))
    and_on = moved(due, paused(la("2026-06-08T12:00"), la("2026-06-09T00:00:01")))

    assert to_midnight == due.instant
    assert and_on == due.instant + DAY


def test_overlapping_pauses_count_once() -> None:
    start = ny("2026-06-09T10:00")

    due = moved(h(start), paused(start + HOUR, start + 4 * HOUR), paused(start + 3 * HOUR, start + 6 * HOUR))

    assert due == start + (24 + 5) * HOUR


def test_only_the_part_of_a_pause_after_the_start_counts() -> None:
    start = ny("2026-06-09T10:00")

    due = moved(h(start), paused(start - 5 * HOUR, start + 2 * HOUR), paused(start - 9 * HOUR, start - 7 * HOUR))

    assert due == start + (24 + 2) * HOUR


def test_a_pause_after_five_touches_an_earlier_working_day_and_not_the_last() -> None:
    due = w(la("2026-06-08T10:00"))

    on_the_first = moved(due, paused(la("2026-06-09T18:00"), la("2026-06-09T19:00")))
    on_the_last = moved(due, paused(la("2026-06-10T18:00"), la("2026-06-10T19:00")))

    assert on_the_first == due.instant + DAY
    assert on_the_last == due.instant


@pytest.mark.parametrize("rule", [H, W, EIGHT_HOURS])
def test_a_pause_that_begins_at_the_due_instant_is_ignored_and_one_just_before_counts(
    rule: Elapsed | WorkingDays | WorkingHours,
) -> None:
    due = due_at(rule, la("2026-08-10T09:00"), LOS_ANGELES, off())
    just_before = due.instant - timedelta(microseconds=1)

    assert moved(due, paused(due.instant, due.instant + HOUR)) == due.instant
    assert moved(due, paused(just_before, due.instant + HOUR)) > due.instant


def test_a_pause_between_the_first_and_the_moved_due_time_counts() -> None:
    start = ny("2026-06-09T10:00")
    first = paused(start + HOUR, start + 11 * HOUR)
    second = paused(start + 30 * HOUR, start + 31 * HOUR)

    assert moved(h(start), second) == start + 24 * HOUR
    assert moved(h(start), first, second) == start + (24 + 10 + 1) * HOUR


@pytest.mark.parametrize("rule", [H, W, EIGHT_HOURS])
def test_an_open_pause_gives_no_due_time_if_it_began_before_one(rule: Elapsed | WorkingDays | WorkingHours) -> None:
    due = due_at(rule, la("2026-08-10T09:00"), LOS_ANGELES, off())

    assert isinstance(with_pauses(due, [paused(due.instant - HOUR)]), Suspended)
    assert moved(due, paused(due.instant)) == due.instant


@pytest.mark.parametrize("rule", [H, W, EIGHT_HOURS])
def test_an_open_pause_that_ends_after_all_gives_a_due_time_again(
    rule: Elapsed | WorkingDays | WorkingHours,
) -> None:
    due = due_at(rule, la("2026-08-10T09:00"), LOS_ANGELES, off())
    began = due.instant - HOUR

    ended = moved(due, paused(began, began + timedelta(minutes=1)))

    assert ended > due.instant


def test_the_weekend_class_comes_from_the_start_even_inside_a_pause() -> None:
    sunday = ny("2026-07-12T22:00")

    due = moved(h(sunday), paused(ny("2026-07-12T20:00"), ny("2026-07-13T10:00")))

    assert due == sunday + (48 + 12) * HOUR


def test_the_base_date_comes_from_the_start_even_inside_a_pause() -> None:
    monday = la("2026-06-08T10:00")

    due = moved(w(monday), paused(la("2026-06-08T09:00"), la("2026-06-08T23:00")))

    assert due == la("2026-06-10T17:00")


def test_a_due_wall_time_that_occurs_twice_means_the_first() -> None:
    rule = WorkingDays(1, time(1, 30), frozenset({7}))

    due = due_at(rule, ny("2026-10-31T10:00"), NEW_YORK, off())

    assert due.instant == datetime.fromisoformat("2026-11-01T01:30-04:00")


def test_a_due_wall_time_that_never_occurs_takes_the_offset_before_the_gap() -> None:
    rule = WorkingDays(1, time(2, 30), frozenset({7}))

    due = due_at(rule, ny("2027-03-13T10:00"), NEW_YORK, off())

    assert due.instant == datetime.fromisoformat("2027-03-14T02:30-05:00")


def test_of_two_triggers_the_earlier_due_counts_and_not_the_earlier_start() -> None:
    row_4, row_5 = ny("2026-07-12T23:59:59").astimezone(UTC), ny("2026-07-13T00:00").astimezone(UTC)

    monitor = Monitor().learn(requested(row_4), joined(row_5))

    assert monitor.what == [Set(moved=False), Set(moved=True)]
    assert monitor.clock.told_due_at == datetime.fromisoformat("2026-07-14T00:00-04:00")


def test_withdrawn_exactly_at_the_due_instant_is_not_breached() -> None:
    monitor = Monitor().learn(requested(), Closed(CASE, DUE)).wait_until(LONG_AFTER)

    assert Breached not in monitor.kinds
    assert monitor.standing is Standing.CANCELLED


def test_working_hours_are_counted_within_the_shifts_and_over_the_weekend() -> None:
    friday = la("2026-08-14T15:00")

    due = due_at(EIGHT_HOURS, friday, LOS_ANGELES, off())

    assert due.instant == la("2026-08-17T15:00")


def test_working_hours_that_end_with_a_shift_are_due_then_and_not_when_the_next_begins() -> None:
    due = due_at(EIGHT_HOURS, la("2026-08-14T08:00"), LOS_ANGELES, off())

    assert due.instant == la("2026-08-14T17:00")


def test_working_hours_leave_out_days_off_and_the_lunch_break() -> None:
    due = due_at(EIGHT_HOURS, la("2026-08-14T11:00"), LOS_ANGELES, off("2026-08-17"))

    assert due.instant == la("2026-08-18T11:00")


def test_a_pause_takes_from_working_hours_only_what_lies_in_a_shift() -> None:
    due = due_at(EIGHT_HOURS, la("2026-08-14T08:00"), LOS_ANGELES, off())

    over_lunch = moved(due, paused(la("2026-08-14T11:30"), la("2026-08-14T13:30")))

    assert over_lunch == la("2026-08-17T09:00")


def test_work_around_the_clock_is_elapsed_time_over_midnight_and_changes_of_the_clocks() -> None:
    always = WorkingHours(timedelta(hours=72), {day: (Shift(time(0), time(0)),) for day in range(1, 8)})
    start = ny("2026-10-31T14:00")

    due = due_at(always, start, NEW_YORK, off())

    assert due.instant - start.astimezone(UTC) == timedelta(hours=72)


def test_a_night_shift_is_as_long_as_it_really_was() -> None:
    sunday_night = WorkingHours(timedelta(hours=4), {7: (Shift(time(0), time(5)),)})

    forward = due_at(sunday_night, ny("2027-03-13T12:00"), NEW_YORK, off())
    back = due_at(sunday_night, ny("2026-10-31T12:00"), NEW_YORK, off())

    assert forward.instant == datetime.fromisoformat("2027-03-14T05:00-04:00")
    assert back.instant == datetime.fromisoformat("2026-11-01T03:00-05:00")


def test_shifts_that_a_change_of_the_clocks_pushes_into_each_other_count_once() -> None:
    rule = WorkingHours(timedelta(hours=2), {7: (Shift(time(1), time(2, 45)), Shift(time(3), time(5)))})

    due = due_at(rule, ny("2027-03-13T12:00"), NEW_YORK, off())

    assert due.instant == datetime.fromisoformat("2027-03-14T04:00-04:00")


def test_a_midnight_that_does_not_exist_begins_the_day_all_the_same() -> None:
    santiago = zone("America/Santiago")  # Sunday 6 September 2026 begins at 01:00 there
    rule = WorkingDays(1, time(17), frozenset({7}))
    due = due_at(rule, datetime(2026, 9, 5, 12, tzinfo=santiago), santiago, off())

    to_its_end = with_pauses(
        due, [Pause(datetime(2026, 9, 5, 13, tzinfo=santiago), datetime(2026, 9, 6, 4, tzinfo=UTC))]
    )

    assert to_its_end == Due(to_its_end.terms, due.steps, due.instant)


@pytest.mark.parametrize("offset", ["-04:00", "-05:00"])
def test_an_ambiguous_hour_is_told_apart_by_its_offset(offset: str) -> None:
    received = datetime.fromisoformat(f"2026-11-01T01:30{offset}")

    assert h(received).instant - received == 48 * HOUR


def test_the_due_instant_is_in_utc_whatever_the_request_came_in() -> None:
    assert h(ny("2026-06-09T10:15")).instant.tzinfo is UTC
    assert w(la("2026-06-09T10:15")).instant.tzinfo is UTC
