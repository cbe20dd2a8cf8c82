"""`peerline topics apply`: make the topics that the services need."""

from __future__ import annotations

from typing import Annotated

import typer

from peerline_local.home import Home

Bootstrap = Annotated[
    str | None,
    typer.Option(envvar="PEERLINE_KAFKA_BOOTSTRAP", help="The broker's address; else that of the running stack."),
]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    group = typer.Typer(no_args_is_help=True, help="The Kafka topics of the services.")
    group.callback()(topics)
    group.command("apply")(apply)
    app.add_typer(group, name="topics")


def topics() -> None:
    """The Kafka topics of the services."""


def apply(  # noqa: PLR0917  one parameter for each option
    context: typer.Context,
    bootstrap: Bootstrap = None,
    prefix: Annotated[str, typer.Option(envvar="PEERLINE_TOPIC_PREFIX", help="What stands before each name.")] = "",
    partitions: Annotated[
        int, typer.Option(min=1, help="Of a topic that is made; an existing one must have them.")
    ] = 6,
    replication: Annotated[int, typer.Option(min=1, help="Replicas of each partition.")] = 1,
    min_insync: Annotated[int, typer.Option(min=1, help="Replicas that must have a record before it counts.")] = 1,
    fix: Annotated[bool, typer.Option("--fix", help="Shorten retention too: older records are deleted.")] = False,
) -> None:
    """
    Make the topics that are missing, and put right what loses no record; exit code 1 where something stays wrong.

    The number of partitions is never changed: the order of a referral's events rests on it.
    """
    from peerline_local.demo.reach import Reach
    from peerline_local.errors import StackError
    from peerline_local.stack import apply_topics

    address = bootstrap or Reach.of(Home.at(context.obj)).kafka_bootstrap
    done = apply_topics(
        address, prefix=prefix, partitions=partitions, replication=replication, min_insync=min_insync, shorten=fix
    )
    for name in done.made:
        typer.echo(f"{name}: made")
    for fault in done.mended:
        typer.echo(f"{fault.topic}: {fault.setting} was {fault.found}, now {fault.wanted}")
    for fault in done.left:
        typer.echo(str(fault))
    if done.left:
        raise StackError(f"{len(done.left)} wrong settings are left as they are")
    typer.echo("All topics are there")
