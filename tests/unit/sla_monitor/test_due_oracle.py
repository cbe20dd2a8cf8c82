"""Every rule against a clock that goes from minute to minute."""

import pytest
from hypothesis import given, settings
from sla_monitor.domain.due import Due, adds_up, with_pauses

from tests.unit.sla_monitor.drawing import Promise, promises
from tests.unit.sla_monitor.slow_clock import slow_due


def agrees(promise: Promise) -> None:
    found = with_pauses(promise.due, promise.pauses)

    expected = slow_due(promise.rule, promise.start, promise.zone, promise.calendar, promise.pauses)

    assert (found.instant if isinstance(found, Due) else None) == expected
    assert not isinstance(found, Due) or adds_up(found)


@settings(max_examples=300)
@given(promises())
def test_a_due_time_is_the_one_that_is_found_minute_by_minute(promise: Promise) -> None:
    agrees(promise)


@pytest.mark.long
@pytest.mark.timeout(3600)
@settings(max_examples=10_000)
@given(promises())
def test_ten_thousand_due_times_are_those_that_are_found_minute_by_minute(promise: Promise) -> None:
    agrees(promise)
