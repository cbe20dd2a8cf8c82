"""Why a promise is due when it is: in words, in JSON, and as steps that add up."""

import json
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from sla_monitor.domain.calendar import Calendar
from sla_monitor.domain.due import Due, adds_up, due_at, with_pauses
from sla_monitor.domain.pauses import Pause
from sla_monitor.domain.rules import Rule, Shift, WorkingDays, WorkingHours
from sla_monitor.domain.steps import Day, Idle, LastDay, Paused, Received, Step, Wait, Worked, WorkOwed, sum_of

from tests.unit.sla_monitor.places import H_WITH_HOLIDAYS, LOS_ANGELES, NEW_YORK, W, h, la, ny, off, paused, w

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
OFFICE = (Shift(time(8), time(12)), Shift(time(13), time(17)))
EIGHT_HOURS = WorkingHours(timedelta(hours=8), dict.fromkeys(range(1, 6), OFFICE))


def ten_days(rule: Rule) -> Due:
    return due_at(rule, la("2026-08-14T18:00"), LOS_ANGELES, off())


def test_an_elapsed_wait_is_told_with_its_weekend_and_its_zone() -> None:
    due = h(ny("2026-03-07T10:00"))

    assert due.explanation == (
        "received Sat 7 Mar 2026 10:00 EST (America/New_York), at a weekend; "
        "due 48 h of elapsed time later, Mon 9 Mar 2026 11:00 EDT."
    )


def test_a_day_off_that_counts_as_a_weekend_is_told_with_the_calendar_that_says_so() -> None:
    due = h(ny("2026-11-26T10:00:30"), H_WITH_HOLIDAYS, off("2026-11-26"))

    assert due.explanation == (
        "received Thu 26 Nov 2026 10:00:30 EST (America/New_York), on a day off, which counts as a weekend; "
        "due 48 h of elapsed time later, Sat 28 Nov 2026 10:00:30 EST; days off as of by hand."
    )


def test_a_pause_is_told_with_its_reasons_and_its_length() -> None:
    one = paused(ny("2026-07-17T16:00"), ny("2026-07-18T09:00"), "on-leave")
    other = paused(ny("2026-07-18T08:00"), ny("2026-07-20T09:30"), "asked-to-wait")

    due = with_pauses(h(ny("2026-07-17T15:00")), [other, one])

    assert due.explanation == (
        "received Fri 17 Jul 2026 15:00 EDT (America/New_York), on a weekday; "
        "paused from Fri 17 Jul 2026 16:00 EDT to Mon 20 Jul 2026 09:30 EDT (on-leave, asked-to-wait), 65 h 30 min; "
        "due 24 h of elapsed time later, pauses left out, Tue 21 Jul 2026 08:30 EDT."
    )


def test_an_open_pause_is_told_without_a_due_time() -> None:
    suspended = with_pauses(h(ny("2026-07-17T15:00")), [paused(ny("2026-07-17T16:00"), None, "on-leave")])

    assert suspended.explanation == (
        "received Fri 17 Jul 2026 15:00 EDT (America/New_York), on a weekday; "
        "paused from Fri 17 Jul 2026 16:00 EDT on (on-leave); not due at any time until that pause ends."
    )
    assert suspended.as_json()["due_at"] is None
    assert suspended.as_json()["due_local"] is None


def test_working_days_are_told_one_by_one() -> None:
    due = w(la("2026-08-14T18:00"))

    assert due.explanation == (
        "received Fri 14 Aug 2026 18:00 PDT (America/Los_Angeles); Sat 15 and Sun 16 do not count; "
        "Mon 17 is the first working day, Tue 18 the second; due Tue 18 Aug 2026 17:00 PDT; days off as of by hand."
    )


def test_days_that_do_not_count_are_told_with_what_keeps_them_from_it() -> None:
    due = with_pauses(w(la("2026-08-28T16:00"), "2026-08-31"), [paused(la("2026-09-01T09:00"), la("2026-09-02T10:00"))])

    assert due.explanation == (
        "received Fri 28 Aug 2026 16:00 PDT (America/Los_Angeles); Sat 29 and Sun 30 do not count; Mon 31 is a day off; "
        "Tue 1 Sep and Wed 2 are touched by a pause; Thu 3 is the first working day, Fri 4 the second; "
        "due Fri 4 Sep 2026 17:00 PDT; days off as of by hand."
    )


def test_many_working_days_are_counted_and_not_listed() -> None:
    due = ten_days(WorkingDays(22, time(17)))

    assert (
        "; 10 of the next 32 days do not count; Tue 15 Sep is the 22nd working day; due Tue 15 Sep" in due.explanation
    )
    assert len([step for step in due.steps if isinstance(step, Day)]) == 32


