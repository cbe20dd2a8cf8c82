"""Which PostgreSQL and which Kafka a stack uses: given ones, containers, or embedded ones."""

from __future__ import annotations

import os
from typing import Protocol, Self

from peerline_local import brokers, databases
from peerline_local.errors import StackError
from peerline_local.home import Home
from peerline_local.kafka import EmbeddedKafka
from peerline_local.postgres import EmbeddedPostgres
from peerline_local.processes import Process


class Server(Protocol):
    """A server that a stack uses, whoever runs it."""

    @property
    def process(self) -> Process | None:
        """What a supervisor has to watch; None where someone else runs it."""

    def start(self) -> Self:
        """Start it, or find it running; return when it answers. Raises StackError."""

    def stop(self) -> None:
        """Stop it, if it is ours to stop."""


class Postgres(Server, Protocol):
    """A PostgreSQL server."""

    @property
    def url(self) -> str:
        """The maintenance database; holds the password."""

    def create_database(self, name: str) -> str:
        """Make a database where it is missing, and return its URL."""

    def drop_database(self, name: str) -> None:
        """Remove a database and end its connections; no error where it is missing."""


class Kafka(Server, Protocol):
    """A Kafka cluster."""

    @property
    def bootstrap(self) -> str:
        """`host:port` of a broker, or several with commas between."""


class GivenPostgres:
    """A server that PEERLINE_POSTGRES_URL names; its role must be allowed to make databases."""

    process = None

    def __init__(self, url: str) -> None:
        self.url = url

    def start(self) -> Self:
        """Raise StackError when it does not answer."""
        reason = databases.why_no_answer(self.url)
        if reason is not None:
            raise StackError(f"the PostgreSQL of PEERLINE_POSTGRES_URL does not answer: {reason}")
        return self

    def create_database(self, name: str) -> str:
        """Make a database where it is missing, and return its URL."""
        return databases.create_database(self.url, name)

    def drop_database(self, name: str) -> None:
        """Remove a database and end its connections; no error where it is missing."""
        databases.drop_database(self.url, name)

    def stop(self) -> None:
        """Leave it as it is."""


class GivenKafka:
    """A cluster that PEERLINE_KAFKA_BOOTSTRAP names."""

    process = None

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def start(self) -> Self:
        """Raise StackError when it does not answer."""
        reason = brokers.why_no_answer(self.bootstrap)
        if reason is not None:
            raise StackError(f"the Kafka of PEERLINE_KAFKA_BOOTSTRAP does not answer: {reason}")
        return self

    def stop(self) -> None:
        """Leave it as it is."""


def choose_postgres(home: Home) -> Postgres:
    """Return, not yet started, the server that the environment asks for."""
    url = os.environ.get("PEERLINE_POSTGRES_URL")
    if url:
        return GivenPostgres(url)
    if _in_containers():
        from peerline_local.containers import ContainerPostgres  # an optional dependency

        return ContainerPostgres(home)
    return EmbeddedPostgres(home)


def choose_kafka(home: Home) -> Kafka:
    """Return, not yet started, the cluster that the environment asks for."""
    bootstrap = os.environ.get("PEERLINE_KAFKA_BOOTSTRAP")
    if bootstrap:
        return GivenKafka(bootstrap)
    if _in_containers():
        from peerline_local.containers import ContainerKafka  # an optional dependency

        return ContainerKafka(home)
    return EmbeddedKafka(home)


def _in_containers() -> bool:
    kind = os.environ.get("PEERLINE_STACK", "embedded")
    if kind not in ("embedded", "containers"):
        raise StackError(f"PEERLINE_STACK is {kind!r}: say embedded or containers")
    return kind == "containers"
