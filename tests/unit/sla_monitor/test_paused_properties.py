"""Pauses and whatever else becomes known, in any order and with any repeats, against the domain's arithmetic."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from sla_monitor.domain.case import Case, Clock, Start
from sla_monitor.domain.decisions import Breached, fire, settle, settle_recorded
from sla_monitor.domain.due import Due, due_at, with_pauses
from sla_monitor.domain.facts import Fact, Started, fold
from sla_monitor.domain.moving import paused
from sla_monitor.domain.recorded import KnownPause

from tests.unit.sla_monitor.drawing import Promise, promises
from tests.unit.sla_monitor.pausing import DAY, a_pause, due_of, joined, requested
from tests.unit.sla_monitor.watching import CASE, DUE, HOUR, LONG_AFTER, NEW_YORK, ROW_1, THE_CLOCK, H, stopped
from tests.unit.sla_monitor.watching import a_start as unpaused_start

Told = Fact | KnownPause
INSTANTS = st.datetimes(
    (ROW_1 - DAY).replace(tzinfo=None), (DUE + 2 * DAY).replace(tzinfo=None), timezones=st.just(UTC)
)


@st.composite
def pauses(draw: st.DrawFn) -> list[KnownPause]:
    """Up to six records of three pauses, numbered as they were recorded."""
    found = []
    for sequence in range(1, draw(st.integers(0, 6)) + 1):
        begins = draw(INSTANTS)
        hours = draw(st.none() | st.integers(0, 48))
        ends = None if hours is None else begins + hours * HOUR
        kind = draw(st.none() | st.sampled_from(["match", "first-contact"]))
        found.append(a_pause(begins, ends, sequence, UUID(int=draw(st.integers(1, 3))), kind))
    return found


def _folded(told: Sequence[Told]) -> Case:
    case = Case(CASE)
    for each in told:
        case = paused(case, each, due_of) if isinstance(each, KnownPause) else fold(case, each)
    return case


def _earliest(received: Sequence[datetime], known: Sequence[KnownPause]) -> datetime | None:
    """By `with_pauses` alone: the latest record of each pause, as far as it is of this clock or of all."""
    latest = {pause.pause_id: pause for pause in sorted(known, key=lambda pause: pause.sequence)}
    holding = [pause.as_pause() for pause in latest.values() if pause.clock in (None, THE_CLOCK.kind)]
    dues = [with_pauses(due_at(H, at, NEW_YORK), holding) for at in received]
    return min((due.instant for due in dues if isinstance(due, Due)), default=None)


@given(st.lists(INSTANTS, min_size=1, max_size=3), pauses(), st.data())
def test_pauses_and_triggers_in_any_order_with_any_repeats_give_the_same_clock(
    received: list[datetime], known: list[KnownPause], data: st.DataObject
) -> None:
    told: list[Told] = [requested(received[0]), *map(joined, received[1:]), *known]
    again = data.draw(st.lists(st.sampled_from(told), max_size=4))
    order = data.draw(st.permutations([*told, *again]))

    case, shuffled = _folded(told), _folded(order)

    assert shuffled == case
    start = shuffled.clocks[THE_CLOCK].start
    assert start is not None
    assert (None if start.suspended else start.due_at) == _earliest(received, known)


def _a_start_of(promise: Promise) -> Start:
    """A start without pauses, as a programme's file would make it."""
    due = promise.due
    return replace(
        unpaused_start(ROW_1),
        due_at=due.instant,
        starts_at=due.terms.received_at,
        warn_at=due.instant - HOUR,
        explanation=due.explanation,
        reckoned=due,
    )


@given(promises())
def test_a_running_clock_of_any_rule_is_moved_to_where_its_pauses_put_a_promise(promise: Promise) -> None:
    expected = with_pauses(promise.due, promise.pauses)
    case = fold(Case(CASE), Started(CASE, {THE_CLOCK: _a_start_of(promise)}))

    for number, pause in enumerate(promise.pauses, start=1):
        known = KnownPause(UUID(int=number), number, pause.begins, pause.ends, "physician-away")
        case = paused(case, known, lambda _name, _start: promise.due)

    start = case.clocks[THE_CLOCK].start
    assert start is not None
    assert start.suspended is not isinstance(expected, Due)
    assert not isinstance(expected, Due) or (start.due_at, start.warn_at) == (expected.instant, expected.instant - HOUR)


@given(st.lists(INSTANTS, min_size=1, max_size=3), pauses(), INSTANTS, st.data())
def test_a_sweep_between_a_pause_and_the_next_tells_no_breach_before_it_is_due(
    received: list[datetime], known: list[KnownPause], stop: datetime, data: st.DataObject
) -> None:
    told: list[Told] = [requested(received[0]), *map(joined, received[1:]), stopped(stop), *known]
    order = data.draw(st.permutations(told))
    case = Case(CASE)

    for number, each in enumerate(order):
        case = paused(case, each, due_of) if isinstance(each, KnownPause) else fold(case, each)
        case, _ = (settle_recorded if isinstance(each, KnownPause) else settle)(case, ROW_1)
        horizon = ROW_1 + number * 9 * HOUR
        case, decisions = fire(case, horizon)
        assert all(decision.start.due_at <= horizon for decision in decisions if isinstance(decision.what, Breached))
    case, _ = fire(case, LONG_AFTER)

    clock = case.clocks.get(THE_CLOCK, Clock("match"))
    assert clock.verdict is not None or (clock.start is not None and clock.start.suspended)