def test_working_hours_are_told_spell_by_spell() -> None:
    due = due_at(EIGHT_HOURS, la("2026-08-14T15:00"), LOS_ANGELES, off())

    assert due.explanation == (
        "received Fri 14 Aug 2026 15:00 PDT (America/Los_Angeles); "
        "working time from Fri 14 Aug 2026 15:00 PDT to Fri 14 Aug 2026 17:00 PDT, 2 h; "
        "working time from Mon 17 Aug 2026 08:00 PDT to Mon 17 Aug 2026 12:00 PDT, 4 h; "
        "working time from Mon 17 Aug 2026 13:00 PDT to Mon 17 Aug 2026 15:00 PDT, 2 h; "
        "due after 8 h of working time, Mon 17 Aug 2026 15:00 PDT; days off as of by hand."
    )


def test_many_spells_of_work_are_summed_and_the_last_is_told() -> None:
    due = ten_days(replace(EIGHT_HOURS, wait=timedelta(hours=50)))

    assert (
        "; 48 h of time that counts in 12 spells; working time from Tue 25 Aug 2026 08:00 PDT to Tue 25 Aug 2026 10:00 PDT, "
        "2 h; due after 50 h of working time, Tue 25 Aug 2026 10:00 PDT;"
    ) in due.explanation


@pytest.mark.parametrize("rule", [H_WITH_HOLIDAYS, W, EIGHT_HOURS])
def test_the_same_stands_in_json_with_the_calendar_and_the_zones(rule: Rule) -> None:
    due = due_at(rule, la("2026-08-14T18:00"), LOS_ANGELES, off(), tzdata="2026c")

    told = json.loads(json.dumps(due.as_json()))

    assert told["due_at"].endswith("Z")
    assert datetime.fromisoformat(told["due_at"]) == due.instant
    assert datetime.fromisoformat(told["due_local"]) == due.instant
    assert (told["zone"], told["calendar"], told["tzdata"]) == ("America/Los_Angeles", "by hand", "2026c")
    assert told["sentence"] == due.explanation
    assert told["sentence"].endswith("; time zones as of 2026c.")


def test_each_step_stands_in_json_with_what_it_adds() -> None:
    days = with_pauses(w(la("2026-08-14T18:00")), [paused(la("2026-08-17T09:00"), la("2026-08-17T10:00"))])
    hours = due_at(EIGHT_HOURS, la("2026-08-14T15:00"), LOS_ANGELES, off())
    elapsed = with_pauses(
        h(ny("2026-07-17T15:00")), [paused(ny("2026-07-17T16:00"), ny("2026-07-17T17:00"), "on-leave")]
    )

    by_days, by_hours, by_time = (due.as_json()["steps"] for due in (days, hours, elapsed))

    assert isinstance(by_days, list)
    assert isinstance(by_hours, list)
    assert by_days[:2] == [
        {"step": "received", "at": "2026-08-15T01:00:00Z", "local": "2026-08-14T18:00:00-07:00"},
        {"step": "last-day", "counts_as": 2, "at": "17:00:00"},
    ]
    assert by_days[2:6] == [
        {"step": "day", "date": "2026-08-15", "counts_as": None, "idle": "weekday-not-worked"},
        {"step": "day", "date": "2026-08-16", "counts_as": None, "idle": "weekday-not-worked"},
        {"step": "day", "date": "2026-08-17", "counts_as": None, "idle": "paused"},
        {"step": "day", "date": "2026-08-18", "counts_as": 1, "idle": None},
    ]
    assert by_hours[1:3] == [
        {"step": "work-owed", "seconds": 28800.0},
        {"step": "worked", "from": "2026-08-14T22:00:00Z", "to": "2026-08-15T00:00:00Z", "seconds": 7200.0},
    ]
    assert by_time == [
        {"step": "received", "at": "2026-07-17T19:00:00Z", "local": "2026-07-17T15:00:00-04:00"},
        {"step": "wait", "seconds": 86400.0, "received_on": "weekday"},
        {"step": "paused", "from": "2026-07-17T20:00:00Z", "to": "2026-07-17T21:00:00Z", "codes": ["on-leave"]},
    ]


def test_a_calendar_that_was_not_asked_is_not_named() -> None:
    due = h(ny("2026-06-09T10:15"), calendar=Calendar("unasked", 2026, 2027))

    assert due.calendar_version is None
    assert "unasked" not in due.explanation


def test_a_due_time_other_than_the_one_of_the_steps_does_not_add_up() -> None:
    due = h(ny("2026-06-09T10:15"))

    assert adds_up(due)
    assert not adds_up(replace(due, instant=due.instant + HOUR))


START = datetime(2026, 8, 14, 12, tzinfo=UTC)
BEGIN = Received(START)
FRIDAY = START.date()
TWO_DAYS = LastDay(2, time(17))
EIGHT = WorkOwed(timedelta(hours=8))


def _paused(begins: int, ends: int | None) -> Paused:
    return Paused(START + begins * HOUR, None if ends is None else START + ends * HOUR, ())


