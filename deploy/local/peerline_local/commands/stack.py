"""`peerline setup`, `up`, `down`: the stack itself."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from peerline_local.home import Home

PortBase = Annotated[
    int,
    typer.Option(min=1024, max=65000, help="The first service's port; the others follow, SMTP is at +24."),
]
Programmes = Annotated[Path | None, typer.Option(envvar="PEERLINE_PROGRAMMES", help="The folder of programme files.")]
Sources = Annotated[Path | None, typer.Option(envvar="PEERLINE_SOURCES", help="The file of incident systems.")]
LogLevel = Annotated[str, typer.Option(help="debug, info, warning or error.")]
Trace = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Keep this share of traces in the home's logs folder."),
]
Detach = Annotated[bool, typer.Option("--detach", help="Return when all is ready, and leave it on.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("setup")(set_up)
    app.command("up")(bring_up)
    app.command("down")(bring_down)


def set_up() -> None:
    """Download what the stack needs and verify it; nothing is done twice."""
    from peerline_local.jars import ensure_jars

    jars = ensure_jars(report=typer.echo)
    typer.echo(f"Kafka: {len(jars)} jars verified in {jars[0].parent}")


def bring_up(
    context: typer.Context,
    *,
    detach: Detach = False,
    port_base: PortBase = 8101,
    programmes: Programmes = None,
    sources: Sources = None,
    log_level: LogLevel = "info",
    trace: Trace = None,
) -> None:
    """Start everything and say where it is; Ctrl-C stops it."""
    from peerline_local.running import up
    from peerline_local.services import Options

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    options = Options(port_base, programmes, sources, log_level.lower(), trace)
    up(Home.at(context.obj), options, detach=detach, say=typer.echo)


def bring_down(context: typer.Context) -> None:
    """Stop what `up` started; its data stays."""
    from peerline_local.running import down

    home = Home.at(context.obj)
    typer.echo("Stopped" if down(home) else f"Nothing runs from {home.path}")
