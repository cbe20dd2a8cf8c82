"""`peerline demo`: the whole system, fed with samples and answered by played people."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from peerline_local.home import Home

if TYPE_CHECKING:
    from rich.console import Console

    from peerline_local.demo.outcome import Outcome
    from peerline_local.demo.run import Choices
    from peerline_local.demo.show import Show

Once = Annotated[bool, typer.Option("--once", help="End when the samples are through; exit code 1 if any went wrong.")]
AsJson = Annotated[bool, typer.Option("--json", help="The outcome as one JSON object, on the last line.")]
Seed = Annotated[int | None, typer.Option(help="Other samples.")]
PortBase = Annotated[int, typer.Option(min=1024, max=65000, help="The first service's port.")]
LogLevel = Annotated[str, typer.Option(help="debug, info, warning or error.")]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("demo")(demo)


def demo(
    context: typer.Context,
    once: Once = False,
    as_json: AsJson = False,
    *,
    seed: Seed = None,
    port_base: PortBase = 8101,
    log_level: LogLevel = "info",
) -> None:
    """Start everything, feed invented incidents, play the people, and compare what was fed with what came of it."""
    from peerline.zones import use_packaged_zones
    from rich.console import Console

    from peerline_local.demo.run import Choices
    from peerline_local.demo.samples import SEED

    use_packaged_zones()
    choices = Choices(SEED if seed is None else seed, port_base, log_level.lower())
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    # Progress goes to the error output, so that the last line of the other is the outcome alone.
    try:
        outcome = _play(Home.at(context.obj), choices, Console(stderr=True), once=once)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps(outcome.as_json()))
    raise typer.Exit(0 if outcome.is_good else 1)


def _play(home: Home, choices: Choices, console: Console, *, once: bool) -> Outcome:
    """Return the outcome when the stack is down again; `once` does not wait for Ctrl-C."""
    import time

    from peerline_local.demo.overlay import SAYS
    from peerline_local.demo.run import perform, prepare
    from peerline_local.stack import Stack

    began = time.monotonic()
    options, samples = prepare(home, choices)
    console.print(SAYS, style="dim")
    with console.status("Starting") as status, Stack(home, options, say=status.update) as stack:
        outcome, show = perform(home, samples, options, status.update, began)
        status.stop()
        _report(console, outcome, show)
        if not once:
            _wait(console, stack.urls())
    return outcome


def _report(console: Console, outcome: Outcome, show: Show) -> None:
    from rich.padding import Padding

    from peerline_local.demo.clocks import in_lines
    from peerline_local.demo.outcome import table

    console.print(table(show.samples, show.ledger, show.zone))
    console.print("One clock of each kind, as sla-monitor explains it:")
    for indented, line in in_lines(outcome.clocks):
        console.print(Padding(line, (0, 0, 0, indented), expand=False), highlight=False)
    found = {"missing": outcome.missing, "doubled": outcome.duplicates, "wrong": outcome.wrong}
    for kind, places in found.items():
        for place in places:
            console.print(f"{kind}: {place}", style="red", highlight=False)
    verdict = "Nobody missed, nobody contacted twice" if outcome.is_good else "Not as it must be"
    console.print(f"{verdict}, after {outcome.seconds} s.", style="bold")


def _wait(console: Console, urls: dict[str, str]) -> None:
    console.print(f"Mailbox, with the private links: {urls['mailbox']}")
    for name, url in urls.items():
        console.print(f"  {name:<12} {url}", highlight=False)
    console.print("Ctrl-C stops everything.")
    try:
        signal.pause()
    except KeyboardInterrupt:
        console.print("Stopping")
