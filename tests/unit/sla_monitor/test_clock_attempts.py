"""Clocks that belong to one attempt to match: what starts, stops and ends them, and what no other attempt changes."""

from datetime import timedelta

import pytest
from peerline.events import MatchProposed, MatchUnavailable
from sla_monitor.domain.decisions import Standing
from sla_monitor.domain.recall import Said, Told, recalled

from tests.support.promises import (
    a_clock,
    created,
    logged,
    matched,
    promising,
    released,
)
from tests.unit.sla_monitor.watching import CASE, HOUR, LONG_AFTER, ROW_1, ny
from tests.unit.sla_monitor.watching_kinds import DAY, Watch, started_at


def test_each_attempt_has_a_clock_of_its_own_for_what_one_attempt_starts() -> None:
    first, second = ROW_1, ROW_1 + 3 * HOUR
    watch = Watch().hear(
        logged(CASE, "supporter-notified", first, 1),
        logged(CASE, "supporter-declined", first + HOUR, 1),
        logged(CASE, "supporter-notified", second, 2),
    )

    watch.wait_until(LONG_AFTER)

    assert watch.said("answer", 1) == ["set", "met"]
    assert watch.said("answer", 2) == ["set", "breached"]
    assert started_at(watch.clock("answer", 2)) == second


@pytest.mark.parametrize("release_first", [False, True])
def test_an_attempt_that_is_released_before_its_clock_is_due_ends_it_without_a_word(release_first: bool) -> None:
    asked, let_go = logged(CASE, "supporter-notified", ROW_1, 1), released(CASE, ROW_1 + DAY)
    watch = Watch().hear(*((let_go, asked) if release_first else (asked, let_go)))

    watch.wait_until(LONG_AFTER)

    assert watch.said("answer", 1) == ["set"]
    assert watch.standing("answer", 1) is Standing.CANCELLED


def test_an_attempt_that_is_released_after_its_clock_was_due_leaves_it_breached() -> None:
    watch = Watch().hear(logged(CASE, "supporter-notified", ROW_1, 1)).wait_until(ROW_1 + DAY)

    watch.hear(released(CASE, ROW_1 + DAY + timedelta(microseconds=1)), now=LONG_AFTER)

    assert watch.said("answer", 1) == ["set", "breached"]
    assert watch.standing("answer", 1) is Standing.BREACHED


def test_a_release_that_becomes_known_after_the_breach_corrects_it_and_only_for_its_own_attempt() -> None:
    asked = [logged(CASE, "supporter-notified", ROW_1, attempt) for attempt in (1, 2)]
    watch = Watch().hear(*asked).wait_until(LONG_AFTER)

    watch.hear(released(CASE, ROW_1 + HOUR, 2), now=LONG_AFTER)

    assert watch.said("answer", 2) == ["set", "breached", "met"]
    assert watch.said("answer", 1) == ["set", "breached"]
    assert watch.standing("answer", 2) is Standing.CANCELLED


def test_a_release_ends_no_clock_of_the_whole_case() -> None:
    watch = Watch().hear(created(CASE, ROW_1), released(CASE, ROW_1 + HOUR)).wait_until(LONG_AFTER)

    assert watch.standing("match") is Standing.BREACHED


def test_a_clock_that_something_besides_an_attempt_starts_is_the_cases_whichever_attempt_starts_or_stops_it() -> None:
    mixed = a_clock("own", ["referral-amended", "match-proposed"], ["match-confirmed"])
    proposed, confirmed = matched(CASE, ROW_1, 1, MatchProposed), matched(CASE, ROW_1 + HOUR, 2)

    watch = Watch(promising(mixed)).hear(proposed, confirmed)

    assert watch.said("own") == ["set", "met"]


AGAIN = a_clock(
    "match",
    ["referral-created", "supporter-declined", "other-supporter-requested", "match-released"],
    ["match-confirmed"],
    firmness="promised",
)
"""A programme that promises another match as soon as the first."""


def test_row_21_a_decline_leaves_the_first_result_met_and_the_next_attempt_has_a_clock_of_its_own() -> None:
    received, confirmed, declined = ny("2026-09-16T11:00"), ny("2026-09-16T14:00"), ny("2026-09-18T17:30")
    watch = Watch(promising(AGAIN | {"due": {"rule": "elapsed", "weekday": "PT24H", "weekend": "PT48H"}}))

    watch.hear(
        created(CASE, received),
        matched(CASE, confirmed, 1),
        logged(CASE, "supporter-declined", declined, 1),
        released(CASE, declined + timedelta(minutes=1), 1),
    )
    watch.wait_until(LONG_AFTER + timedelta(days=365))

    assert watch.said("match") == ["set", "met"]
    assert watch.said("match", 2) == ["set", "breached"]
    assert watch.clock("match", 2).told_due_at == ny("2026-09-19T17:30")


@pytest.mark.parametrize("confirmed_first", [False, True])
def test_what_must_follow_the_end_of_an_attempt_may_be_done_by_any_later_one_and_never_was_by_an_earlier(
    confirmed_first: bool,
) -> None:
    ended = [released(CASE, ROW_1 + attempt * HOUR, attempt) for attempt in (1, 2)]
    confirmed = [matched(CASE, ROW_1, 1), matched(CASE, ROW_1 + 4 * HOUR, 4)]  # the third was a suggestion only
    watch = Watch(promising(AGAIN)).hear(*(confirmed + ended if confirmed_first else ended + confirmed))

    watch.hear(created(CASE, ROW_1)).wait_until(LONG_AFTER)

    assert [watch.said("match", attempt) for attempt in (0, 2, 3)] == [["set", "met"]] * 3
    stops = [watch.case.stop_of(watch.clock("match", attempt)) for attempt in (0, 2, 3)]
    assert stops == [ROW_1, ROW_1 + 4 * HOUR, ROW_1 + 4 * HOUR]


def test_a_stop_that_names_no_attempt_stops_the_clocks_of_all() -> None:
    made = [logged(CASE, "contact-made", ROW_1, attempt) for attempt in (1, 2)]
    watch = Watch().hear(*made, logged(CASE, "closed", ROW_1 + HOUR)).wait_until(LONG_AFTER)

    assert [watch.said("follow-up", attempt) for attempt in (1, 2)] == [["set", "met"], ["set", "met"]]


def test_a_step_that_starts_an_attempts_clock_and_names_no_attempt_starts_one_of_the_case() -> None:
    watch = Watch().hear(logged(CASE, "supporter-notified", ROW_1)).wait_until(LONG_AFTER)

    assert watch.said("answer") == ["set", "breached"]


def test_an_event_that_is_neither_a_step_nor_about_an_attempt_can_start_a_clock_too() -> None:
    own = a_clock("nobody", ["match-unavailable"], ["match-proposed"])

    watch = Watch(promising(own)).hear(matched(CASE, ROW_1, 2, MatchUnavailable)).wait_until(LONG_AFTER)

    assert watch.said("nobody") == ["set", "breached"]


def test_what_was_told_of_an_attempt_is_known_again_of_that_attempt_and_told_once() -> None:
    due = ROW_1 + DAY
    watch = Watch()
    for sequence, what in enumerate((Told.SET, Told.BREACHED), start=1):
        watch.case = recalled(watch.case, Said(what, sequence, "answer", due, attempt=2))

    watch.hear(*(logged(CASE, "supporter-notified", ROW_1, attempt) for attempt in (1, 2))).wait_until(LONG_AFTER)

    assert watch.said("answer", 1) == ["set", "breached"]
    assert watch.said("answer", 2) == []
    assert watch.standing("answer", 2) is Standing.BREACHED
