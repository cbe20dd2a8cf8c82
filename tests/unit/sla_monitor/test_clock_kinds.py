"""Clocks of any kind, by what a programme file says of them: what starts and stops them, and what never becomes of them."""

import pytest
from chassis import Refused
from peerline.events import Event, ReferralForgotten
from sla_monitor.domain.case import Case, ClockName
from sla_monitor.domain.decisions import Standing
from sla_monitor.domain.facts import Forgotten
from sla_monitor.moments import facts_of
from tzdata import IANA_VERSION  # type: ignore[import-untyped]  # two words of text; has no stubs

from tests.support.promises import EVERY_KIND, a_clock, created, joined, logged, matched, only, promising, told
from tests.unit.sla_monitor.watching import CASE, HOUR, LONG_AFTER, ROW_1
from tests.unit.sla_monitor.watching_kinds import DAY, Watch, started_at


def test_a_clock_that_starts_with_the_request_starts_when_it_was_received_not_when_it_was_entered() -> None:
    watch = Watch().hear(created(CASE, ROW_1, entered_at=ROW_1 + HOUR))

    assert started_at(watch.clock("match")) == ROW_1
    assert started_at(watch.clock("first-contact")) == ROW_1
    assert set(watch.case.clocks) == {ClockName("match"), ClockName("first-contact")}


def test_a_clock_that_starts_with_a_later_step_starts_when_that_happened_and_says_so() -> None:
    watch = Watch().hear(created(CASE, ROW_1), logged(CASE, "resources-permitted", ROW_1 + HOUR))

    start = watch.clock("resources").start
    assert start is not None
    assert (start.starts_at, start.due_at) == (ROW_1 + HOUR, ROW_1 + HOUR + DAY)
    assert start.explanation.startswith("started by resources-permitted Tue 9 Jun 2026 11:15 EDT (America/New_York)")
    assert start.pinned is not None
    assert (start.pinned.zone, start.pinned.due_local) == ("America/New_York", "2026-06-10T11:15:00-04:00")
    assert (start.pinned.calendar_version, start.pinned.tzdata) == (None, IANA_VERSION)
    assert '"by": "resources-permitted"' in start.pinned.steps


@pytest.mark.parametrize(
    ("kind", "attempt", "starts", "stops"),
    [
        ("answer", 1, logged(CASE, "supporter-notified", ROW_1, 1), logged(CASE, "supporter-declined", ROW_1, 1)),
        ("response", 1, logged(CASE, "contact-attempted", ROW_1, 1), logged(CASE, "contact-made", ROW_1, 1)),
        ("follow-up", 1, logged(CASE, "contact-made", ROW_1, 1), logged(CASE, "closed", ROW_1)),
        ("resources", 0, logged(CASE, "resources-permitted", ROW_1), logged(CASE, "resources-sent", ROW_1, 1)),
        ("showing", 2, matched(CASE, ROW_1, 2), logged(CASE, "contact-shown", ROW_1, 2)),
    ],
)
@pytest.mark.parametrize("stop_first", [False, True])
def test_a_clock_of_any_kind_is_set_by_its_start_and_met_by_its_stop(
    kind: str, attempt: int, starts: Event, stops: Event, stop_first: bool
) -> None:
    watch = Watch().hear(*((stops, starts) if stop_first else (starts, stops)))

    watch.wait_until(LONG_AFTER)

    assert watch.said(kind, attempt) == ["set", "met"]
    assert watch.standing(kind, attempt) is Standing.MET


def test_a_clock_that_nothing_stops_is_breached_whatever_its_kind_but_for_a_response() -> None:
    steps = ("supporter-notified", "contact-attempted", "contact-made", "resources-permitted")
    events = [created(CASE, ROW_1), matched(CASE, ROW_1), *(logged(CASE, step, ROW_1, 1) for step in steps)]
    watch = Watch(promising(*({**clock, "stops": ["join-refused"]} for clock in EVERY_KIND)))

    watch.hear(*events).wait_until(LONG_AFTER)

    ended = {clock.kind: watch.standing(*clock.name) for clock in watch.case.clocks.values()}
    assert ended.pop("response") is Standing.RUNNING
    assert set(ended.values()) == {Standing.BREACHED}
    assert len(ended) == len(EVERY_KIND) - 1


