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


def apply(context: typer.Context, bootstrap: Bootstrap = None) -> None:
    """Make the topics that are missing; those that are there stay as they are."""
    from aiokafka.errors import KafkaError

    from peerline_local.demo.reach import Reach
    from peerline_local.errors import StackError
    from peerline_local.stack import apply_topics

    address = bootstrap or Reach.of(Home.at(context.obj)).kafka_bootstrap
    try:
        apply_topics(address)
    except KafkaError as error:
        raise StackError(f"topics cannot be made at {address}: {type(error).__name__}") from None
    typer.echo("All topics are there")
