"""Contact hours over nights, weekends and changes of clocks; waits between tries."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notifier.domain.hours import ContactHours, earliest_contact
from notifier.domain.retry import backoff

NEW_YORK = ZoneInfo("America/New_York")
EVERY_DAY = frozenset(range(1, 8))
DAYTIME = ContactHours(time(8), time(20), EVERY_DAY, NEW_YORK)
ALL_DAY = ContactHours(time(0), time(0), EVERY_DAY, NEW_YORK)
NIGHT = ContactHours(time(20), time(6), EVERY_DAY, NEW_YORK)

INSTANTS = st.timedeltas(timedelta(0), timedelta(days=730)).map(datetime(2026, 1, 1, tzinfo=UTC).__add__)
SPANS = st.timedeltas(timedelta(microseconds=1), timedelta(days=2))
WALLS = st.times().map(lambda wall: wall.replace(second=0, microsecond=0))
HOURS = st.builds(
    ContactHours,
    WALLS,
    WALLS,
    st.frozensets(st.integers(1, 7), min_size=1),
    st.sampled_from([NEW_YORK, ZoneInfo("Asia/Kolkata")]),
)


def local(*when: int) -> datetime:
    return datetime(*when, tzinfo=NEW_YORK)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("hours", "at", "opens"),
    [
        (DAYTIME, local(2026, 6, 9, 10, 15), local(2026, 6, 9, 10, 15)),
        (DAYTIME, local(2026, 6, 9, 7, 59), local(2026, 6, 9, 8, 0)),
        (DAYTIME, local(2026, 6, 9, 20, 0), local(2026, 6, 10, 8, 0)),
        (ALL_DAY, local(2026, 6, 9, 3, 0), local(2026, 6, 9, 3, 0)),
        (NIGHT, local(2026, 6, 9, 3, 0), local(2026, 6, 9, 3, 0)),
        (NIGHT, local(2026, 6, 9, 12, 0), local(2026, 6, 9, 20, 0)),
        (
            ContactHours(time(8), time(20), frozenset({1, 2, 3, 4, 5}), NEW_YORK),
            local(2026, 6, 12, 21),
            local(2026, 6, 15, 8),
        ),
        (DAYTIME, local(2026, 3, 7, 23, 0), local(2026, 3, 8, 8, 0)),  # the night the clocks go forward
    ],
)
def test_a_message_waits_for_the_next_contact_hours(hours: ContactHours, at: datetime, opens: datetime) -> None:
    assert hours.next_window(at)[0] == opens


@pytest.mark.parametrize(
    ("hours", "start", "spent", "end"),
    [
        (DAYTIME, local(2026, 6, 9, 10), timedelta(hours=8), local(2026, 6, 9, 18)),
        (DAYTIME, local(2026, 6, 9, 18), timedelta(hours=8), local(2026, 6, 10, 14)),
        (DAYTIME, local(2026, 6, 9, 18), timedelta(hours=2), local(2026, 6, 9, 20)),
        (ALL_DAY, local(2026, 3, 7, 22), timedelta(hours=8), local(2026, 3, 8, 7)),  # an hour of this night is missing
        (
            ALL_DAY,
            local(2026, 10, 31, 22),
            timedelta(hours=8),
            local(2026, 11, 1, 5),
        ),  # an hour of this one comes twice
        (DAYTIME, local(2026, 3, 7, 19), timedelta(hours=13), local(2026, 3, 8, 20)),  # by day nothing is missing
    ],
)
def test_an_answer_window_counts_contact_hours_only(
    hours: ContactHours, start: datetime, spent: timedelta, end: datetime
) -> None:
    assert hours.after(start, spent) == end


@given(HOURS, INSTANTS)
def test_the_next_window_is_open_when_it_begins_and_never_in_the_past(hours: ContactHours, at: datetime) -> None:
    opens, closes = hours.next_window(at)

    assert at <= opens < closes
    assert hours.next_window(opens) == (opens, closes)


@given(HOURS, INSTANTS, SPANS, SPANS)
def test_contact_hours_add_up(hours: ContactHours, at: datetime, first: timedelta, second: timedelta) -> None:
    assert hours.after(hours.after(at, first), second) == hours.after(at, first + second)


def test_contact_hours_without_a_day_are_refused() -> None:
    with pytest.raises(ValueError, match="need a day"):
        ContactHours(time(8), time(20), frozenset(), NEW_YORK)


def test_contact_waits_for_the_later_of_both_delays() -> None:
    reported, occurred = local(2026, 6, 9, 8), local(2026, 6, 8, 12)

    assert earliest_contact(reported, occurred, timedelta(hours=2), timedelta(hours=24)) == local(2026, 6, 9, 12)
    assert earliest_contact(reported, occurred, timedelta(hours=6), timedelta(hours=24)) == local(2026, 6, 9, 14)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_the_wait_before_another_try_is_jittered_and_capped(tries: int, chance: float) -> None:
    base, cap = timedelta(seconds=30), timedelta(minutes=30)

    wait = backoff(tries, chance, base=base, cap=cap)

    full = min(cap, base * 2 ** (tries - 1)) if tries < 10 else cap
    assert full / 2 <= wait <= full
