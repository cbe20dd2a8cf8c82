"""Pauses move the steps after a breach along with the due time."""

from dataclasses import replace
from datetime import timedelta

from sla_monitor.domain.decisions import Breached, Escalated, Set
from sla_monitor.domain.escalation import EscalationStep
from sla_monitor.domain.facts import Started

from tests.unit.sla_monitor.pausing import Pausing, a_pause, a_start
from tests.unit.sla_monitor.watching import CASE, DUE, HOUR, LONG_AFTER, ROW_1, THE_CLOCK

STEPS = (EscalationStep(2 * HOUR, "deputy"), EscalationStep(4 * HOUR, "director"))
INSTANT = timedelta(microseconds=1)


def escalating() -> Pausing:
    monitor = Pausing()
    monitor.learn(Started(CASE, {THE_CLOCK: replace(a_start(ROW_1), escalation=STEPS)}))
    return monitor


def steps_told(monitor: Pausing) -> list[Escalated]:
    return [what for what in monitor.what if isinstance(what, Escalated)]


def test_the_steps_are_counted_from_the_due_time_that_a_pause_has_moved() -> None:
    monitor = escalating().pause(a_pause(ROW_1 + HOUR, ROW_1 + 6 * HOUR))
    moved = DUE + 5 * HOUR

    monitor.wait_until(moved + 2 * HOUR - INSTANT)
    before = steps_told(monitor)
    monitor.wait_until(moved + 2 * HOUR)

    assert (before, steps_told(monitor)) == ([], [Escalated(1, "deputy")])
    assert monitor.next_at == moved + 4 * HOUR


def test_no_step_is_told_while_a_pause_is_open_that_became_known_after_the_breach_and_then_from_the_new_due_time() -> (
    None
):
    monitor = escalating()
    monitor.wait_until(DUE)
    monitor.pause(a_pause(DUE - HOUR, None), now=DUE + HOUR)
    meanwhile = monitor.next_at

    monitor.pause(a_pause(DUE - HOUR, DUE + 9 * HOUR, sequence=3), now=DUE + 9 * HOUR).wait_until(LONG_AFTER)

    assert meanwhile is None
    assert steps_told(monitor) == [Escalated(1, "deputy"), Escalated(2, "director")]
    assert [type(what) for what in monitor.what].count(Breached) == 1
    assert [what for what in monitor.what if isinstance(what, Set)][-1] == Set(moved=True)
