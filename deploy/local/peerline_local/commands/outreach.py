"""`peerline outreach`: pause a programme's messages to people, resume them, and see which are paused."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

import typer

from peerline_local.home import Home

Programme = Annotated[str, typer.Option("--programme", help="The programme's id.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(
        no_args_is_help=True, help="A programme's messages to people; coordinators are told all the same."
    )
    group.command("show")(show)
    group.command("pause")(pause)
    group.command("resume")(resume)
    app.add_typer(group, name="outreach")


def show(context: typer.Context) -> None:
    """Show the paused programmes, since when, and the number of messages by state."""
    typer.echo(json.dumps(_ask(context, "GET", "/v1/outreach"), indent=2))


def pause(context: typer.Context, programme: Programme) -> None:
    """Send nothing more to people of a programme; what is being handed over at this moment still goes."""
    _ask(context, "POST", f"/v1/outreach/{programme}/pause")
    typer.echo(f"{programme}: paused")


def resume(context: typer.Context, programme: Programme) -> None:
    """Send again; what is out of contact hours by now waits for the next."""
    _ask(context, "POST", f"/v1/outreach/{programme}/resume")
    typer.echo(f"{programme}: resumed")


def _ask(context: typer.Context, method: str, path: str) -> Any:
    from peerline_local.demo.reach import Reach

    return asyncio.run(Reach.of(Home.at(context.obj)).ask("notifier", method, path))
