"""`peerline events`: the events as they are on Kafka."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

import typer

from peerline_local.errors import StackError
from peerline_local.home import Home

if TYPE_CHECKING:
    from peerline_local.demo.records import Record

Topics = Annotated[
    list[str] | None,
    typer.Option("--topic", help="referrals, matches, outreach or deadlines; may be repeated."),
]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Feed = Annotated[bool, typer.Option("--feed", help="Show the incident systems' records too: they hold clinical text.")]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("events")(show_events)


def show_events(
    context: typer.Context,
    topic: Topics = None,
    follow: Follow = False,
    as_json: AsJson = False,
    feed: Feed = False,
) -> None:
    """Show events: topic, partition, offset, key, headers and body, or a line of each that people can read."""
    from peerline_local.demo.reach import Reach

    bootstrap = Reach.of(Home.at(context.obj)).kafka_bootstrap
    try:
        asyncio.run(show(bootstrap, chosen(topic or [], feed=feed), follow=follow, as_json=as_json))
    except (KeyboardInterrupt, BrokenPipeError):
        raise typer.Exit from None


def chosen(names: list[str], *, feed: bool) -> list[str]:
    """Return the topics asked for by short or full name; the feed only where `feed` says so."""
    from peerline.events import Topic

    known = {name: str(topic) for topic in Topic for name in (str(topic), str(topic).split(".")[1])}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise StackError(f"there is no topic {unknown[0]!r}")
    wanted = [known[name] for name in names] or [str(topic) for topic in Topic if topic is not Topic.ADVERSE_EVENTS]
    if not feed and Topic.ADVERSE_EVENTS in wanted:
        raise StackError("the feed holds clinical text: add --feed to see it")
    extra = [str(Topic.ADVERSE_EVENTS)] if feed and Topic.ADVERSE_EVENTS not in wanted and not names else []
    return list(dict.fromkeys([*wanted, *extra]))


async def show(bootstrap: str, topics: list[str], *, follow: bool, as_json: bool) -> None:
    """Print the records of these topics, in full or a line of each."""
    from peerline_local.demo.records import reading

    async with reading(bootstrap, topics) as reader:
        records = await reader.all_there_is()
        while True:
            for record in records:
                typer.echo(json.dumps(record.as_json(), ensure_ascii=False) if as_json else line_of(record))
            if not follow:
                return
            records = await reader.more()


def line_of(record: Record) -> str:
    """Return a record in a line: when, where, what, about which referral, and the step or clock if it has one."""
    shown = record.as_json()
    headers, body = shown["headers"], shown["body"] if isinstance(shown["body"], dict) else {}
    what = (headers.get("ce_type") or "record").removeprefix("peerline.").removesuffix(".v1")
    when = (headers.get("ce_time") or "")[:19].replace("T", " ")
    detail = " ".join(str(body[name]) for name in ("step", "clock", "attempt") if body.get(name))
    place = f"{record.topic.split('.')[1]}/{record.partition}/{record.offset}"
    return f"{when:<19}  {place:<16}  {what:<24} {shown['key'] or ''}  {detail}".rstrip()
