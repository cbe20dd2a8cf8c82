"""`peerline programme`: check programme files, and show what one promises."""

from __future__ import annotations

from datetime import UTC, datetime
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
    """
    Read every file as the services do; exit code 1, with file or programme and the field, at the first fault.

    Besides what a file says, this asks what the monitor asks at its start: whether it can keep watch on every
    clock, and whether the calendar's place and years are known.
    """
    from sla_monitor.promises import fault_of

    for programme in programmes_in(folder).values():
        if fault := fault_of(programme, datetime.now(UTC)):
            raise StackError(f"{programme.id}: {fault}")
        typer.echo(f"{programme.id}: in order, digest {programme.digest}")


def show(programme_id: Annotated[str, typer.Argument(metavar="ID")], folder: Folder = None) -> None:
    """Show a programme as the services understand it, defaults included, as YAML."""
    import yaml

    programmes = programmes_in(folder)
    if programme_id not in programmes:
        raise StackError(f"there is no programme {programme_id!r}, only {', '.join(programmes)}")
    content = programmes[programme_id].model_dump(mode="json", by_alias=True)
    typer.echo(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), nl=False)


def programmes_in(folder: Path | None) -> Programmes:
    """The programmes of a folder, with the zones that the services use; raises StackError."""
    from peerline.programme import ProgrammeError, read_programmes
    from peerline.zones import use_packaged_zones

    from peerline_local.services import Options

    use_packaged_zones()
    try:
        return read_programmes(Options(programmes=folder).programmes_folder())
    except ProgrammeError as error:
        raise StackError(str(error)) from None
