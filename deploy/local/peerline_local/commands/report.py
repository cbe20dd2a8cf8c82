"""`peerline report`: how a programme's promises were kept, by month."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from peerline_local.errors import StackError
from peerline_local.home import Home

if TYPE_CHECKING:
    from peerline_local.demo.reach import Reach

Programme = Annotated[str, typer.Option("--programme", help="The programme's id.")]
From = Annotated[str | None, typer.Option("--from", help="The first month, 2026-01; eleven before the last if absent.")]
To = Annotated[str | None, typer.Option("--to", help="The last month, included; this one if absent.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="A table for a spreadsheet.")]

_COUNTS = ("decided", "met", "breached", "late_noticed", "corrected", "late")
_TIMES = ("wait_p50_minutes", "wait_p90_minutes", "entry_p50_minutes", "entry_p90_minutes")
_WITHIN = ("reported_p50_hours", "reported_p90_hours")


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("report")(show_report)


def show_report(
    context: typer.Context,
    programme: Programme,
    from_: From = None,
    to: To = None,
    *,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show by month and kind of clock what was met and breached, and how long it took; numbers under 11 are hidden."""
    from peerline_local.demo.reach import Reach

    last = to or f"{datetime.now(UTC):%Y-%m}"
    asked = {"programme": programme, "from": from_ or _eleven_before(last), "to": last}
    asyncio.run(show(Reach.of(Home.at(context.obj)), asked, as_json=as_json, as_csv=as_csv))


async def show(reach: Reach, asked: dict[str, str], *, as_json: bool, as_csv: bool) -> None:
    """Print the report that was asked for; StackError where the service refuses it."""
    path = "/v1/reports.csv" if as_csv else "/v1/reports"
    answer = await reach.answer("sla-monitor", "GET", path, params=asked)
    if as_csv:
        typer.echo(answer.text, nl=False)
    elif as_json:
        for row in answer.json()["rows"]:
            typer.echo(json.dumps(row))
    else:
        print_table(answer.json()["rows"])


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print the rows of a report; times as hours and minutes, those until something was reported as hours at most."""
    from rich.console import Console
    from rich.table import Table

    counted = (name.replace("_", " ") for name in _COUNTS)
    table = Table("month", "clock", "firmness", *counted, "in time", "target", box=None, pad_edge=False)
    for name in ("waited p50", "p90", "entered after p50", "p90", "reported within p50", "p90"):
        table.add_column(name, justify="right")
    for row in rows:
        counts = ("hidden" if name in row["hidden"] else _text(row[name]) for name in _COUNTS)
        percents = (_text(row[name], "%") for name in ("in_time_percent", "target_percent"))
        times = ("hidden" if name in row["hidden"] else _hours(row[name]) for name in _TIMES)
        within = ("hidden" if name in row["hidden"] else _text(row[name], " h") for name in _WITHIN)
        table.add_row(row["month"], row["clock"], row["firmness"], *counts, *percents, *times, *within)
    Console(width=190).print(table)


def _text(figure: float | None, unit: str = "") -> str:
    return "" if figure is None else f"{figure}{unit}"


def _hours(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02}"


def _eleven_before(last: str) -> str:
    """Return the month eleven before this one; StackError for what is no month."""
    try:
        first = date.fromisoformat(f"{last}-01") - timedelta(days=330)  # 11 months are 334 to 337 days
    except ValueError:
        raise StackError(f"--to {last!r} is not a month: 2026-11") from None
    return f"{first:%Y-%m}"
