"""Steps after a breach: each once, in order, never early, and none once somebody came or took note."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sla_monitor.domain.acknowledgement import NoSuchClock, NothingToAcknowledge, acknowledge
from sla_monitor.domain.case import RESPONSE, Case, ClockName
from sla_monitor.domain.decisions import Acknowledged, Approaching, Breached, Escalated, Met, Set, fire
from sla_monitor.domain.escalation import EscalationStep
from sla_monitor.domain.facts import Closed, Fact, Forgotten, Released, Started
from sla_monitor.domain.recall import Said, Told, recalled
from sla_monitor.promises import fault_of

from tests.support.promises import SHCP, a_clock, created, promising
from tests.unit.sla_monitor.watching import (
    CASE,
    DUE,
    HOUR,
    LONG_AFTER,
    ROW_1,
    THE_CLOCK,
    WARNING,
    Monitor,
    a_start,
    joined,
    requested,
    stopped,
)
from tests.unit.sla_monitor.watching_kinds import Watch

STEPS = tuple(EscalationStep(hours * HOUR, to) for hours, to in ((1, "coordinator"), (2, "deputy"), (4, "director")))
ALL = [Escalated(level, step.to) for level, step in enumerate(STEPS, start=1)]
INSTANT = timedelta(microseconds=1)
TOLD = [Set(moved=False), Approaching(), Breached()]


def escalating(received: datetime = ROW_1, entered: datetime | None = None) -> Started:
    return Started(CASE, {THE_CLOCK: replace(a_start(received, entered), escalation=STEPS)})


class Office(Monitor):
    """A monitor that somebody may answer, and whose database may be set back to nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._facts: list[Fact] = []

    def learn(self, *facts: Fact, now: datetime = ROW_1) -> "Office":
        self._facts += facts
        super().learn(*facts, now=now)
        return self

    def set_back(self, now: datetime) -> "Office":
        """Lose everything; what was told stands on the topic, and the facts are read again."""
        noted_at, self.case = self.clock.acknowledged_at, Case(CASE)
        for sequence, decision in enumerate(self.decided, start=1):
            what = decision.what
            told = Told.CORRECTED if isinstance(what, Met) and what.corrects else Told(type(what).__name__.lower())
            level = what.level if isinstance(what, Escalated) else 0
            self.case = recalled(self.case, Said(told, sequence, "match", DUE, level=level, at=noted_at))
        super().learn(*self._facts, now=now)
        return self

    def take_note(self, at: datetime) -> "Office":
        self.case, decisions = acknowledge(self.case, THE_CLOCK, at, "office")
        self.decided += decisions
        return self


def breached() -> Office:
    office = Office()
    office.learn(escalating()).wait_until(DUE - HOUR).wait_until(DUE)
    return office


def test_each_step_is_told_at_its_instant_and_not_a_microsecond_before() -> None:
    office = breached()

    for number, step in enumerate(STEPS):
        office.wait_until(DUE + step.after - INSTANT)
        assert office.what == [*TOLD, *ALL[:number]]
        assert office.next_at == DUE + step.after
        office.wait_until(DUE + step.after)

    assert office.what == [*TOLD, *ALL]
    assert office.next_at is None


def test_after_an_outage_the_steps_that_are_past_are_told_once_each_and_the_others_when_they_come() -> None:
    office = Office()
    office.learn(escalating())

    office.case, decisions = fire(office.case, DUE + 3 * HOUR)
    office.decided = [*decisions]
    office.wait_until(LONG_AFTER)

    assert office.what == [Breached(), *ALL]
    assert [decision.what for decision in decisions] == [Breached(), *ALL[:2]]


def test_what_was_entered_late_is_escalated_by_the_next_sweep() -> None:
    entered = DUE + 3 * HOUR

    office = Office().learn(escalating(entered=entered), now=entered)

    assert (office.what, office.next_at) == ([Set(moved=False), Breached()], DUE + HOUR)
    assert office.wait_until(entered).what == [Set(moved=False), Breached(), *ALL[:2]]


def test_a_clock_without_steps_is_over_with_its_breach() -> None:
    office = Office().learn(requested()).wait_until(DUE - HOUR).wait_until(DUE)

    assert (office.what, office.next_at) == (TOLD, None)


@pytest.mark.parametrize("answer", [stopped(DUE + 90 * HOUR), Closed(CASE, LONG_AFTER), stopped(DUE), Forgotten(CASE)])
def test_nobody_is_told_once_somebody_came_or_the_case_is_over(answer: object) -> None:
    office = breached()
    office.wait_until(DUE + HOUR)

    office.learn(answer, now=DUE + HOUR).wait_until(LONG_AFTER)  # type: ignore[arg-type]  # one of several facts

    assert [what for what in office.what if isinstance(what, Escalated)] == ALL[:1]
    assert office.next_at is None


def test_an_attempt_that_was_released_after_its_breach_is_not_escalated() -> None:
    office = breached()

    office.learn(Released(CASE, [THE_CLOCK], DUE + HOUR)).wait_until(LONG_AFTER)

    assert office.what == TOLD


def test_an_acknowledgement_ends_the_steps_and_a_second_one_changes_nothing() -> None:
    office = breached()
    office.wait_until(DUE + HOUR)

    office.take_note(DUE + HOUR).take_note(DUE + 2 * HOUR).wait_until(LONG_AFTER)

    assert office.what == [*TOLD, ALL[0], Acknowledged()]
    assert (office.clock.acknowledged_at, office.clock.acknowledged_by) == (DUE + HOUR, "office")


