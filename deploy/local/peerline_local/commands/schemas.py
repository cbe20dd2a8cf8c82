"""`peerline schemas`: the published language as files; write them, check that they are current and compatible."""

from __future__ import annotations

from typing import Annotated

import typer

Release = Annotated[
    bool, typer.Option("--release", help="These files are released: later ones are compared with them.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(no_args_is_help=True, help="JSON Schema and AsyncAPI of the events: write them, check them.")
    group.command("write")(write)
    group.command("check")(check)
    app.add_typer(group, name="schemas")


def write(*, release: Release = False) -> None:
    """Write `schemas/json` and `schemas/asyncapi.yaml` anew from the code."""
    from peerline_local.schemas import files

    changed = files.write(release=release)
    for path in changed:
        typer.echo(f"schemas/{path}")
    if not changed:
        typer.echo("All files were current")


def check() -> None:
    """Exit with code 1 where a file is not current, or breaks with the last release."""
    from peerline_local.schemas import files

    faults = files.faults_of()
    for fault in faults:
        typer.echo(f"schemas/{fault}", err=True)
    if faults:
        raise typer.Exit(1)
    typer.echo("Schemas are current and compatible with the last release")