def test_a_response_is_neither_warned_of_nor_breached_and_shows_that_it_came_late() -> None:
    warning = a_clock("response", ["contact-attempted"], ["contact-made"], warn_before="PT4H")
    watch = Watch(promising(warning)).hear(logged(CASE, "contact-attempted", ROW_1, 1))

    watch.wait_until(LONG_AFTER)
    assert (watch.said("response", 1), watch.standing("response", 1)) == (["set"], Standing.RUNNING)

    watch.hear(logged(CASE, "contact-made", ROW_1 + 2 * DAY, 1), now=LONG_AFTER)
    assert (watch.said("response", 1), watch.standing("response", 1)) == (["set"], Standing.LATE)


def test_a_further_trigger_hastens_the_clocks_that_started_with_the_request_and_no_other() -> None:
    permitted, asked = logged(CASE, "resources-permitted", ROW_1), created(CASE, ROW_1)

    watch = Watch().hear(asked, permitted, joined(CASE, ROW_1 - HOUR))

    assert watch.said("match") == ["set", "set"]
    assert started_at(watch.clock("match")) == ROW_1 - HOUR
    assert started_at(watch.clock("resources")) == ROW_1


def test_a_further_trigger_starts_a_clock_that_names_it_in_the_case_that_it_joined() -> None:
    own = a_clock("second-look", ["referral-joined"], ["contact-made"])

    watch = Watch(promising(own)).hear(joined(CASE, ROW_1))

    assert watch.said("second-look") == ["set"]
    assert started_at(watch.clock("second-look")) == ROW_1


def test_of_several_starts_the_one_counts_that_makes_it_due_the_earliest() -> None:
    permitted = [logged(CASE, "resources-permitted", ROW_1 + hours * HOUR) for hours in (2, 1, 3)]

    watch = Watch().hear(*permitted)

    assert started_at(watch.clock("resources")) == ROW_1 + HOUR
    assert watch.said("resources") == ["set", "set"]


def test_the_first_time_that_the_physician_was_reached_is_kept_and_stops_no_more_than_the_file_says() -> None:
    own = a_clock("first-contact", stops=["contact-attempted"])
    made = [logged(CASE, "contact-made", ROW_1 + hours * HOUR, 1) for hours in (2, 1)]

    watch = Watch(promising(own)).hear(created(CASE, ROW_1), *made).wait_until(LONG_AFTER)

    assert watch.case.reached_at == ROW_1 + HOUR
    assert watch.standing("first-contact") is Standing.BREACHED


def test_a_closed_case_ends_the_clocks_of_every_kind_without_a_breach() -> None:
    notified, closed = logged(CASE, "supporter-notified", ROW_1, 1), logged(CASE, "closed", ROW_1 + HOUR)

    watch = Watch().hear(created(CASE, ROW_1), notified, closed).wait_until(LONG_AFTER)

    kinds = {clock.name: watch.standing(*clock.name) for clock in watch.case.clocks.values() if clock.begun}
    assert set(kinds.values()) == {Standing.CANCELLED}
    assert ClockName("answer", 1) in kinds


def test_a_programme_that_is_not_known_refuses_its_event_so_that_no_stop_is_lost() -> None:
    elsewhere = logged(CASE, "contact-attempted", ROW_1, 1)
    elsewhere = elsewhere.model_copy(update={"programme": elsewhere.programme.model_copy(update={"id": "elsewhere"})})

    with pytest.raises(Refused, match="unknown-programme"):
        Watch().hear(elsewhere)


def test_a_case_is_forgotten_whatever_its_programme() -> None:
    forgotten = told(ReferralForgotten, CASE, ROW_1)
    ref = forgotten.programme.model_copy(update={"id": "elsewhere"})

    facts = list(facts_of(forgotten.model_copy(update={"programme": ref}), only(promising(*EVERY_KIND))))

    assert facts == [Forgotten(CASE)]


def test_a_step_that_is_not_public_says_nothing_to_any_clock() -> None:
    assert Watch().hear(logged(CASE, None, ROW_1)).case == Case(CASE)
