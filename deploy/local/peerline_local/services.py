"""Peerline's services: their names, ports and databases, and the environment each is given."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from peerline_local import keys
from peerline_local.errors import StackError
from peerline_local.home import Home
from peerline_local.ports import LOOPBACK
from peerline_local.processes import Program

_DEPLOY = Path(__file__).resolve().parents[2]

# For whoever starts the stack, not for what runs in it; the first holds a password.
_NOT_PASSED_ON = ("PEERLINE_POSTGRES_URL", "PEERLINE_HOME", "PEERLINE_STACK", "PEERLINE_CACHE")


@dataclass(frozen=True)
class Service:
    """One service: what is run, where it listens (above the port base), which database it has."""

    name: str
    module: str
    port_offset: int
    database: str
    opens: str | None = None
    """The audience whose sealed compartments it may read."""
    makes_pseudonyms: bool = False


SERVICES = (
    Service("intake", "intake.main", 0, "intake", opens="intake", makes_pseudonyms=True),
    Service("matcher", "matcher.main", 1, "matcher", opens="matcher", makes_pseudonyms=True),
    Service("notifier", "notifier.main", 2, "notifier", opens="notifier"),
    Service("sla-monitor", "sla_monitor.main", 3, "sla_monitor"),
)


PORT_OFFSETS = (0, 1, 2, 3, 4, 24)
"""What a stack takes above its port base: the services, the mailbox page, SMTP."""


@dataclass(frozen=True)
class Options:
    """What may differ from one start to the next."""

    port_base: int = 8101
    """The first service's port; the others follow, the mailbox page after them, SMTP at +24."""
    programmes: Path | None = None
    """The folder of programme files; None for PEERLINE_PROGRAMMES, or deploy/programmes."""
    sources: Path | None = None
    """The file of incident systems; None for PEERLINE_SOURCES, or deploy/sources.yaml."""
    log_level: str = "info"
    trace_ratio: float | None = None
    """The share of traces kept, in `<home>/logs/*.spans.jsonl`; None for no tracing."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """More variables for every service; they win over those made here. Not passed on by `--detach`."""

    @property
    def page_port(self) -> int:
        """Where the mailbox page is."""
        return self.port_base + 4

    @property
    def smtp_port(self) -> int:
        """Where mail is received."""
        return self.port_base + 24

    def port_of(self, service: Service) -> int:
        """Where a service listens."""
        return self.port_base + service.port_offset

    def programmes_folder(self) -> Path:
        """Return the folder of programme files, or raise StackError where there is none."""
        folder = self.programmes or Path(os.environ.get("PEERLINE_PROGRAMMES") or _DEPLOY / "programmes")
        if not folder.is_dir():
            raise StackError(f"there is no folder of programmes at {folder}")
        return folder.resolve()

    def sources_file(self) -> Path:
        """Return the file of incident systems, or raise StackError where there is none."""
        file = self.sources or Path(os.environ.get("PEERLINE_SOURCES") or _DEPLOY / "sources.yaml")
        if not file.is_file():
            raise StackError(f"there is no list of incident systems at {file}")
        return file.resolve()


@dataclass(frozen=True)
class Surroundings:
    """Where a service finds the rest of the stack."""

    home: Home
    options: Options
    kafka_bootstrap: str
    database_urls: Mapping[str, str]
    """By database name."""


def program(service: Service, around: Surroundings) -> Program:
    """Return what to run for a service: its module, with the environment it needs."""
    return Program(
        name=service.name,
        command=(sys.executable, "-m", service.module),
        log=around.home.logs / f"{service.name}.log",
        pid_file=around.home.running / f"{service.name}.json",
        environment={**inherited(), **environment(service, around), **around.options.extra},
    )


def environment(service: Service, around: Surroundings) -> dict[str, str]:
    """Return a service's own variables; makes the keys and tokens that they name."""
    home, options = around.home, around.options
    variables = {
        "PEERLINE_DATABASE_URL": around.database_urls[service.database],
        "PEERLINE_KAFKA_BOOTSTRAP": around.kafka_bootstrap,
        "PEERLINE_HTTP_HOST": LOOPBACK,
        "PEERLINE_HTTP_PORT": str(options.port_of(service)),
        "PEERLINE_PROGRAMMES": str(options.programmes_folder()),
        "PEERLINE_LOG_LEVEL": options.log_level,
        "PEERLINE_ID_KEY_FILE": str(keys.key_file(home, f"{service.name}.id.key")),
        "PEERLINE_STORE_KEY_FILE": str(keys.key_file(home, f"{service.name}.store.key")),
        "PEERLINE_SEALING_KEYS": str(keys.sealing_keys(home, datetime.now(UTC))),
        "PEERLINE_TOKENS_FILE": str(keys.tokens_file(home)),
    }
    if service.opens is not None:
        variables["PEERLINE_OPENING_KEYS"] = str(keys.opening_keys(home, service.opens))
    if service.makes_pseudonyms:
        variables["PEERLINE_PSEUDONYM_KEY_FILE"] = str(keys.key_file(home, "pseudonym.key"))
    if options.trace_ratio is not None:
        variables["PEERLINE_TRACE_RATIO"] = str(options.trace_ratio)
        variables["PEERLINE_SPANS_FILE"] = str(home.logs / f"{service.name}.spans.jsonl")
    return variables | _of_this_service(service, around)


def _of_this_service(service: Service, around: Surroundings) -> dict[str, str]:
    options = around.options
    if service.name == "intake":
        sources = options.sources_file()
        return {
            "PEERLINE_SOURCES": str(sources),
            "PEERLINE_SOURCE_SECRETS": str(keys.source_secrets(around.home, sources)),
        }
    if service.name == "notifier":
        return {
            "PEERLINE_SMTP_HOST": LOOPBACK,
            "PEERLINE_SMTP_PORT": str(options.smtp_port),
            "PEERLINE_SMTP_FROM": "hello@mail.example",
            "PEERLINE_PUBLIC_URL": f"http://{LOOPBACK}:{options.port_of(service)}",
        }
    return {}


def mail_program(home: Home, options: Options) -> Program:
    """Return what to run for mail: the server that keeps messages, and their page."""
    ports = ("--smtp-port", str(options.smtp_port), "--page-port", str(options.page_port))
    return Program(
        name="mail",
        command=(sys.executable, "-m", "peerline_local.mail", str(home.mail), *ports),
        log=home.logs / "mail.log",
        pid_file=home.running / "mail.json",
        environment=inherited(),
    )


def inherited() -> dict[str, str]:
    """Return this process's environment without what concerns the stack alone."""
    return {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
