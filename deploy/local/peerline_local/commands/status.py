"""`peerline status`: what runs, and what each service says of itself."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from peerline_local.home import Home

AsJson = Annotated[bool, typer.Option("--json", help="The same as JSON, for programs.")]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("status")(show_status)


def show_status(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Show each service's readiness; exit code 1 when one is not ready, or nothing runs."""
    home = Home.at(context.obj)
    services = readiness(home)
    if as_json:
        typer.echo(json.dumps({"home": str(home.path), "services": services}, indent=2))
    elif not services:
        typer.echo(f"Nothing runs from {home.path}")
    else:
        print_table(services)
    if not services or not all(service["ready"] for service in services):
        raise typer.Exit(1)


def readiness(home: Home) -> list[dict[str, Any]]:
    """Return name, url, ready (true or false) and answer (from /ready) of each service that runs."""
    import httpx

    from peerline_local.running import state_of

    state = state_of(home)
    with httpx.Client(timeout=5.0, trust_env=False) as client:
        return [_ask(client, name, url) for name, url in (state or {"urls": {}})["urls"].items()]


def _ask(client: Any, name: str, url: str) -> dict[str, Any]:
    import httpx

    try:
        response = client.get(f"{url}/ready")
    except httpx.HTTPError as error:
        said: Any = f"no answer: {error}"
        return {"name": name, "url": url, "ready": False, "answer": said}
    try:
        said = response.json()
    except ValueError:
        said = response.text[:200]
    return {"name": name, "url": url, "ready": response.status_code == 200, "answer": said}


def print_table(services: list[dict[str, Any]]) -> None:
    """Print what `readiness` gave, and which database was set back."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("service", "ready", "address", "says", box=None, pad_edge=False)
    for service in services:
        ready = "yes" if service["ready"] else "no"
        table.add_row(
            service["name"], ready, service["url"], Text(_in_short(service["answer"]))
        )  # no markup: a list is none
    Console().print(table)
    for service in services:
        if halted := _halted(service["answer"]):
            since = str(halted["halted_since"])[:16].replace("T", " ")
            typer.echo(
                f"{service['name']}: its database was set back and had lost {halted['lost']} of its own events. "
                f"It sends and proposes nothing since {since}. Look and go on: peerline resume --service {service['name']}"
            )


def _halted(answer: Any) -> dict[str, Any] | None:
    """What a service says about a database that was set back and that nobody has looked at, if it does."""
    check: Any = answer.get("checks", {}).get("restored", {}) if isinstance(answer, dict) else {}
    return check if check.get("halted_since") else None


def _in_short(answer: Any) -> str:
    if not isinstance(answer, dict):
        return str(answer)
    checks = {name: check for name, check in answer.get("checks", {}).items() if isinstance(check, dict)}
    return "\n".join(f"{name} {_check_in_short(check)}" for name, check in checks.items())


def _check_in_short(check: dict[str, Any]) -> str:
    figures = (
        f"{key}={json.dumps(value)}" for key, value in check.items() if key != "ok" and value not in ([], {}, None)
    )
    return " ".join(["ok" if check.get("ok") else "not ok:", *(figure.replace('"', "") for figure in figures)])
