"""`peerline quarantine`: records that could not be taken, and taking them again."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from peerline_local.errors import StackError
from peerline_local.home import Home

if TYPE_CHECKING:
    from peerline_local.demo.reach import Reach

AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
EntryId = Annotated[str, typer.Argument(metavar="ID", help="The entry's id, or its beginning.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(no_args_is_help=True, help="Records that could not be taken; never their content.")
    group.command("list")(list_entries)
    group.command("show")(show)
    group.command("replay")(replay)
    app.add_typer(group, name="quarantine")


def list_entries(context: typer.Context, as_json: AsJson = False) -> None:
    """Where each record stands on its topic, and why it could not be taken."""
    entries = asyncio.run(entries_of(_reach(context)))
    if as_json:
        for entry in entries:
            typer.echo(json.dumps(entry))
    elif not entries:
        typer.echo("Nothing is in quarantine")
    for entry in [] if as_json else entries:
        place = f"{entry['topic']}/{entry['partition']}/{entry['offset']}"
        typer.echo(f"{entry['id'][:8]}  {entry['service']:<12} {place:<32} {entry['reason']} {entry['path']}".rstrip())


def show(context: typer.Context, entry: EntryId) -> None:
    """Everything that is known of one record, but its content."""
    typer.echo(json.dumps(asyncio.run(_find(_reach(context), entry)), indent=2))


def replay(context: typer.Context, entry: EntryId) -> None:
    """Take a record again; what was sent before is not sent again."""
    reach = _reach(context)

    async def run() -> None:
        found = await _find(reach, entry)
        await reach.ask(found["service"], "POST", f"/v1/quarantine/{found['id']}/replay", role="operator")

    asyncio.run(run())
    typer.echo("Taken. Messages sent again: 0; what it brings for the first time goes its way.")


async def entries_of(reach: Reach) -> list[dict[str, Any]]:
    """Return the entries of all services, each with the service that has it."""

    async def ask(service: str) -> list[dict[str, Any]]:
        answer = await reach.ask(service, "GET", "/v1/quarantine?limit=500", role="operator")
        return [{"service": service, **entry} for entry in answer["entries"]]

    services = [name for name in reach.urls if name != "mailbox"]
    return [entry for entries in await asyncio.gather(*map(ask, services)) for entry in entries]


async def _find(reach: Reach, entry_id: str) -> dict[str, Any]:
    found = [entry for entry in await entries_of(reach) if str(entry["id"]).startswith(entry_id)]
    if len(found) != 1:
        raise StackError(f"{len(found) or 'no'} entries have an id that begins with {entry_id!r}")
    return found[0]


def _reach(context: typer.Context) -> Reach:
    from peerline_local.demo.reach import Reach

    return Reach.of(Home.at(context.obj))
