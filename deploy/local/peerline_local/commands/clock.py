"""`peerline clock`: when a promise would be due, and why; pauses of a case's clocks, and reckoning them again."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from peerline_local.commands.programme import Folder, programmes_in
from peerline_local.errors import StackError
from peerline_local.home import Home

if TYPE_CHECKING:
    from peerline.programme import Programmes

    from peerline_local.demo.reach import Reach

Case = Annotated[UUID, typer.Argument(metavar="REFERRAL", help="The case's referral id.")]
PauseId = Annotated[UUID, typer.Argument(metavar="PAUSE", help="The id that `pause` gave.")]
Code = Annotated[str, typer.Option("--code", help="Why, in lower-case-with-hyphens; names nobody.")]
From = Annotated[str | None, typer.Option("--from", help="An instant, 2026-11-23T17:00:00Z; now without it.")]
To = Annotated[str | None, typer.Option("--to", help="Where it ends already; open without it.")]
At = Annotated[str | None, typer.Option("--at", help="Where it ended; now without it, its begin withdraws it.")]
Kind = Annotated[str | None, typer.Option("--clock", help="Only the clocks of this kind.")]
InWords = Annotated[bool, typer.Option("--sentence", help="Only the sentence of each answer, not the JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(no_args_is_help=True, help="Clocks: due times, why, and pauses.")
    group.command("due")(due)
    group.command("pause")(pause)
    group.command("resume")(resume)
    group.command("recalculate")(recalculate)
    app.add_typer(group, name="clock")


def due(folder: Folder = None, in_words: InWords = False) -> None:
    """
    Answer what-ifs from standard input, one JSON object a line; nothing needs to run.

    By a rule, as programme files have it:
    {"due": RULE, "zone": NAME, "calendar": CALENDAR, "received_at": TIME}

    By the clock of a programme:
    {"programme": ID, "clock": KIND, "received_at": TIME}
    where the time is when the request was received, or when whatever
    else starts this clock happened.

    Either may add "pauses": [{"from": TIME, "to": TIME, "code": CODE}].
    A time is 2026-08-14T18:00-07:00, or local without the offset.

    Each line is answered at once: when it is due, with the steps that led
    there, or which line and field are wrong. Exit code 1 where any was.
    """
    from peerline.zones import use_packaged_zones

    use_packaged_zones()
    programmes = cache(partial(_known, folder))
    failed = 0
    try:
        for number, line in enumerate(sys.stdin.buffer, start=1):
            if line.strip():
                failed += not _answer(number, line, programmes, in_words=in_words)
    except (KeyboardInterrupt, BrokenPipeError):
        raise typer.Exit from None
    if failed:
        raise typer.Exit(1)


def pause(
    context: typer.Context, referral: Case, *, code: Code, begins: From = None, ends: To = None, clock: Kind = None
) -> None:
    """Pause the clocks of a case; prints the pause's id, and when each clock is due then and why."""
    given = {"code": code, "begins_at": begins or _now(), "ends_at": ends, "clock": clock}
    asyncio.run(record(_reach(context), f"{referral}/pauses", given))


def resume(context: typer.Context, referral: Case, pause_id: PauseId, at: At = None) -> None:
    """End a pause that is open, or correct where it ends."""
    asyncio.run(record(_reach(context), f"{referral}/pauses/{pause_id}", {"ends_at": at or _now()}))


def recalculate(context: typer.Context, referral: Case, *, code: Code) -> None:
    """Reckon a case's undecided clocks again, by the programme's file, calendar and time zones as they are now."""
    asyncio.run(record(_reach(context), f"{referral}/recalculation", {"code": code}))


async def record(reach: Reach, of_a_case: str, given: dict[str, Any]) -> None:
    """Have something recorded of a case's clocks and print what became of them; StackError where it is refused."""
    answer = await reach.ask("sla-monitor", "POST", f"/v1/cases/{of_a_case}", json=given)
    if "pause_id" in answer:
        typer.echo(f"pause {answer['pause_id']}")
    if not answer.get("recalculated", True):
        typer.echo("Nothing to reckon again: the clocks go by what is in force")
    for clock in answer["clocks"]:
        attempt = f" {clock['attempt']}" if clock["attempt"] else ""
        typer.echo(f"{clock['clock']}{attempt}, {clock['state']}: {clock['explanation']}")


def _reach(context: typer.Context) -> Reach:
    from peerline_local.demo.reach import Reach

    return Reach.of(Home.at(context.obj))


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _answer(number: int, line: bytes, programmes: Callable[[], Programmes], *, in_words: bool) -> bool:
    """Print the answer to a line at once; returns whether there was one."""
    from peerline_local.what_if import Unanswerable, answer

    try:
        found = answer(line, programmes)
    except Unanswerable as fault:
        where = f"line {number}: {fault.field}: " if fault.field else f"line {number}: "
        error = {"error": fault.why, "field": fault.field or None, "line": number}
        typer.echo(f"{where}{fault.why}" if in_words else json.dumps(error, ensure_ascii=False))
        return False
    typer.echo(found.explanation if in_words else json.dumps(found.as_json(), ensure_ascii=False))
    return True


def _known(folder: Folder) -> Programmes:
    from peerline_local.what_if import Unanswerable

    try:
        return programmes_in(folder)
    except StackError as error:
        raise Unanswerable("programme", str(error)) from None
