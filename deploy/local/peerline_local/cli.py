"""
The command `peerline`.

Its sub-commands are in `commands/`: each module there has a function `register(app)`, and is found
by being there.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from peerline_local import commands
from peerline_local.errors import StackError
from peerline_local.home import Home


class _OneLineErrors(TyperGroup):
    """Says what is wrong in a line on the error output, and exits with code 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except StackError as error:
            typer.echo(f"peerline: {error}", err=True)
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=_OneLineErrors,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Peerline on one machine: bring it up, feed it, look at it.",
)


@app.callback()
def choose_home(
    context: typer.Context,
    home: Annotated[Path, typer.Option(envvar="PEERLINE_HOME", help="The folder that holds the stack's data.")] = Path(
        ".peerline"
    ),
) -> None:
    """Peerline on one machine: bring it up, feed it, look at it."""
    context.obj = Home.at(home)


for _module in sorted(pkgutil.iter_modules(commands.__path__), key=lambda module: module.name):
    importlib.import_module(f"{commands.__name__}.{_module.name}").register(app)
