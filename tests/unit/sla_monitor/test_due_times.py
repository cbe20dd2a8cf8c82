"""Rows by number are those of the table of due times for elapsed rules; all times local unless they say so."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sla_monitor.domain.due import Elapsed, due_at, saturday_or_sunday

NEW_YORK = ZoneInfo("America/New_York")
H = Elapsed(weekday=timedelta(hours=24), weekend=timedelta(hours=48))
INSTANTS = st.integers(0, 20 * 366 * 86_400).map(
    lambda seconds: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
ZONES = st.sampled_from(["America/New_York", "America/Vancouver", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]).map(
    ZoneInfo
)
WAITS = st.timedeltas(timedelta(0), timedelta(days=14))


def ny(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK, fold=fold)


@pytest.mark.parametrize(
    ("received", "due"),
    [
        pytest.param(ny("2026-06-09T10:15"), "2026-06-10T10:15-04:00", id="row 1: Tuesday"),
        pytest.param(ny("2026-07-10T18:00"), "2026-07-11T18:00-04:00", id="row 2: Friday evening is no weekend"),
        pytest.param(ny("2026-07-12T23:59:59"), "2026-07-14T23:59:59-04:00", id="row 4: last second of Sunday"),
        pytest.param(ny("2026-07-13T00:00"), "2026-07-14T00:00-04:00", id="row 5: a second later, due a day earlier"),
        pytest.param(ny("2026-03-07T10:00"), "2026-03-09T11:00-04:00", id="row 6: clocks go forward"),
        pytest.param(ny("2026-10-31T14:00"), "2026-11-02T13:00-05:00", id="row 7: clocks go back"),
        pytest.param(ny("2026-11-01T01:30"), "2026-11-03T00:30-05:00", id="row 8: the first 01:30"),
        pytest.param(ny("2026-11-01T01:30", fold=1), "2026-11-03T01:30-05:00", id="row 8: the second 01:30"),
        pytest.param(ny("2027-03-14T02:30"), "2027-03-16T03:30-04:00", id="row 9: a time that does not exist"),
        pytest.param(
            datetime.fromisoformat("2026-08-16T22:30").replace(tzinfo=ZoneInfo("Pacific/Honolulu")),
            "2026-08-18T04:30-04:00",
            id="row 11: Sunday there, Monday in the programme's zone",
        ),
        pytest.param(ny("2026-10-16T16:45"), "2026-10-17T16:45-04:00", id="row 22: from when it was phoned in"),
    ],
)
def test_an_elapsed_rule_is_due_as_the_table_says(received: datetime, due: str) -> None:
    assert due_at(H, received, NEW_YORK).instant == datetime.fromisoformat(due)


@pytest.mark.parametrize("offset", ["-04:00", "-05:00"])
def test_an_ambiguous_hour_is_told_apart_by_its_offset(offset: str) -> None:
    received = datetime.fromisoformat(f"2026-11-01T01:30{offset}")

    due = due_at(H, received, NEW_YORK).instant

    assert due - received == timedelta(hours=48)


def test_the_due_instant_is_in_utc_whatever_the_request_came_in() -> None:
    due = due_at(H, ny("2026-06-09T10:15"), NEW_YORK)

    assert due.instant.tzinfo is UTC


def test_the_explanation_names_the_weekend_the_zone_and_the_wait_in_one_sentence() -> None:
    due = due_at(H, ny("2026-03-07T10:00"), NEW_YORK)

    assert due.explanation == (
        "received Sat 7 Mar 2026 10:00 EST (America/New_York), at a weekend; "
        "due 48 h of elapsed time later, Mon 9 Mar 2026 11:00 EDT."
    )


def test_a_time_without_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="offset"):
        due_at(H, datetime(2026, 6, 9, 10, 15), NEW_YORK)  # noqa: DTZ001  that is the fault


def test_a_negative_wait_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        Elapsed(weekday=timedelta(hours=-1), weekend=timedelta(0))


def test_what_counts_as_a_weekend_can_be_replaced() -> None:
    from_friday_five = Elapsed(
        weekday=timedelta(hours=24),
        weekend=timedelta(hours=48),
        is_weekend=lambda local: saturday_or_sunday(local) or (local.isoweekday() == 5 and local.hour >= 17),
    )

    due = due_at(from_friday_five, ny("2026-07-10T18:00"), NEW_YORK)

    assert due.instant == datetime.fromisoformat("2026-07-12T18:00-04:00")


@given(INSTANTS, ZONES, WAITS, WAITS)
def test_nothing_is_due_before_it_was_asked_for(
    received: datetime, zone: ZoneInfo, weekday: timedelta, weekend: timedelta
) -> None:
    assert due_at(Elapsed(weekday, weekend), received, zone).instant >= received


@given(INSTANTS, INSTANTS, ZONES, WAITS, WAITS)
def test_of_two_requests_of_one_class_the_later_is_due_later(
    one: datetime, other: datetime, zone: ZoneInfo, weekday: timedelta, weekend: timedelta
) -> None:
    rule = Elapsed(weekday, weekend)
    one, other = min(one, other), max(one, other)
    if saturday_or_sunday(one.astimezone(zone)) != saturday_or_sunday(other.astimezone(zone)):
        return

    assert due_at(rule, other, zone).instant - due_at(rule, one, zone).instant == other - one


@given(INSTANTS, ZONES, WAITS)
def test_the_wait_is_elapsed_time_whatever_the_clocks_do(received: datetime, zone: ZoneInfo, wait: timedelta) -> None:
    assert due_at(Elapsed(wait, wait), received, zone).instant == received + wait
