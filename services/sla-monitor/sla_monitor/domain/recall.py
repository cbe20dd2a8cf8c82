"""What a deadline event of our own says, to a database that was set back and has lost it."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sla_monitor.domain.facts import Case, Clock, Verdict, earliest


class Told(StrEnum):
    """What was told about a clock."""

    SET = "set"
    APPROACHING = "approaching"
    MET = "met"
    CORRECTED = "corrected"
    BREACHED = "breached"


@dataclass(frozen=True)
class Said:
    """An event that was published: the case's count by then, the clock, its due time."""

    told: Told
    sequence: int
    kind: str
    due_at: datetime


def recalled(case: Case, said: Said) -> Case:
    """The case that knows what it once decided. Decides nothing, and any repeat changes nothing."""
    case = replace(case, sequence=max(case.sequence, said.sequence))
    if case.forgotten:
        return case
    clock = _with(case.clocks.get(said.kind, Clock(said.kind)), said)
    return replace(case, clocks={**case.clocks, said.kind: clock})


def _with(clock: Clock, said: Said) -> Clock:
    match said.told:
        case Told.SET:
            return replace(clock, told_due_at=earliest(clock.told_due_at, said.due_at))
        case Told.APPROACHING:
            return replace(clock, approached=True)
        case Told.MET:
            return replace(clock, verdict=Verdict.MET)
        case Told.BREACHED:
            return replace(clock, verdict=Verdict.BREACHED)
        case Told.CORRECTED:
            return replace(clock, verdict=Verdict.BREACHED, corrected=True)