def test_an_acknowledgement_of_the_warning_leaves_the_breach_and_ends_the_steps_after_it() -> None:
    office = Office()
    office.learn(escalating()).wait_until(DUE - WARNING)

    office.take_note(DUE - HOUR).wait_until(LONG_AFTER)

    assert office.what == [Set(moved=False), Approaching(), Acknowledged(), Breached()]


def test_only_a_clock_that_approaches_or_is_breached_can_be_acknowledged() -> None:
    running, kept = Office(), Office()
    running.learn(escalating())
    kept.learn(escalating(), stopped(ROW_1))

    for office in (running, kept):
        with pytest.raises(NothingToAcknowledge):
            office.take_note(DUE)
    for name in (ClockName("match", 1), ClockName("first-contact")):
        with pytest.raises(NoSuchClock):
            acknowledge(running.case, name, DUE, "office")
    with pytest.raises(NoSuchClock):
        Office().learn(joined(ROW_1)).take_note(DUE)  # begun by nothing yet


def test_the_steps_are_those_of_the_programme_that_started_the_clock() -> None:
    contact = SHCP["coordinator"] | {"email": "other@shcp.example.org"}
    steps = [{"after": "PT2H", "to": "deputy"}, {"after": "PT4H", "to": "director"}]
    clock = a_clock("match", escalation=steps)

    watch = Watch(promising(clock, deputy=contact, director=SHCP["coordinator"])).hear(created(CASE, ROW_1))

    start = watch.clock("match").start
    assert start is not None
    assert start.escalation == (EscalationStep(2 * HOUR, "deputy"),)  # the Director is the coordinator


def test_a_clock_that_is_never_breached_has_no_steps() -> None:
    steps = [{"after": "PT2H", "to": "coordinator"}]
    response = a_clock(RESPONSE, ["contact-attempted"], ["contact-made"], escalation=steps)

    fault = fault_of(promising(response), ROW_1)

    assert fault == "clocks.0.escalation: response is never breached, so that nobody is told of it"


def test_a_database_that_was_set_back_tells_no_step_again_and_none_after_an_acknowledgement() -> None:
    def that_told(*what: Told) -> Office:
        office = Office()
        for sequence, told in enumerate(what, start=1):
            said = Said(told, sequence, "match", DUE, level=sequence - 2, at=DUE + 2 * HOUR)
            office.case = recalled(recalled(office.case, said), said)
        return office

    escalated = that_told(Told.SET, Told.BREACHED, Told.ESCALATED, Told.ESCALATED)
    acknowledged = that_told(Told.SET, Told.BREACHED, Told.ESCALATED, Told.ACKNOWLEDGED)
    corrected = that_told(Told.SET, Told.BREACHED, Told.CORRECTED)

    for office in (escalated, acknowledged, corrected):
        office.learn(escalating(), now=LONG_AFTER).wait_until(LONG_AFTER)
    assert escalated.what == ALL[2:]
    assert (acknowledged.what, corrected.what) == ([], [])
    assert acknowledged.clock.acknowledged_at == DUE + 2 * HOUR


MOMENTS = st.datetimes(
    (DUE - 5 * HOUR).replace(tzinfo=None), (DUE + 6 * HOUR).replace(tzinfo=None), timezones=st.just(UTC)
)
WHAT = ["sweep", "sweep", "sweep", "restore", "restore", "again", "note", "stop", "close"]
HAPPENINGS = st.lists(st.tuples(MOMENTS, st.sampled_from(WHAT)), min_size=3, max_size=12)


@settings(max_examples=300)
@given(HAPPENINGS, st.booleans())
def test_whatever_comes_between_each_step_is_told_once_in_order_never_early_and_never_after_somebody_took_note(
    happenings: Sequence[tuple[datetime, str]], ends: bool
) -> None:
    office = Office()
    office.learn(escalating(), now=ROW_1)
    told: list[tuple[Escalated, datetime]] = []
    over: datetime | None = None

    for at, what in [*sorted(happenings), *[(LONG_AFTER, "sweep")] * ends]:
        before = len(office.decided)
        if what == "sweep":
            office.wait_until(at)
        elif what == "stop":
            office.learn(stopped(at), now=at)
        elif what == "close":
            office.learn(Closed(CASE, at), now=at)
        elif what == "again":
            office.learn(escalating(), now=at)
        elif what == "restore":
            office.set_back(at)
        elif office.clock.approached or office.clock.verdict:
            _try_to_note(office, at)
        new = [decision.what for decision in office.decided[before:]]
        told += [(each, at) for each in new if isinstance(each, Escalated)]
        assert over is None or not any(isinstance(each, Escalated) for each in new)
        if over is None and (office.clock.acknowledged_at or what in ("stop", "close")):
            over = at

    assert [each for each, _ in told] == ALL[: len(told)]
    assert all(at >= DUE + STEPS[each.level - 1].after for each, at in told)
    assert not told or Breached() in office.what
    assert not ends or over is not None or [each for each, _ in told] == ALL
    assert office.what.count(Breached()) <= 1
    assert sum(isinstance(each, Met) for each in office.what) <= 1


def _try_to_note(office: Office, at: datetime) -> None:
    if office.standing in ("approaching", "breached"):
        office.take_note(at)
