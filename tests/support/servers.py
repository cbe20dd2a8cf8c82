"""One Kafka and one PostgreSQL for a whole test run: the same code as the local stack's."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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