def _worked(begins: int, ends: int) -> Worked:
    return Worked(START + begins * HOUR, START + ends * HOUR)


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [BEGIN],
        [BEGIN, BEGIN],
        [BEGIN, h(ny("2026-06-09T10:15")).steps[1], _paused(1, None)],
        [BEGIN, h(ny("2026-06-09T10:15")).steps[1], _paused(24, 25)],
        [BEGIN, h(ny("2026-06-09T10:15")).steps[1], _paused(-1, 1)],
        [BEGIN, h(ny("2026-06-09T10:15")).steps[1], _paused(1, 3), _paused(2, 4)],
        [BEGIN, h(ny("2026-06-09T10:15")).steps[1], _worked(1, 3)],
        [BEGIN, TWO_DAYS],
        [BEGIN, TWO_DAYS, Day(FRIDAY, 1), Day(FRIDAY + DAY, 2)],
        [BEGIN, TWO_DAYS, Day(FRIDAY + DAY, 1), Day(FRIDAY + 3 * DAY, 2)],
        [BEGIN, TWO_DAYS, Day(FRIDAY + DAY, 1), Day(FRIDAY + 2 * DAY)],
        [BEGIN, TWO_DAYS, Day(FRIDAY + DAY, 1), Day(FRIDAY + 2 * DAY, 2, Idle.PAUSED)],
        [BEGIN, TWO_DAYS, Day(FRIDAY + DAY, 2), Day(FRIDAY + 2 * DAY, 1)],
        [BEGIN, TWO_DAYS, Day(FRIDAY + DAY, 1)],
        [BEGIN, TWO_DAYS, Day(FRIDAY + DAY, 1), Day(FRIDAY + 2 * DAY, 2), Day(FRIDAY + 3 * DAY, None, Idle.PAUSED)],
        [BEGIN, EIGHT],
        [BEGIN, EIGHT, _worked(0, 7)],
        [BEGIN, EIGHT, _worked(-1, 7)],
        [BEGIN, EIGHT, _worked(0, 5), _worked(4, 7)],
        [BEGIN, EIGHT, _worked(0, 5), _paused(4, 6), _worked(6, 9)],
        [BEGIN, EIGHT, _worked(0, 5), _paused(6, None), _worked(6, 9)],
        [BEGIN, EIGHT, _worked(0, 8), _paused(8, 9)],
    ],
)
def test_steps_that_contradict_themselves_do_not_add_up(steps: list[Step]) -> None:
    with pytest.raises(ValueError, match=r"steps|pause|day|working time"):
        sum_of(steps, UTC)


def test_steps_that_hold_add_up_without_the_rule_that_made_them() -> None:
    elapsed = h(ny("2026-06-09T10:15")).steps[1]
    assert isinstance(elapsed, Wait)

    sums = [
        sum_of([BEGIN, elapsed, _paused(1, 2), _paused(23, 24)], UTC),
        sum_of([BEGIN, TWO_DAYS, Day(FRIDAY + DAY, 1), Day(FRIDAY + 2 * DAY, 2)], UTC),
        sum_of([BEGIN, EIGHT, _worked(0, 5), _paused(5, 6), _worked(6, 9)], UTC),
    ]

    assert sums == [START + 26 * HOUR, datetime(2026, 8, 16, 17, tzinfo=UTC), START + 9 * HOUR]


def test_a_pause_without_reasons_is_told_all_the_same() -> None:
    due = with_pauses(h(ny("2026-07-17T15:00")), [Pause(ny("2026-07-17T16:00"), ny("2026-07-17T16:00:20"))])

    assert "paused from Fri 17 Jul 2026 16:00 EDT to Fri 17 Jul 2026 16:00:20 EDT, 20 s;" in due.explanation


def test_local_times_are_told_in_the_programmes_zone_whatever_the_request_came_in() -> None:
    due = due_at(H_WITH_HOLIDAYS, la("2026-08-12T23:00"), NEW_YORK, off())

    assert due.explanation.startswith("received Thu 13 Aug 2026 02:00 EDT (America/New_York), on a weekday")


def test_days_that_pauses_touch_are_told_with_the_reasons_of_the_pauses() -> None:
    one = paused(la("2026-08-11T09:00"), la("2026-08-11T10:00"), "legal-hold")
    other = paused(la("2026-08-12T09:00"), la("2026-08-13T10:00"), "physician-away")

    due = with_pauses(w(la("2026-08-10T09:00")), [one, other])

    assert isinstance(due, Due)
    assert adds_up(due)
    assert "Tue 11 is touched by a pause (legal-hold); Wed 12 and Thu 13 are touched by a pause (physician-away); " in (
        due.explanation
    )
    assert [step["codes"] for step in due.steps_as_json() if step.get("idle") == "paused"] == [
        ["legal-hold"],
        ["physician-away"],
        ["physician-away"],
    ]


def test_of_many_paused_days_it_is_told_how_many_and_why() -> None:
    pause = paused(la("2026-08-11T09:00"), la("2026-09-01T10:00"), "physician-away")

    due = with_pauses(w(la("2026-08-10T09:00")), [pause])

    assert isinstance(due, Due)
    assert adds_up(due)
    assert "22 of the next 24 days do not count, 16 of them for a pause (physician-away); " in due.explanation
