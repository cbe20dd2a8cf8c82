"""A database that was set back learns from our own topic what it had told, and tells it neither again nor otherwise."""

from datetime import timedelta
from itertools import permutations

from sla_monitor.domain.decisions import Breached, Met, Standing
from sla_monitor.domain.facts import Fact
from sla_monitor.domain.recall import Said, Told, recalled

from tests.unit.sla_monitor.watching import DUE, HOUR, LONG_AFTER, ROW_1, Monitor, joined, requested, stopped

EARLIER = DUE - HOUR


def that_told(*what: tuple[Told, timedelta]) -> Monitor:
    """A monitor of whose case nothing is known but what it told, by how long before row 1's due time it was due."""
    monitor = Monitor()
    for sequence, (told, before) in enumerate(what, start=1):
        monitor.case = recalled(monitor.case, Said(told, sequence, "match", DUE - before))
    return monitor


def test_a_verdict_stands_on_the_due_time_that_was_told_whatever_comes_first() -> None:
    facts: list[Fact] = [requested(), joined(ROW_1 - HOUR), stopped(ROW_1 + HOUR)]

    ends = []
    for order in permutations(facts):
        monitor = that_told((Told.SET, 0 * HOUR), (Told.MET, 0 * HOUR)).learn(*order).wait_until(LONG_AFTER)
        ends.append((monitor.case, monitor.what))

    assert all(end == ends[0] for end in ends)
    case, decided = ends[0]
    assert decided == []
    assert [clock.start and clock.start.due_at for clock in case.clocks.values()] == [DUE]


def test_a_clock_that_had_been_moved_is_not_told_its_first_due_time_again() -> None:
    facts: list[Fact] = [requested(), joined(ROW_1 - HOUR)]

    for order in permutations(facts):
        monitor = that_told((Told.SET, 0 * HOUR), (Told.SET, HOUR)).learn(*order).wait_until(LONG_AFTER)

        assert monitor.what[-1] == Breached()
        assert [decision.start.due_at for decision in monitor.decided] == [EARLIER] * len(monitor.decided)
        assert len(monitor.decided) <= 2  # at most a warning before


def test_a_breach_known_again_is_corrected_once() -> None:
    monitor = that_told((Told.SET, 0 * HOUR), (Told.BREACHED, 0 * HOUR)).learn(requested())

    monitor.learn(stopped(DUE), stopped(DUE - HOUR), now=LONG_AFTER).wait_until(LONG_AFTER)

    assert monitor.what == [Met(DUE, corrects=True)]
    assert monitor.standing is Standing.MET
