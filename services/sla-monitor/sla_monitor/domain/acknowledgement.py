"""Somebody takes note of a clock that approaches or is breached: nobody else has to be told then."""

from dataclasses import replace
from datetime import datetime

from sla_monitor.domain.case import Case, ClockName
from sla_monitor.domain.decisions import Acknowledged, Decision, Standing, Taken, standing

WORTH_IT = frozenset({Standing.APPROACHING, Standing.BREACHED})
"""How a clock has to stand: before there is nothing to take note of, and afterwards nothing that anybody waits for."""


class NoSuchClock(LookupError):
    """The case has no such clock that ever ran."""


class NothingToAcknowledge(ValueError):
    """The clock neither approaches nor is breached."""


def acknowledge(case: Case, name: ClockName, at: datetime, by: str) -> Taken:
    """
    Let somebody, named by `by`, have taken note of a clock; the first who did stays.

    Raises NoSuchClock and NothingToAcknowledge.
    """
    clock = case.clocks.get(name)
    if clock is None or clock.start is None or not clock.begun:
        raise NoSuchClock
    if clock.acknowledged_at is not None:
        return case, []
    if standing(case, clock) not in WORTH_IT:
        raise NothingToAcknowledge
    noted = replace(clock, acknowledged_at=at, acknowledged_by=by)
    decision = Decision(Acknowledged(), name.kind, clock.start, name.attempt)
    return replace(case, clocks={**case.clocks, name: noted}), [decision]
