"""What the doors for reports have in common."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, TypeVar

from chassis import Transactions, UnitOfWork
from chassis.http import Caller, Problem, require, transactions_of
from fastapi import Depends, Query

from intake import casework
from intake.casework import Verdict
from intake.domain.incident import IncidentReport
from intake.metrics import REPORTS
from intake.readers.faults import UnreadableReport
from intake.sources import Source, Sources

Database = Annotated[Transactions, Depends(transactions_of)]
Coordinator = Annotated[Caller, Depends(require("coordinator"))]
SourceId = Annotated[str | None, Query(max_length=64)]
T = TypeVar("T")
DryRun = Annotated[bool, Query(description="Decide and answer, and change nothing.")]


class _Rehearsed(Exception):
    """Rolls a transaction back whose answer is all that was wanted."""


async def in_transaction(
    transactions: Transactions, decide: Callable[[UnitOfWork], Awaitable[T]], *, rehearse: bool
) -> T:
    """Decide in one transaction, which is undone afterwards for a rehearsal."""
    try:
        async with transactions.begin() as work:
            found = await decide(work)
            if rehearse:
                raise _Rehearsed
    except _Rehearsed:
        pass
    return found


def count(door: str, verdicts: Sequence[Verdict]) -> None:
    """Count reports once their transaction is committed."""
    for verdict in verdicts:
        REPORTS.labels(door, "taken" if verdict.taken else "conflict").inc()


def source_named(transactions: Transactions, source_id: str | None) -> Source:
    """The source of this id; 422 where nobody knows it."""
    source = transactions.get(Sources).get(source_id or "")
    if source is None:
        raise Problem(422, "unknown-source", field="source")
    return source


def unreadable(fault: UnreadableReport) -> Problem:
    """The answer to what cannot be read: a code and a place."""
    return Problem(422, fault.code, field=fault.path or None)


async def decided(work: UnitOfWork, source: Source, reports: Sequence[IncidentReport]) -> list[Verdict]:
    """Take reports of one source that arrive now."""
    trace = work.traceparent(casework.NO_REFERRAL)
    arrivals = [casework.arrival_of(work, source, report, work.now, trace) for report in reports]
    return await casework.decide(work, arrivals)
