"""By month, how a programme's promises were kept and how long things took. Small numbers are hidden."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated

from chassis import Transactions
from chassis.http import Caller, Problem, require, transactions_of
from fastapi import APIRouter, Depends, Query, Response
from peerline.events import Firmness
from peerline.programme import Programme
from pydantic import BaseModel, StringConstraints

from sla_monitor.domain.outcomes import outcomes_of
from sla_monitor.domain.spreadsheet import as_csv
from sla_monitor.domain.suppression import Shown, part_shown, percentile_shown, shown
from sla_monitor.repository import standings
from sla_monitor.repository.standings import Month

router = APIRouter()

USUALLY = 90
"""Per cent: where a programme says "usually", this many in time are expected; no programme has said how many."""

LONGEST = 60
"""Months in one report."""

HIDDEN = "hidden"
Operators = Annotated[Caller, Depends(require("operator", "coordinator"))]
Database = Annotated[Transactions, Depends(transactions_of)]
YearMonth = Annotated[str, StringConstraints(pattern=r"^20\d{2}-(0[1-9]|1[0-2])$")]
From = Annotated[YearMonth, Query(alias="from")]


class ReportRow(BaseModel):
    """
    The clocks of one kind that started in a month; for the match clock and first contact, the requests received in it.

    `decided` is the sum of the four counts, of which a kind of clock has two or three. A count that is absent
    though the kind has it is named in `hidden`. A clock that was told as breached and refuted later is `corrected`,
    and no longer `breached`. `in_time_percent` is the share of `decided` that is neither breached nor late. Waits
    are from the start to the stop, entries from the start until it was entered here. `late_noticed` are those of the
    `breached` that were told minutes late, since the monitor was away or behind. `reported` are classes: so many
    hours at most went by from what happened until its source's report, where that said when and came within 30 days.
    """

    month: str
    clock: str
    firmness: str
    decided: int | None
    met: int | None = None
    breached: int | None = None
    corrected: int | None = None
    late: int | None = None
    late_noticed: int | None = None
    in_time_percent: float | None
    target_percent: int | None
    wait_p50_minutes: int | None
    wait_p90_minutes: int | None
    entry_p50_minutes: int | None
    entry_p90_minutes: int | None
    reported_p50_hours: int | None
    reported_p90_hours: int | None
    hidden: list[str]


class Report(BaseModel):
    """A programme's report."""

    programme: str
    rows: list[ReportRow]


@router.get("/v1/reports")
async def report(
    programme: str,
    from_: From,
    to: YearMonth,
    _caller: Operators,
    transactions: Database,
) -> Report:
    """A row for each month, the last included, and each clock of the programme's file; 404 for an unknown programme."""
    return Report(programme=programme, rows=await _rows(transactions, programme, from_, to))


@router.get("/v1/reports.csv")
async def report_as_csv(
    programme: str,
    from_: From,
    to: YearMonth,
    _caller: Operators,
    transactions: Database,
) -> Response:
    """The same as a table; what is hidden says so."""
    rows = await _rows(transactions, programme, from_, to)
    head = ["programme", *(name for name in ReportRow.model_fields if name != HIDDEN)]
    cells = [[programme, *(_cell(row, name) for name in head[1:])] for row in rows]
    return Response(as_csv(head, cells), media_type="text/csv; charset=utf-8")


def _cell(row: ReportRow, name: str) -> object:
    return HIDDEN if name in row.hidden else getattr(row, name)


async def _rows(transactions: Transactions, programme_id: str, from_: str, to: str) -> list[ReportRow]:
    programme = transactions.surroundings.programmes.get(programme_id)
    if programme is None:
        raise Problem(404, "unknown-programme")
    wanted = list(_months(from_, to))
    if not 1 <= len(wanted) <= LONGEST:
        raise Problem(422, "wrong-value", field="to")
    async with transactions.begin() as work:
        found = await standings.months(work.connection, programme_id, wanted[0], wanted[-1])
    return list(_told(programme, wanted, found))


def _months(from_: str, to: str) -> Iterator[date]:
    first, last = (int(month[:4]) * 12 + int(month[5:]) - 1 for month in (from_, to))
    for number in range(first, last + 1):
        yield date(number // 12, number % 12 + 1, 1)


def _told(programme: Programme, wanted: list[date], found: list[Month]) -> Iterator[ReportRow]:
    """
    What may be told, month by month.

    A clock of the programme's file has a row in every month, so that a row does not say that there was anything; one
    that is no longer in the file only where there is a total to show.
    """
    listed = {(month, clock.kind, str(clock.firmness)) for month in wanted for clock in programme.clocks}
    counted = {(month.month, month.kind, month.firmness): month for month in found}
    for key in sorted(listed | counted.keys()):
        row = _row(counted.get(key) or Month.empty(*key))
        if key in listed or row.decided is not None:
            yield row


def _row(month: Month) -> ReportRow:
    told = shown({name: month.outcomes[name] for name in outcomes_of(month.kind)})
    figures: dict[str, int | None] = {
        "decided": told.total,
        **told.counts,
        **_parts(month, told),
        **_percentiles("wait_{}_minutes", month.waits, month.stopped),
        **_percentiles("entry_{}_minutes", month.entries, month.entered),
        **_percentiles("reported_{}_hours", month.reports, month.reported),
    }
    return ReportRow(
        month=f"{month.month:%Y-%m}",
        clock=month.kind,
        firmness=month.firmness,
        in_time_percent=_in_time(told),
        target_percent=USUALLY if month.firmness == Firmness.USUAL else None,
        hidden=[name for name, figure in figures.items() if figure is None],
        **figures,
    )


def _parts(month: Month, told: Shown) -> dict[str, int | None]:
    if "breached" not in told.counts:
        return {}
    return {"late_noticed": part_shown(month.late_noticed, told.counts["breached"])}


def _percentiles(name: str, values: tuple[int, int], number: int) -> dict[str, int | None]:
    return {
        name.format(f"p{percent}"): percentile_shown(value, number)
        for percent, value in zip((50, 90), values, strict=True)
    }


def _in_time(told: Shown) -> float | None:
    """Per cent, None where it would tell what is hidden."""
    not_in_time = told.counts.get("breached", told.counts.get("late"))
    if not_in_time is None or told.total is None:
        return None
    return round(100 * (told.total - not_in_time) / told.total, 1)
