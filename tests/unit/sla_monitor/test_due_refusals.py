"""What no due time is reckoned from: it is refused by its name."""

from datetime import datetime, time, timedelta

import pytest
from sla_monitor.domain.calendar import Calendar, CalendarEnds
from sla_monitor.domain.due import due_at
from sla_monitor.domain.pauses import Pause
from sla_monitor.domain.rules import Elapsed, Shift, Weekend, WeekTime, WorkingDays, WorkingHours

from tests.unit.sla_monitor.places import LOS_ANGELES, W, h, la, ny, off

OFFICE = (Shift(time(8), time(12)), Shift(time(13), time(17)))
HOUR = timedelta(hours=1)


def test_a_year_that_the_calendar_does_not_know_is_named() -> None:
    only_2026 = Calendar("2026 only", 2026, 2026)

    with pytest.raises(CalendarEnds, match="2026 only does not know the year 2027") as caught:
        due_at(W, la("2026-12-30T10:00"), LOS_ANGELES, only_2026)

    assert caught.value.year == 2027


def test_a_rule_that_counts_days_needs_a_calendar() -> None:
    with pytest.raises(ValueError, match="needs a calendar"):
        due_at(W, la("2026-12-30T10:00"), LOS_ANGELES)


def test_a_calendar_that_knows_no_year_does_not_matter_where_no_days_are_counted() -> None:
    received = ny("2026-06-09T10:15")

    assert h(received, calendar=Calendar("empty", 1, 0)).instant - received == 24 * HOUR


def test_a_day_is_either_off_or_opened() -> None:
    with pytest.raises(ValueError, match="2026-08-07 is both"):
        off("2026-08-07", opened=["2026-08-07"])


@pytest.mark.parametrize(
    "rule",
    [
        lambda: Elapsed(timedelta(hours=-1), timedelta(0)),
        lambda: Weekend(WeekTime(6, time(0)), WeekTime(6, time(0))),
        lambda: WorkingDays(0, time(17)),
        lambda: WorkingDays(1, time(0)),
        lambda: WorkingDays(1, time(17), frozenset()),
        lambda: WorkingHours(timedelta(0), {1: OFFICE}),
        lambda: WorkingHours(HOUR, {}),
        lambda: WorkingHours(HOUR, {1: ()}),
        lambda: WorkingHours(HOUR, {1: (Shift(time(9), time(9)),)}),
        lambda: WorkingHours(HOUR, {1: (Shift(time(9), time(12)), Shift(time(11), time(13)))}),
        lambda: WorkingHours(HOUR, {1: (Shift(time(9), time(0)), Shift(time(11), time(13)))}),
    ],
)
def test_a_rule_that_can_never_end_or_goes_back_is_refused(rule: type) -> None:
    with pytest.raises(ValueError, match=r"must not|needs|begins|one after another"):
        rule()


@pytest.mark.parametrize(
    ("begins", "ends", "why"),
    [
        (datetime(2026, 6, 9, 10), None, "offset"),  # noqa: DTZ001  that is the fault
        (ny("2026-06-09T10:00"), datetime(2026, 6, 9, 11), "offset"),  # noqa: DTZ001  that is the fault
        (ny("2026-06-09T10:00"), ny("2026-06-09T09:00"), "before it begins"),
        (ny("2026-11-01T01:30", fold=1), ny("2026-11-01T01:45", fold=0), "before it begins"),
    ],
)
def test_a_pause_that_cannot_be_is_refused(begins: datetime, ends: datetime | None, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Pause(begins, ends)


def test_a_start_without_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="offset"):
        h(datetime(2026, 6, 9, 10, 15))  # noqa: DTZ001  that is the fault
