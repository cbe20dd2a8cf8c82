"""`peerline worklist`: what waits for a person, in all services, and acting on it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from peerline_local.errors import StackError
from peerline_local.home import Home

if TYPE_CHECKING:
    from peerline_local.demo.reach import Reach

# What another service than the item's has to do: services never call each other, whoever acts calls both.
_ELSEWHERE = {
    "reseal": ("intake", "/v1/referrals/{referral_id}/reseal"),
    "propose-again": ("matcher", "/v1/referrals/{referral_id}/release"),
}

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(invoke_without_command=True, help="What waits for a person, and acting on it.")
    group.callback()(list_by_default)
    group.command("list")(list_items)
    group.command("act")(act)
    app.add_typer(group, name="worklist")


def list_by_default(context: typer.Context, as_json: AsJson = False) -> None:
    """What waits for a person, oldest first."""
    if context.invoked_subcommand is None:
        _list(Home.at(context.obj), as_json=as_json)


def list_items(context: typer.Context, as_json: AsJson = False) -> None:
    """What waits for a person, oldest first."""
    _list(Home.at(context.obj), as_json=as_json)


def act(
    context: typer.Context,
    item: Annotated[str, typer.Argument(metavar="ID", help="The item's id, or its beginning.")],
    action: Annotated[str, typer.Argument(help="One of the item's actions, or resolve.")],
    body: Annotated[str, typer.Option(help="What the action needs, as a JSON object.")] = "{}",
) -> None:
    """Act on an item; it is off the list then, or once the service that acts has answered with an event."""
    try:
        content = json.loads(body)
    except ValueError:
        raise StackError("--body is not JSON") from None
    asyncio.run(_act(Home.at(context.obj), item, action, content))
    typer.echo(f"{action}: done")


async def items_of(reach: Reach) -> list[dict[str, Any]]:
    """Return the open items of all services, oldest first, each with the service that has it."""

    async def ask(service: str) -> list[dict[str, Any]]:
        answer = await reach.ask(service, "GET", "/v1/worklist?limit=500")
        return [{"service": service, **item} for item in answer["items"]]

    services = [name for name in reach.urls if name != "mailbox"]
    lists = await asyncio.gather(*map(ask, services))
    return sorted((item for one in lists for item in one), key=lambda item: str(item["since"]))


def _list(home: Home, *, as_json: bool) -> None:
    from peerline_local.demo.reach import Reach

    items = asyncio.run(items_of(Reach.of(home)))
    if as_json:
        for item in items:
            typer.echo(json.dumps(item))
    elif not items:
        typer.echo("Nothing waits for a person")
    for item in [] if as_json else items:
        typer.echo(line_of(item))


def line_of(item: dict[str, Any]) -> str:
    """Return an item in a line: id, since when, where, what and why, and what can be done."""
    since = str(item["since"])[:16].replace("T", " ")
    what = " ".join(filter(None, (item["kind"], item["reason"], "urgent" if item["urgent"] else "")))
    actions = ", ".join([*item["actions"], *_elsewhere(item)])
    return f"{item['id'][:8]}  {since}  {item['service']:<12} {item['programme'] or '':<12} {what}  [{actions}]"


def _elsewhere(item: dict[str, Any]) -> list[str]:
    """Return what can be done about an item in another service."""
    if item["kind"] != "unreadable":
        return []
    return ["propose-again" if str(item["subject"]).startswith("match-proposed/") else "reseal"]


async def _act(home: Home, item_id: str, action: str, body: dict[str, Any]) -> None:
    from peerline_local.demo.reach import Reach

    reach = Reach.of(home)
    found = [item for item in await items_of(reach) if str(item["id"]).startswith(item_id)]
    if len(found) != 1:
        raise StackError(f"{len(found) or 'no'} open items have an id that begins with {item_id!r}")
    if action in _elsewhere(found[0]):
        service, path = _ELSEWHERE[action]
        await reach.ask(service, "POST", path.format(**found[0]))
    else:
        await reach.ask(found[0]["service"], "POST", f"/v1/worklist/{found[0]['id']}/{action}", json=body)
