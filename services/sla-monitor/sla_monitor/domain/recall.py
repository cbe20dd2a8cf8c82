"""What a deadline event of our own says, to a database that was set back and has lost it."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sla_monitor.domain.case import WHOLE_CASE, Case, Clock, ClockName, Verdict, earliest


class Told(StrEnum):
    """What was told about a clock."""

    SET = "set"
    APPROACHING = "approaching"
    MET = "met"
    CORRECTED = "corrected"
    BREACHED = "breached"
    ESCALATED = "escalated"
    ACKNOWLEDGED = "acknowledged"


@dataclass(frozen=True)
class Said:
    """
    An event that was published: the case's count by then, the clock and its due time, and whose attempt it is.

    `level` is the step of an escalation; `at` is when it was decided.
    """

    told: Told
    sequence: int
    kind: str
    due_at: datetime
    attempt: int = WHOLE_CASE
    level: int = 0
    at: datetime | None = None


def recalled(case: Case, said: Said) -> Case:
    """
    The case that knows what it once decided; to be told in the order of the case's count.

    Decides nothing, and any repeat changes nothing.
    """
    is_news = said.sequence > case.sequence
    case = replace(case, sequence=max(case.sequence, said.sequence))
    if case.forgotten:
        return case
    name = ClockName(said.kind, said.attempt)
    clock = _with(case.clocks.get(name, Clock(*name)), said, is_news=is_news)
    return replace(case, clocks={**case.clocks, name: clock})


def _with(clock: Clock, said: Said, *, is_news: bool) -> Clock:
    known: dict[str, Any] = {}
    match said.told:
        case Told.SET if is_news or clock.told_due_at is None:
            # The last one holds, whether it moved the due time to an earlier one or, for a pause, to a later.
            known = {"told_due_at": said.due_at}
        case Told.APPROACHING:
            known = {"approached": True}
        case Told.MET:
            known = {"verdict": Verdict.MET}
        case Told.BREACHED:
            known = {"verdict": Verdict.BREACHED, "noticed_at": earliest(clock.noticed_at, said.at)}
        case Told.CORRECTED:
            known = {"verdict": Verdict.BREACHED, "corrected": True}
        case Told.ESCALATED:
            known = {"escalated": max(clock.escalated, said.level)}
        case Told.ACKNOWLEDGED:  # by whom was never published
            known = {"acknowledged_at": earliest(clock.acknowledged_at, said.at)}
    return replace(clock, **known)
