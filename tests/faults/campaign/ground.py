"""What a campaign runs on: servers that may be killed, proxies in front of them, all services as processes, and mail."""

import logging
import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import yaml
from chassis import topics
from peerline_local import brokers, databases, keys
from peerline_local.apart import run_apart
from peerline_local.demo.overlay import without_waiting
from peerline_local.home import Home, read_json
from peerline_local.kafka import EmbeddedKafka
from peerline_local.ports import choose_free_port, choose_port_base
from peerline_local.postgres import EmbeddedPostgres
from peerline_local.processes import Process, Program
from peerline_local.services import PORT_OFFSETS, SERVICES, Options, Surroundings, program
from peerline_local.stack import Stack
from peerline_local.supervisor import Supervisor

from tests.support.proxy import ProxyProcess
from tests.support.scripted_smtp import Script, ScriptedServer
from tests.support.workplace import REPOSITORY

PARTITIONS = 4
SMTP_TIMEOUT = 4.0  # seconds; a message that was being sent when notifier was killed is unknown 13 s later
FRONTS = range(15_000, 19_000)
"""Ports apart from all others that are chosen: seconds go by from the choice until the broker's proxy listens."""

BY_NAME = {service.name: service for service in SERVICES}


class FrontedKafka(EmbeddedKafka):
    """A broker that tells its clients to come through a proxy."""

    front = 0

    def _configure(self) -> None:
        super()._configure()
        settings = self._settings.read_text()
        own = f"advertised.listeners=PLAINTEXT://{self.bootstrap}"
        assert own in settings
        self._settings.write_text(settings.replace(own, f"advertised.listeners=PLAINTEXT://127.0.0.1:{self.front}"))


class Ends(logging.Handler):
    """Hears of every program that ended: when (seconds since 1970), which, and with what code."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[float, str, int]] = []
        logger = logging.getLogger(Supervisor.__module__)
        logger.handlers, logger.propagate = [self], False

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.args, tuple) and len(record.args) == 3:
            name, code, _ = record.args
            self.heard.append((record.created, str(name), int(str(code))))


@dataclass
class Ground:
    """The running system, and every way to get hold of a part of it."""

    home: Home
    stack: Stack
    supervisor: Supervisor
    """Of Kafka and PostgreSQL; the services have the stack's own."""
    proxies: Mapping[str, ProxyProcess]
    mail: ScriptedServer
    programmes: Path
    surroundings: Surroundings
    answers: Mapping[str, Callable[[], str | None]] = field(default_factory=dict)
    """Why a server does not answer, by its name; None once it does."""
    struck: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """The processes of each program that were ended by us."""
    ends: Ends = field(default_factory=Ends)

    @property
    def bootstrap(self) -> str:
        """Kafka, as services reach it."""
        return self.surroundings.kafka_bootstrap

    def url(self, service: str) -> str:
        """Where a service listens."""
        return self.stack.url(service)

    def database(self, service: str) -> str:
        """The URL of a service's database, for a neighbour of it."""
        return self.surroundings.database_urls[BY_NAME[service].database]

    def client(self, service: str, role: str = "coordinator") -> httpx.AsyncClient:
        """A client of one service with a role's token."""
        headers = {"authorization": f"Bearer {keys.token(self.home, role)}"}
        return httpx.AsyncClient(base_url=self.url(service), headers=headers, timeout=10, trust_env=False)

    def programs(self) -> dict[str, dict[str, Any]]:
        """What runs: pid, start and count of ends by name, as the supervisors wrote it last."""
        state = read_json(self.home.state_file) or {"programs": []}
        running = [*state["programs"], *self.supervisor.programs()]
        return {str(each["name"]): each for each in running}

    def pid(self, name: str) -> int:
        """The process id of a program."""
        return int(self.programs()[name]["pid"] or 0)

    def strike(self, name: str, number: signal.Signals) -> int:
        """Send a signal to a program; gives whom it was sent to."""
        pid = self.pid(name)
        if number not in (signal.SIGSTOP, signal.SIGCONT):
            self.struck[name].add(pid)
        os.kill(pid, number)
        return pid

    def second(self, service: str, number: int) -> Process:
        """A further process of a service, not started yet."""
        first = program(BY_NAME[service], self.surroundings)
        name = f"{service}-{number}"
        port = choose_free_port()
        return Process(
            replace(
                first,
                name=name,
                log=self.home.logs / f"{name}.log",
                pid_file=self.home.running / f"{name}.json",
                environment={**first.environment, "PEERLINE_HTTP_PORT": str(port)},
            )
        )


