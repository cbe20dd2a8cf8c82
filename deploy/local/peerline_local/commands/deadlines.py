"""`peerline deadlines`: the clocks of a programme that somebody waits for, and taking note of one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from peerline_local.home import Home

if TYPE_CHECKING:
    from peerline_local.demo.reach import Reach

Programme = Annotated[str | None, typer.Option("--programme", help="The programme's id.")]
DueBefore = Annotated[
    str | None, typer.Option("--due-before", help="Only those due before this instant: 2026-11-23T17:00:00Z.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(invoke_without_command=True, help="Clocks that somebody waits for, and taking note of one.")
    group.callback()(show_deadlines)
    group.command("acknowledge")(acknowledge)
    app.add_typer(group, name="deadlines")


def show_deadlines(
    context: typer.Context, programme: Programme = None, due_before: DueBefore = None, as_json: AsJson = False
) -> None:
    """Show the open clocks of a programme, overdue ones included, the earliest due first."""
    from peerline_local.demo.reach import Reach

    if context.invoked_subcommand is not None:
        return
    if programme is None:
        raise typer.BadParameter("is missing", param_hint="--programme")
    asyncio.run(show(Reach.of(Home.at(context.obj)), programme, due_before, as_json=as_json))


def acknowledge(
    context: typer.Context,
    referral: Annotated[str, typer.Argument(metavar="REFERRAL", help="The referral's id.")],
    clock: Annotated[str, typer.Argument(metavar="CLOCK", help="The kind of the clock: match, first-contact, …")],
    attempt: Annotated[
        int | None, typer.Option(help="The number of the attempt, where the clock is an attempt's.")
    ] = None,
) -> None:
    """Take note of a clock that approaches or is breached: nobody else is told of it."""
    from peerline_local.demo.reach import Reach

    asyncio.run(take_note(Reach.of(Home.at(context.obj)), referral, clock, attempt))


async def take_note(reach: Reach, referral: str, clock: str, attempt: int | None) -> None:
    """Acknowledge a clock and say since when it is; StackError where the service refuses it."""
    path = f"/v1/cases/{quote(referral, safe='')}/clocks/{quote(clock, safe='')}/acknowledgement"
    said = await reach.ask("sla-monitor", "POST", path, params={} if attempt is None else {"attempt": attempt})
    typer.echo(f"{clock}: acknowledged {str(said['acknowledged_at'])[:16].replace('T', ' ')}Z")


async def show(reach: Reach, programme: str, due_before: str | None, *, as_json: bool) -> None:
    """Print the open clocks of a programme; StackError where the service refuses it."""
    found = 0
    async for deadline in open_deadlines(reach, programme, due_before):
        typer.echo(json.dumps(deadline) if as_json else line_of(deadline))
        found += 1
    if not found and not as_json:
        typer.echo("Nobody waits for anything")


async def open_deadlines(reach: Reach, programme: str, due_before: str | None = None) -> AsyncIterator[dict[str, Any]]:
    """Give the open clocks of a programme, the earliest due first, page by page."""
    asked: dict[str, Any] = {"programme": programme, "limit": 500} | ({"due_before": due_before} if due_before else {})
    while True:
        page = await reach.ask("sla-monitor", "GET", "/v1/deadlines", params=asked)
        for deadline in page["deadlines"]:
            yield deadline
        if page["next"] is None:
            return
        asked["after"] = page["next"]


def line_of(deadline: dict[str, Any]) -> str:
    """Return an open clock in a line: when it is due, how it stands, what it is, and whose."""
    due = str(deadline["due_at"])[:16].replace("T", " ") + "Z" if deadline["due_at"] else f"{'not for now':<17}"
    standing = " ".join([deadline["state"], *["overdue"] * deadline["overdue"]])
    attempt = f" {deadline['attempt']}" if deadline["attempt"] else ""
    steps = f"  step {deadline['escalated']}" if deadline["escalated"] else ""
    noted = "  acknowledged" if deadline["acknowledged_at"] else ""
    clock = f"{deadline['clock']}{attempt} ({deadline['firmness']})"
    return f"{due}  {standing:<16}  {clock}  {deadline['referral_id']}{steps}{noted}"
