"""`peerline directory` and `peerline roster`: who the physicians and the supporters are."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from peerline_local.errors import StackError
from peerline_local.home import Home

File = Annotated[Path, typer.Argument(help="A FHIR Bundle (JSON) or a CSV file.")]
RosterFile = Annotated[Path, typer.Argument(help="A CSV file of supporters.")]
SourceId = Annotated[
    str | None,
    typer.Option("--source", help="Whose references and identifier systems the file uses; else those of all."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("directory")(load_directory)
    app.command("roster")(load_roster)


def load_directory(context: typer.Context, file: File, source: SourceId = None) -> None:
    """Load physicians; whoever waited for one of them is released."""
    parameters = {"source": source} if source else {}
    answer = asyncio.run(_put(Home.at(context.obj), "intake", "/v1/directory", _read(file), **parameters))
    _say(file, answer)


def load_roster(context: typer.Context, file: RosterFile) -> None:
    """Load supporters."""
    _say(file, asyncio.run(_put(Home.at(context.obj), "matcher", "/v1/roster", _read(file))))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise StackError(f"{file}: {error.strerror}") from None


async def _put(home: Home, service: str, path: str, body: bytes, **parameters: str) -> dict[str, Any]:
    from peerline_local.demo.reach import Reach

    kind = "application/fhir+json" if body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{" else "text/csv"
    answer: dict[str, Any] = await Reach.of(home).ask(
        service, "PUT", path, content=body, params=parameters, headers={"content-type": kind}
    )
    return answer


def _say(file: Path, answer: dict[str, Any]) -> None:
    """Say the counts, and where faults are; exit code 1 when a row was left out."""
    faults = answer.pop("faults", [])
    typer.echo(f"{file.name}: " + ", ".join(f"{name} {count}" for name, count in answer.items()))
    for fault in faults:
        typer.echo(f"  line {fault['line']}: {fault['column']}: {fault['code']}", err=True)
    if faults:
        raise typer.Exit(1)
