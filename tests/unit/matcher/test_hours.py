from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matcher.domain.hours import answer_by
from matcher.domain.rules import Hours

NEW_YORK = ZoneInfo("America/New_York")
DAILY = Hours(time(8), time(20), (1, 2, 3, 4, 5, 6, 7))
WEEKDAYS = Hours(time(8), time(20), (1, 2, 3, 4, 5))
ALL_DAY = Hours(time(0), time(0), (1, 2, 3, 4, 5, 6, 7))
NIGHTLY = Hours(time(20), time(8), (1, 2, 3, 4, 5, 6, 7))


def local(*when: int) -> datetime:
    return datetime(*when, tzinfo=NEW_YORK)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("asked", "hours", "window", "expected"),
    [
        (local(2026, 11, 18, 9), DAILY, 8, local(2026, 11, 18, 17)),
        (local(2026, 11, 18, 16), DAILY, 8, local(2026, 11, 19, 12)),
        (local(2026, 11, 18, 23), DAILY, 8, local(2026, 11, 19, 16)),
        (local(2026, 11, 18, 5), DAILY, 8, local(2026, 11, 18, 16)),
        (local(2026, 11, 18, 8), DAILY, 12, local(2026, 11, 18, 20)),
        (local(2026, 11, 20, 18), WEEKDAYS, 8, local(2026, 11, 23, 14)),
        (local(2026, 11, 21, 12), WEEKDAYS, 8, local(2026, 11, 23, 16)),
        (local(2026, 11, 18, 23), NIGHTLY, 10, local(2026, 11, 19, 21)),
        (local(2026, 11, 18, 3), NIGHTLY, 8, local(2026, 11, 18, 23)),
        (local(2026, 11, 18, 23), ALL_DAY, 8, local(2026, 11, 19, 7)),
    ],
)
def test_only_contact_hours_of_the_supporter_count(
    asked: datetime, hours: Hours, window: int, expected: datetime
) -> None:
    found = answer_by(asked, timedelta(hours=window), hours, NEW_YORK)

    assert found == expected


def test_a_day_on_which_the_clock_goes_back_is_an_hour_longer() -> None:
    asked = local(2026, 10, 31, 12)  # the clock goes back in the night to 1 November

    found = answer_by(asked, timedelta(hours=24), ALL_DAY, NEW_YORK)

    assert found == local(2026, 11, 1, 11)


def test_a_programme_without_days_of_contact_counts_every_day() -> None:
    hours = Hours(time(8), time(20), ())

    found = answer_by(local(2026, 11, 21, 9), timedelta(hours=8), hours, NEW_YORK)

    assert found == local(2026, 11, 21, 17)


def test_an_empty_window_is_over_at_once() -> None:
    asked = local(2026, 11, 18, 23)

    assert answer_by(asked, timedelta(0), DAILY, NEW_YORK) == asked


zones = st.sampled_from(["America/New_York", "America/Toronto", "UTC", "Australia/Lord_Howe", "Pacific/Apia"])
some_hours = st.builds(
    Hours, st.times(), st.times(), st.sets(st.integers(1, 7), min_size=1).map(lambda days: tuple(sorted(days)))
)
instants = st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  made aware


@given(instants, st.timedeltas(timedelta(minutes=1), timedelta(hours=60)), some_hours, zones)
def test_a_longer_window_never_ends_earlier_and_none_before_it_was_given(
    asked: datetime, window: timedelta, hours: Hours, zone: str
) -> None:
    ends = answer_by(asked, window, hours, ZoneInfo(zone))
    later = answer_by(asked, window + timedelta(minutes=30), hours, ZoneInfo(zone))

    assert asked + window <= ends < later


@given(instants, some_hours, zones)
def test_a_window_given_in_two_parts_ends_when_the_whole_does(asked: datetime, hours: Hours, zone: str) -> None:
    tz, part = ZoneInfo(zone), timedelta(hours=5)

    whole = answer_by(asked, 2 * part, hours, tz)

    assert answer_by(answer_by(asked, part, hours, tz), part, hours, tz) == whole
