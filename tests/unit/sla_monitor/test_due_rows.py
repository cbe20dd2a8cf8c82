"""The worked rows of due times, by number; all times are local to the programme unless they say otherwise."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sla_monitor.domain.decisions import Breached, Met, Set, Standing
from sla_monitor.domain.due import Due, Suspended, due_at, with_calendar, with_pauses
from sla_monitor.domain.facts import Closed

from tests.unit.sla_monitor.places import H_FROM_FRIDAY_FIVE, H_WITH_HOLIDAYS, W, h, la, ny, off, paused, w, zone
from tests.unit.sla_monitor.watching import CASE, LONG_AFTER, Monitor, joined, requested, stopped


def at(due: Due | Suspended) -> datetime | None:
    return due.instant if isinstance(due, Due) else None


def test_row_01_a_tuesday_morning_is_due_24_hours_later() -> None:
    due = h(ny("2026-06-09T10:15"))

    assert due.instant == datetime.fromisoformat("2026-06-10T10:15-04:00")


def test_row_02_friday_evening_is_no_weekend() -> None:
    due = h(ny("2026-07-10T18:00"))

    assert due.instant == datetime.fromisoformat("2026-07-11T18:00-04:00")


def test_row_03_friday_evening_is_weekend_where_that_begins_on_friday_at_five() -> None:
    due = h(ny("2026-07-10T18:00"), H_FROM_FRIDAY_FIVE)

    assert due.instant == datetime.fromisoformat("2026-07-12T18:00-04:00")


def test_row_04_the_last_second_of_sunday_is_weekend() -> None:
    due = h(ny("2026-07-12T23:59:59"))

    assert due.instant == datetime.fromisoformat("2026-07-14T23:59:59-04:00")


def test_row_05_a_second_later_is_due_a_day_earlier() -> None:
    due = h(ny("2026-07-13T00:00"))

    assert due.instant == datetime.fromisoformat("2026-07-14T00:00-04:00")


def test_row_06_clocks_that_go_forward_take_nothing_from_48_hours() -> None:
    due = h(ny("2026-03-07T10:00"))

    assert due.instant == datetime.fromisoformat("2026-03-09T11:00-04:00")


def test_row_07_clocks_that_go_back_add_nothing_to_48_hours() -> None:
    due = h(ny("2026-10-31T14:00"))

    assert due.instant == datetime.fromisoformat("2026-11-02T13:00-05:00")


@pytest.mark.parametrize(("fold", "due_at_wall"), [(0, "00:30"), (1, "01:30")])
def test_row_08_the_two_half_past_ones_of_a_night_are_due_an_hour_apart(fold: int, due_at_wall: str) -> None:
    due = h(ny("2026-11-01T01:30", fold))

    assert due.instant == datetime.fromisoformat(f"2026-11-03T{due_at_wall}-05:00")


def test_row_09_a_start_at_a_time_that_does_not_exist_is_read_with_the_offset_before_the_gap() -> None:
    due = h(ny("2027-03-14T02:30"))

    assert due.instant == datetime.fromisoformat("2027-03-16T03:30-04:00")


def test_row_10_thanksgiving_counts_as_weekend_only_where_holidays_do() -> None:
    thanksgiving, calendar = ny("2026-11-26T10:00"), off("2026-11-26")

    plain, as_weekend = h(thanksgiving, calendar=calendar), h(thanksgiving, H_WITH_HOLIDAYS, calendar)

    assert plain.instant == datetime.fromisoformat("2026-11-27T10:00-05:00")
    assert as_weekend.instant == datetime.fromisoformat("2026-11-28T10:00-05:00")


def test_row_11_a_sunday_in_honolulu_is_monday_in_the_programmes_zone() -> None:
    received = datetime(2026, 8, 16, 22, 30, tzinfo=zone("Pacific/Honolulu"))

    due = h(received)

    assert due.instant == datetime.fromisoformat("2026-08-18T04:30-04:00")


def test_row_12_a_monday_is_due_on_wednesday_at_five() -> None:
    due = w(la("2026-08-10T09:00"))

    assert due.instant == datetime.fromisoformat("2026-08-12T17:00-07:00")


def test_row_13_a_friday_evening_is_due_on_tuesday_at_five() -> None:
    due = w(la("2026-08-14T18:00"))

    assert due.instant == datetime.fromisoformat("2026-08-18T17:00-07:00")


def test_row_14_labor_day_is_no_working_day() -> None:
    due = w(la("2026-09-04T16:00"), "2026-09-07")

    assert due.instant == datetime.fromisoformat("2026-09-09T17:00-07:00")


@pytest.mark.parametrize(
    ("days_off", "due_on"), [(("2026-12-31", "2027-01-01"), "2027-01-05"), (("2027-01-01",), "2027-01-04")]
)
def test_row_15_new_years_eve_moves_the_due_time_only_where_it_is_off(days_off: tuple[str, ...], due_on: str) -> None:
    due = w(la("2026-12-30T15:00"), *days_off)

    assert due.instant == datetime.fromisoformat(f"{due_on}T17:00-08:00")


def test_row_16_a_holiday_on_a_sunday_is_kept_on_monday() -> None:
    due = w(la("2027-07-02T11:00"), "2027-07-04", "2027-07-05")

    assert due.instant == datetime.fromisoformat("2027-07-07T17:00-07:00")


def test_row_17_vancouver_no_longer_changes_its_clocks() -> None:
    vancouver = zone("America/Vancouver")

    due = due_at(W, datetime(2026, 11, 3, 9, tzinfo=vancouver), vancouver, off())

    assert due.instant == datetime(2026, 11, 6, 0, tzinfo=UTC)


def test_row_18_a_pause_over_the_weekend_moves_the_due_time_by_its_length() -> None:
    due = with_pauses(h(ny("2026-07-17T15:00")), [paused(ny("2026-07-17T16:00"), ny("2026-07-20T09:00"))])

    assert at(due) == datetime.fromisoformat("2026-07-21T08:00-04:00")


def test_row_19_a_pause_over_a_change_of_the_clocks_is_as_long_as_it_really_was() -> None:
    due = with_pauses(h(ny("2027-03-12T14:00")), [paused(ny("2027-03-12T20:00"), ny("2027-03-15T08:00"))])

    assert at(due) == datetime.fromisoformat("2027-03-16T02:00-04:00")


def test_row_20_working_days_that_a_pause_touches_do_not_count() -> None:
    due = with_pauses(w(la("2026-06-08T10:00")), [paused(la("2026-06-09T09:00"), la("2026-06-11T14:00"))])

    assert at(due) == datetime.fromisoformat("2026-06-15T17:00-07:00")


def test_row_21_a_later_decline_leaves_the_first_result_and_the_next_attempt_is_due_from_then() -> None:
    received, matched, declined = ny("2026-09-16T11:00"), ny("2026-09-16T14:00"), ny("2026-09-18T17:30")
    monitor = Monitor().learn(requested(received.astimezone(UTC)), stopped(matched.astimezone(UTC)))

    monitor.wait_until(LONG_AFTER + timedelta(days=365))
    second = h(declined)

    assert monitor.what == [Set(moved=False), Met(matched.astimezone(UTC), corrects=False)]
    assert second.instant == datetime.fromisoformat("2026-09-19T17:30-04:00")


def test_row_22_a_call_that_was_keyed_on_monday_is_due_from_when_it_came_and_overdue_on_entry() -> None:
    phoned, keyed = ny("2026-10-16T16:45").astimezone(UTC), ny("2026-10-19T09:10").astimezone(UTC)

    monitor = Monitor().learn(requested(phoned, entered=keyed), now=keyed)

    assert monitor.what == [Set(moved=False), Breached()]
    assert monitor.decided[0].start.due_at == datetime.fromisoformat("2026-10-17T16:45-04:00")
    assert monitor.decided[0].start.late_entry


def test_row_23_a_second_physician_is_due_from_when_they_were_identified() -> None:
    first, second = h(ny("2026-05-04T09:00")), h(ny("2026-05-07T13:20"))

    assert second.instant == datetime.fromisoformat("2026-05-08T13:20-04:00")
    assert first.instant == datetime.fromisoformat("2026-05-05T09:00-04:00")


@pytest.mark.parametrize(
    ("withdrawn", "standing"),
    [("2026-06-10T09:00", Standing.CANCELLED), ("2026-06-10T11:00", Standing.BREACHED)],
)
def test_row_24_a_withdrawal_cancels_a_promise_before_it_is_due_and_not_after(
    withdrawn: str, standing: Standing
) -> None:
    row_1 = ny("2026-06-09T10:15").astimezone(UTC)

    monitor = Monitor().learn(requested(row_1), Closed(CASE, ny(withdrawn).astimezone(UTC))).wait_until(LONG_AFTER)

    assert monitor.standing is standing


def test_row_25_a_feed_that_joins_a_colleagues_referral_leaves_it_due_as_it_was() -> None:
    colleague, feed = (ny(f"2026-06-09T{clock}").astimezone(UTC) for clock in ("10:15", "16:00"))

    monitor = Monitor().learn(requested(colleague), joined(feed))

    assert monitor.what == [Set(moved=False)]
    assert monitor.clock.told_due_at == datetime.fromisoformat("2026-06-10T10:15-04:00")


def test_row_26_a_day_declared_closed_afterwards_counts_only_when_it_is_reckoned_again() -> None:
    pinned = w(la("2026-08-06T10:00"))

    again = with_calendar(pinned, replace(off("2026-08-07"), version="with Friday closed"))

    assert (at(pinned), pinned.calendar_version) == (datetime.fromisoformat("2026-08-10T17:00-07:00"), "by hand")
    assert (at(again), again.calendar_version) == (
        datetime.fromisoformat("2026-08-11T17:00-07:00"),
        "with Friday closed",
    )


def test_row_26_reckoning_again_keeps_the_pauses() -> None:
    monday = paused(la("2026-08-10T09:00"), la("2026-08-10T10:00"))

    again = with_calendar(with_pauses(w(la("2026-08-06T10:00")), [monday]), off("2026-08-07"))

    assert at(again) == datetime.fromisoformat("2026-08-12T17:00-07:00")
