"""One Kafka and one PostgreSQL for a whole test run: the same code as the local stack's."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from peerline_local.home import Home
from peerline_local.servers import Kafka, Postgres, choose_kafka, choose_postgres


@dataclass(frozen=True)
class Servers:
    """Where the servers of this run are."""

    kafka: Kafka
    postgres: Postgres

    @property
    def bootstrap(self) -> str:
        """Kafka's address."""
        return self.kafka.bootstrap

    @property
    def postgres_address(self) -> str:
        """PostgreSQL's `host:port`."""
        return urlsplit(self.postgres.url).netloc.rpartition("@")[2]


class Listening(Protocol):
    """A proxy."""

    port: int


def through(proxy: Listening, url: str) -> str:
    """A database's URL as a client has to have it to come through a proxy."""
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0]
    return parts._replace(netloc=f"{user}@127.0.0.1:{proxy.port}").geturl()


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """Start both in a folder, and stop them."""
    home = Home.at(folder)
    postgres = choose_postgres(home).start()
    try:
        kafka = choose_kafka(home).start()
        try:
            yield Servers(kafka, postgres)
        finally:
            kafka.stop()
    finally:
        postgres.stop()
