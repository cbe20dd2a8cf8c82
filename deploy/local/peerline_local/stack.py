"""The whole system on one machine: servers, mail and services, started and stopped together."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from peerline_local.apart import run_apart
from peerline_local.claimed import Claimed
from peerline_local.errors import StackError
from peerline_local.home import Home, write_json
from peerline_local.ports import LOOPBACK, require_free
from peerline_local.processes import Process, end_what_was_left, failure, started_at
from peerline_local.servers import Kafka, Postgres, choose_kafka, choose_postgres
from peerline_local.services import SERVICES, Options, Service, Surroundings, mail_program, program
from peerline_local.supervisor import Supervisor

if TYPE_CHECKING:
    from chassis.topics import Applied

_READY_SECONDS = 120.0
_SERVERS, _MAIL, _SERVICES = 0, 1, 2
"""Stages: the last starts last, and stops first."""

_AT_ONCE = 2
"""Services started together. Each needs 2 s of a core to import its libraries: four at once are not ready sooner."""

# A service may end once because something it needs was not quite there; twice, it is broken.
_ENDS_TOLERATED_AT_START = 1


def apply_topics(bootstrap: str, **wanted: Any) -> Applied:
    """
    Make the topics that the services declare, and put right what can be; gives what was done.

    `wanted` is as in chassis.topics.apply. Raises StackError where the broker does not let it.
    """
    from aiokafka.errors import KafkaError
    from chassis import topics

    try:
        return run_apart(topics.apply(bootstrap, **wanted))
    except (KafkaError, OSError) as error:
        raise StackError(f"topics cannot be made at {bootstrap}: {type(error).__name__}") from None


class Stack(Claimed):
    """
    One running system.

        with Stack(Home.at(".peerline")) as stack:
            httpx.get(stack.url("intake") + "/ready")

    `services` and `topics` may be others, for tests.
    """

    name = "the stack"

    def __init__(
        self,
        home: Home,
        options: Options | None = None,
        *,
        services: Sequence[Service] = SERVICES,
        topics: Callable[[str], object] = apply_topics,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        super().__init__(home)
        self.options = options or Options()
        self.postgres: Postgres = choose_postgres(home)
        self.kafka: Kafka = choose_kafka(home)
        self._services = services
        self._topics = topics
        self._say = say
        self._supervisor = Supervisor(changed=self._write_state)
        self._state_lock = threading.Lock()
        self._ready = False

    @property
    def mailbox_url(self) -> str:
        """The page that shows the mail; `/messages` below it is the same as JSON."""
        return f"http://{LOOPBACK}:{self.options.page_port}"

    def url(self, service: str) -> str:
        """Return a service's address, without a slash at the end."""
        return self.urls()[service]

    def urls(self) -> dict[str, str]:
        """Return the address of each service and of the mailbox, by name."""
        ports = {service.name: self.options.port_of(service) for service in self._services}
        addresses = {name: f"http://{LOOPBACK}:{port}" for name, port in ports.items()}
        return {**addresses, "mailbox": self.mailbox_url}

    def _bring_up(self) -> None:
        """Start everything; each service then says that it is ready."""
        end_all_left(self.home)
        self._require_what_is_given()
        self._write_state()
        self._start_servers()
        self._start_programs()
        self._wait_until_ready(["mailbox"])
        self._ready = True
        self._write_state()

    def _bring_down(self) -> None:
        """Stop services, then mail, then servers; nothing is left running."""
        self._supervisor.stop()
        self.kafka.stop()
        self.postgres.stop()
        if self._claim is not None:
            self.home.state_file.unlink(missing_ok=True)

    def _require_what_is_given(self) -> None:
        """Raise StackError for a port or a path that is wrong, before anything is started."""
        self.options.programmes_folder()
        self.options.sources_file()
        remedy = "choose others with --port-base"
        for service in self._services:
            require_free(self.options.port_of(service), service.name, remedy)
        require_free(self.options.page_port, "mailbox", remedy)
        require_free(self.options.smtp_port, "SMTP", remedy)

    def _start_servers(self) -> None:
        self._say("Starting mail")
        self._watch(Process(mail_program(self.home, self.options)), _MAIL)
        self._say("Starting PostgreSQL")
        self.postgres.start()
        self._watch(self.postgres.process, _SERVERS)
        self._say("Starting Kafka")
        self.kafka.start()
        self._watch(self.kafka.process, _SERVERS)
        self._topics(self.kafka.bootstrap)

    def _start_programs(self) -> None:
        databases = {service.database: self.postgres.create_database(service.database) for service in self._services}
        around = Surroundings(self.home, self.options, self.kafka.bootstrap, databases)
        programs = [program(service, around) for service in self._services]
        self._say(f"Starting {', '.join(one.name for one in programs)}")
        self._processes = {one.name: Process(one) for one in programs}
        names = list(self._processes)
        for start in range(0, len(names), _AT_ONCE):
            for name in names[start : start + _AT_ONCE]:
                self._watch(self._processes[name], _SERVICES)
            self._wait_until_ready(names[start : start + _AT_ONCE])

    def _watch(self, process: Process | None, stage: int) -> None:
        if process is not None:  # None: someone else runs it
            self._supervisor.add(process, stage)
            self._write_state()

    def _wait_until_ready(self, names: Sequence[str]) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        waiting = {name: self.url(name) for name in names}
        with httpx.Client(timeout=2.0, trust_env=False) as client:
            while waiting:
                waiting = {n: url for n, url in waiting.items() if not is_ready(client, url)}
                self._require_alive(waiting)
                if waiting and time.monotonic() > deadline:
                    name = next(iter(waiting))
                    raise StackError(self._failure(name, "is not ready in time"))
                time.sleep(0.1)

    def _require_alive(self, names: dict[str, str]) -> None:
        for name in names:
            ends = self._supervisor.ends("mail" if name == "mailbox" else name)
            if ends > _ENDS_TOLERATED_AT_START:
                raise StackError(self._failure(name, f"ended {ends} times"))

    def _failure(self, name: str, what: str) -> str:
        if name == "mailbox":
            return failure(mail_program(self.home, self.options), what)
        return failure(self._processes[name].program, what)

    def _write_state(self) -> None:
        with self._state_lock:
            write_json(self.home.state_file, self._state())

    def _state(self) -> dict[str, Any]:
        ports = {service.name: self.options.port_of(service) for service in self._services}
        return {
            "ready": self._ready,
            "supervisor": {"pid": os.getpid(), "started": started_at(os.getpid())},
            "programs": self._supervisor.programs(),
            "ports": {**ports, "mailbox": self.options.page_port, "smtp": self.options.smtp_port},
            "urls": self.urls(),
            "kafka_bootstrap": _if_started(lambda: self.kafka.bootstrap),
            # Without the password, which stays in the secrets folder.
            "postgres": _if_started(lambda: urlsplit(self.postgres.url).netloc.rpartition("@")[2]),
        }


def is_ready(client: httpx.Client, url: str) -> bool:
    """Say whether a service answers 200 to /ready, or waits for nothing but `peerline resume`."""
    try:
        answer = client.get(f"{url}/ready")
        return answer.status_code == 200 or waits_for_a_look(answer.json())
    except (httpx.HTTPError, ValueError):
        return False


def waits_for_a_look(answer: dict[str, Any]) -> bool:
    """Say whether all that keeps a service from being ready is a database that was set back: its stack must be up."""
    checks = answer.get("checks", {})
    failing = [name for name, check in checks.items() if not check["ok"]]
    return failing == ["restored"] and "halted_since" in checks["restored"]


def end_all_left(home: Home) -> None:
    """End what a killed supervisor of this home left running."""
    for pid_file in sorted(home.running.glob("*.json")):
        end_what_was_left(pid_file)


def _if_started(address: Callable[[], str]) -> str | None:
    try:
        return address()
    except StackError:
        return None
