"""`peerline resume`: what a service had lost when its database was set back, and letting it go on."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from peerline_local.errors import StackError
from peerline_local.home import Home

if TYPE_CHECKING:
    from peerline_local.demo.reach import Reach

SHOWN = 20
"""Referrals listed for each service; the figures count all."""


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("resume")(resume)


def resume(
    context: typer.Context,
    service: Annotated[str | None, typer.Option(help="Only this service.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Show what services had lost when their database was set back, and let them go on after your look."""
    from peerline_local.demo.reach import Reach

    reach = Reach.of(Home.at(context.obj))
    names = [name for name in reach.urls if name != "mailbox" and service in (None, name)]
    if not names:
        raise StackError(f"no service is called {service!r}")
    halted = {name: found for name in names if (found := asyncio.run(_look(reach, name)))["halted_since"]}
    if not halted:
        typer.echo("Nothing is halted")
    for name, found in halted.items():
        typer.echo("\n".join(lines_of(name, found)))
        if not yes:
            typer.confirm(f"Let {name} go on?", abort=True)
        asyncio.run(reach.ask(name, "POST", "/v1/resume", role="operator"))
        typer.echo(f"{name} goes on; what may have been sent before is on the worklist")


async def _look(reach: Reach, service: str) -> dict[str, Any]:
    found: dict[str, Any] = await reach.ask(service, "GET", "/v1/restored?limit=500", role="operator")
    return found


def lines_of(service: str, found: dict[str, Any]) -> list[str]:
    """Return what `/v1/restored` of a service says, in plain lines: figures, and its referrals with their events."""
    since = str(found["halted_since"])[:16].replace("T", " ")
    lines = [f"{service}: its database was set back; halted since {since}; own events lost: {found['lost']}"]
    if found["not_recalled"]:
        lines.append(f"  {found['not_recalled']} of them could not be read: see the worklist")
    by_referral: dict[str, Counter[str]] = {}
    for event in found["events"]:
        kind = event["type"].removeprefix("peerline.").rpartition(".")[0]
        by_referral.setdefault(event["referral_id"], Counter())[kind] += 1
    for referral, kinds in list(by_referral.items())[:SHOWN]:
        lines.append(f"  {referral}  " + ", ".join(f"{kind} {count}" for kind, count in kinds.items()))
    if len(by_referral) > SHOWN:
        lines.append(f"  and {len(by_referral) - SHOWN} more referrals")
    return lines