def port_of(process: Process) -> int:
    """Where a further process listens."""
    return int(process.program.environment["PEERLINE_HTTP_PORT"])


@contextmanager
def ground(folder: Path, seed: int) -> Iterator[Ground]:
    """Start everything in a folder, and stop it. The mail server listens once an event loop runs."""
    home = Home.at(folder / "home")
    with ExitStack() as ending:
        postgres, kafka, supervisor = _servers(ending, folder / "servers")
        proxies = {
            name: ending.enter_context(ProxyProcess(to=to, port=port))
            for name, to, port in (
                ("broker", kafka.bootstrap, kafka.front),
                ("database", f"127.0.0.1:{postgres.port}", choose_free_port()),
            )
        }
        mail = ScriptedServer(Script(seed=seed), port=choose_free_port(), pace=0.4, slow=1.0)
        programmes = _programmes(folder / "programmes")
        extra = {"PEERLINE_SMTP_PORT": str(mail.port), "PEERLINE_SMTP_TIMEOUT": str(SMTP_TIMEOUT)}
        options = Options(port_base=choose_port_base(PORT_OFFSETS), programmes=programmes, extra=extra)
        url = postgres.url.replace(f":{postgres.port}/", f":{proxies['database'].port}/")
        bootstrap = f"127.0.0.1:{kafka.front}"
        run_apart(topics.apply(kafka.bootstrap, partitions=PARTITIONS))
        with _environment(PEERLINE_POSTGRES_URL=url, PEERLINE_KAFKA_BOOTSTRAP=bootstrap):
            stack = Stack(home, options, topics=lambda _bootstrap: None)
        ending.enter_context(stack)
        urls = {service.database: databases.with_database(url, service.database) for service in SERVICES}
        answers = {
            "Kafka": lambda: brokers.why_no_answer(kafka.bootstrap),
            "PostgreSQL": lambda: databases.why_no_answer(postgres.url),
        }
        around = Surroundings(home, options, bootstrap, urls)
        yield Ground(home, stack, supervisor, proxies, mail, programmes, around, answers)


def _servers(ending: ExitStack, folder: Path) -> tuple[EmbeddedPostgres, FrontedKafka, Supervisor]:
    """Both servers, running, and the supervisor that starts them again."""
    postgres = EmbeddedPostgres(folder).start()
    ending.callback(postgres.stop)
    kafka = FrontedKafka(folder)
    kafka.front = choose_free_port(among=FRONTS)
    kafka.start()
    ending.callback(kafka.stop)
    supervisor = Supervisor()
    ending.callback(supervisor.stop)
    for process in (postgres.process, kafka.process):
        assert process
        supervisor.add(process)
    return postgres, kafka, supervisor


def _programmes(folder: Path) -> Path:
    """One programme, open all day, with room for everybody, whose week has no weekend."""
    folder.mkdir(parents=True)
    shcp = without_waiting(yaml.safe_load((REPOSITORY / "deploy" / "programmes" / "shcp.yaml").read_text()))
    for clock in shcp["clocks"]:
        clock["due"]["weekend"] = clock["due"]["weekday"]
    (folder / "shcp.yaml").write_text(yaml.safe_dump(shcp))
    return folder


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    kept = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def restarted(ground: Ground, name: str, former: int, seconds: float = 60) -> bool:
    """Wait, in a thread, until a program that was ended runs again; a server, until it answers."""
    deadline = time.monotonic() + seconds
    answers = ground.answers.get(name, lambda: None)
    while time.monotonic() < deadline:
        if ground.pid(name) not in (former, 0) and answers() is None:
            return True
        time.sleep(0.05)
    return False


__all__ = ["Ground", "Program", "ground", "port_of", "restarted"]
