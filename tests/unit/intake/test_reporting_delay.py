"""How long after it happened an incident was reported: kept exactly, and said in classes of days only."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from intake.domain.cases import FactKind
from intake.domain.incident import reported_after
from intake.domain.requests import Request, take_request
from intake.publication import class_of
from peerline.events import REPORTED_WITHIN

from tests.unit.intake.test_referring import HOUR, a_book_that_knows, last, take
from tests.unit.intake.test_referring_property import NOON, Programme, a_book, a_person, a_report

DELAYS = st.timedeltas(timedelta(0), timedelta(days=400))
INSTANTS = st.timedeltas(timedelta(0), timedelta(days=366)).map(lambda later: datetime(2026, 1, 1, tzinfo=UTC) + later)


@given(DELAYS)
@example(timedelta(hours=72))
@example(timedelta(hours=72, microseconds=1))
@example(timedelta(days=30))
def test_a_class_is_the_least_that_holds_the_delay_and_there_is_none_beyond_thirty_days(after: timedelta) -> None:
    told = class_of(after)

    assert told in {None, *REPORTED_WITHIN}
    assert (told is None) == (after > timedelta(days=30))
    if told is not None:
        assert after <= timedelta(hours=told)
        assert all(timedelta(hours=less) < after for less in REPORTED_WITHIN if less < told)


@given(DELAYS, INSTANTS)
def test_what_is_said_leaves_at_least_three_whole_days_on_which_it_may_have_happened(
    after: timedelta, received_at: datetime
) -> None:
    told = class_of(after)

    if told is not None:
        below = max((hours for hours in REPORTED_WITHIN if hours < told), default=0)
        first, last_ = received_at - timedelta(hours=told), received_at - timedelta(hours=below)
        assert first <= received_at - after <= last_
        assert (last_.date() - first.date()).days >= 3


@pytest.mark.parametrize(
    ("said", "after"),
    [
        ({}, 2 * HOUR),
        ({"recorded_at": None}, 3 * HOUR),
        ({"occurred_at": None, "detected_at": NOON - 5 * HOUR}, None),
        ({"occurred_at": NOON + HOUR}, None),
    ],
    ids=["until it was recorded", "until it arrived", "nobody says when it happened", "not before it was reported"],
)
def test_it_is_counted_from_when_the_source_says_that_it_happened(said: dict[str, Any], after: timedelta) -> None:
    book = a_book_that_knows(1)

    take(book, 1, 1, **said)

    assert last(book, FactKind.CREATED).referral.inputs.reported_after == after


def test_who_is_named_later_has_the_delay_of_the_first_report() -> None:
    book = a_book_that_knows(1, 2)
    take(book, 1, 1)

    take(book, 1, 1, 2, at=NOON + 100 * HOUR, recorded_at=NOON)

    added = last(book, FactKind.CREATED).referral
    assert (added.received_at, added.inputs.reported_after) == (NOON + 100 * HOUR, 2 * HOUR)


def test_who_is_not_known_yet_has_it_and_keeps_it() -> None:
    book = a_book()

    take(book, 1, 1)

    assert last(book, FactKind.UNRESOLVED).referral.inputs.reported_after == 2 * HOUR


def test_a_request_that_somebody_makes_says_nothing_of_it() -> None:
    request = Request("call-1", "phone", NOON)

    referral = take_request(a_book_that_knows(1), request, a_person(1), Programme())

    assert referral.inputs.reported_after is None


def test_something_reported_the_moment_it_happened_took_no_time() -> None:
    assert reported_after(a_report(1, occurred_at=NOON), NOON) == timedelta(0)
