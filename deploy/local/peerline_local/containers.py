"""
PostgreSQL and Kafka in containers, for PEERLINE_STACK=containers.

Needs Docker or Podman and the extra `peerline-local[containers]`. The data is in volumes named
after the home, so that it is found again; the containers themselves go at the end.
"""

from __future__ import annotations

import hashlib
import time
from abc import ABC, abstractmethod
from typing import Any, Self, cast

from testcontainers.core.container import DockerContainer

from peerline_local import brokers, databases
from peerline_local.errors import StackError
from peerline_local.home import Home
from peerline_local.ports import LOOPBACK

_POSTGRES_IMAGE = "postgres:18.4"
_KAFKA_IMAGE = "apache/kafka:4.3.1"
_READY_SECONDS = 120.0
_ROLE = "peerline"


class _Container(ABC):
    """One server in a container, on a loopback port that the home keeps."""

    process = None
    name: str
    inner_port: int
    data_folder: str

    def __init__(self, home: Home) -> None:
        self._home = home
        self._port = 0
        self._container: DockerContainer | None = None

    def start(self) -> Self:
        """Start the container and wait until the server answers, or raise StackError."""
        self._port = self._home.kept_port(f"{self.name}-container")
        container = self._describe()
        # The library's type knows no address; with a port alone every interface would listen.
        ports = cast("dict[str, Any]", container.ports)
        ports[f"{self.inner_port}/tcp"] = (LOOPBACK, self._port)
        home = hashlib.sha256(str(self._home.path).encode()).hexdigest()[:12]
        container.with_volume_mapping(f"peerline-{home}-{self.name}", self.data_folder, "rw")
        try:
            self._container = container.start()
        except Exception as error:  # noqa: BLE001  the engine's errors are of many unrelated kinds
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise StackError(f"cannot start {self.name} in a container: {reason}") from None
        self._wait()
        return self

    def stop(self) -> None:
        """Stop and remove the container; its volume stays."""
        if self._container is not None:
            self._container.stop()
            self._container = None

    def _wait(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while (reason := self._why_no_answer()) is not None:
            if time.monotonic() > deadline:
                self.stop()
                raise StackError(f"{self.name} in its container does not answer: {reason}")
            time.sleep(0.3)

    @abstractmethod
    def _describe(self) -> DockerContainer: ...

    @abstractmethod
    def _why_no_answer(self) -> str | None: ...


class ContainerPostgres(_Container):
    """PostgreSQL 18 from its official image."""

    name = "postgres"
    inner_port = 5432
    data_folder = "/var/lib/postgresql"

    @property
    def url(self) -> str:
        """The maintenance database; holds the password."""
        password = self._home.secret("postgres.password")
        return f"postgresql://{_ROLE}:{password}@{LOOPBACK}:{self._port}/postgres"

    def create_database(self, name: str) -> str:
        """Make a database where it is missing, and return its URL."""
        return databases.create_database(self.url, name)

    def drop_database(self, name: str) -> None:
        """Remove a database and end its connections; no error where it is missing."""
        databases.drop_database(self.url, name)

    def _describe(self) -> DockerContainer:
        password = self._home.secret("postgres.password")
        container = DockerContainer(_POSTGRES_IMAGE).with_command("-c max_connections=200")
        return container.with_envs(POSTGRES_USER=_ROLE, POSTGRES_PASSWORD=password)

    def _why_no_answer(self) -> str | None:
        return databases.why_no_answer(self.url)


class ContainerKafka(_Container):
    """Apache Kafka from its official image: one node, topics by decision only."""

    name = "kafka"
    inner_port = 9092
    data_folder = "/var/lib/kafka/data"

    @property
    def bootstrap(self) -> str:
        """`host:port` of the broker."""
        return f"{LOOPBACK}:{self._port}"

    def _describe(self) -> DockerContainer:
        return DockerContainer(_KAFKA_IMAGE).with_envs(
            KAFKA_NODE_ID="1",
            KAFKA_PROCESS_ROLES="broker,controller",
            KAFKA_CONTROLLER_QUORUM_VOTERS="1@localhost:9093",
            KAFKA_CONTROLLER_LISTENER_NAMES="CONTROLLER",
            KAFKA_LISTENERS="PLAINTEXT://:9092,CONTROLLER://:9093",
            KAFKA_ADVERTISED_LISTENERS=f"PLAINTEXT://{self.bootstrap}",
            KAFKA_LISTENER_SECURITY_PROTOCOL_MAP="PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            KAFKA_LOG_DIRS=self.data_folder,
            KAFKA_AUTO_CREATE_TOPICS_ENABLE="false",
            KAFKA_LOG_RETENTION_HOURS="840",
            KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR="1",
            KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR="1",
            KAFKA_TRANSACTION_STATE_LOG_MIN_ISR="1",
            KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS="0",
            KAFKA_HEAP_OPTS="-Xmx384m",
        )

    def _why_no_answer(self) -> str | None:
        return brokers.why_no_answer(self.bootstrap)
