"""`peerline programme`: check programme files, and show what one promises."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from peerline_local.errors import StackError

if TYPE_CHECKING:
    from peerline.programme import Programmes

Folder = Annotated[
    Path | None,
    typer.Option("--programmes", envvar="PEERLINE_PROGRAMMES", help="The folder of programme files."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(no_args_is_help=True, help="Programme files: check them, show one.")
    group.command("check")(check)
    group.command("show")(show)
    app.add_typer(group, name="programme")


def check(folder: Folder = None) -> None:
    """Read every file; exit code 1, with file and field, at the first that is wrong."""
    for programme in _programmes(folder).values():
        typer.echo(f"{programme.id}: in order, digest {programme.digest}")


def show(programme_id: Annotated[str, typer.Argument(metavar="ID")], folder: Folder = None) -> None:
    """Show a programme as the services understand it, defaults included, as YAML."""
    import yaml

    programmes = _programmes(folder)
    if programme_id not in programmes:
        raise StackError(f"there is no programme {programme_id!r}, only {', '.join(programmes)}")
    content = programmes[programme_id].model_dump(mode="json", by_alias=True)
    typer.echo(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), nl=False)


def _programmes(folder: Path | None) -> Programmes:
    from peerline.programme import ProgrammeError, read_programmes

    from peerline_local.services import Options

    try:
        return read_programmes(Options(programmes=folder).programmes_folder())
    except ProgrammeError as error:
        raise StackError(str(error)) from None
