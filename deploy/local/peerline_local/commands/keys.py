"""`peerline keys rotate`: the weekly keys of sealed compartments."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import typer

from peerline_local.home import Home


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    group = typer.Typer(no_args_is_help=True, help="The keys of sealed compartments.")
    group.callback()(keys)
    group.command("rotate")(rotate)
    app.add_typer(group, name="keys")


def keys() -> None:
    """The keys of sealed compartments."""


def rotate(context: typer.Context) -> None:
    """
    Make the keys of the weeks to come, and destroy those that nothing on a topic can need any more.

    `up` does the same. Services read their keys when they start.
    """
    from peerline_local.keys import AUDIENCES, opening_keys, sealing_keys

    home = Home.at(context.obj)
    sealing_keys(home, datetime.now(UTC))
    for audience in AUDIENCES:
        weeks = sorted(
            key["kid"].partition(".")[2] for key in json.loads(opening_keys(home, audience).read_text())["keys"]
        )
        typer.echo(f"{audience}: {weeks[0]} to {weeks[-1]}")
    typer.echo("Restart the services before the last of these weeks begins: matcher and notifier before the others")
