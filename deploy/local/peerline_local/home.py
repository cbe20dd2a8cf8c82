"""The folder that holds all that one local stack keeps: the names inside it, and its ports."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from peerline_local.errors import StackError, disk_errors_in_one_line
from peerline_local.ports import choose_free_port, is_free

NEEDED_TO_START_BYTES = 300 * 1024 * 1024


@dataclass(frozen=True)
class Home:
    """Paths inside one stack's folder. Nothing is made until it is needed."""

    path: Path

    @classmethod
    def at(cls, place: Home | Path | str) -> Home:
        """Return the home at a path, made absolute; a home is returned as it is."""
        return place if isinstance(place, Home) else cls(Path(place).expanduser().resolve())

    @property
    def secrets(self) -> Path:
        """Keys, tokens and passwords, made once."""
        return self.path / "secrets"

    @property
    def logs(self) -> Path:
        """What each program wrote, a file each."""
        return self.path / "logs"

    @property
    def mail(self) -> Path:
        """Messages received, a file each."""
        return self.path / "mail"

    @property
    def postgres(self) -> Path:
        """PostgreSQL's data."""
        return self.path / "postgres"

    @property
    def kafka(self) -> Path:
        """Kafka's settings and data."""
        return self.path / "kafka"

    @property
    def running(self) -> Path:
        """A file for each program started, with its pid: how one left behind is found again."""
        return self.path / "running"

    @property
    def state_file(self) -> Path:
        """Who runs now; present only while the stack runs."""
        return self.path / "state.json"

    @property
    def ports_file(self) -> Path:
        """Ports chosen once, kept over restarts."""
        return self.path / "ports.json"

    def folder(self, path: Path) -> Path:
        """Make a folder of this home that only its owner can enter; return it."""
        with disk_errors_in_one_line(self.path):
            # Others may pass through the home itself, not look: PostgreSQL's user may be another.
            self.path.mkdir(parents=True, exist_ok=True, mode=0o711)
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path

    def require_space(self) -> None:
        """Raise StackError when the disk is too full to start a database on it."""
        self.folder(self.path)
        free = shutil.disk_usage(self.path).free
        if free < NEEDED_TO_START_BYTES:
            raise StackError(
                f"only {free // 2**20} MiB free on the disk that holds {self.path}:"
                f" at least {NEEDED_TO_START_BYTES // 2**20} MiB are needed"
            )

    def kept_port(self, name: str) -> int:
        """
        Return the port this home once chose for `name`, or choose one now.

        Another is chosen when something else has taken the kept one meanwhile.
        """
        with self._locked("ports"):
            kept: dict[str, int] = read_json(self.ports_file) or {}
            port = kept.get(name)
            if port is None or not is_free(port):
                port = choose_free_port(besides=kept.values())
                kept[name] = port
                write_json(self.ports_file, kept)
            return port

    def secret(self, name: str, make: str | None = None) -> str:
        """Return the secret in this file of `secrets/`, first making it where it is missing."""
        path = self.secrets / name
        if not path.exists():
            self.folder(path.parent)
            write_atomically(path, (make or secrets.token_urlsafe(32)) + "\n")
        return path.read_text(encoding="utf-8").strip()

    def claim(self, name: str) -> IO[str]:
        """
        Claim the only right to run `name` from this home, until the file returned is closed.

        Raises StackError when another process has it. A process that dies gives it up.
        """
        lock = self._lock_file(name)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise StackError(f"{name} already runs from {self.path}") from None
        return lock

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        with self._lock_file(name) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _lock_file(self, name: str) -> IO[str]:
        folder = self.folder(self.running)
        with disk_errors_in_one_line(folder):
            return (folder / f".{name.replace(' ', '-')}.lock").open("w", encoding="utf-8")


def write_atomically(path: Path, content: str | bytes) -> None:
    """
    Write a file that its owner alone can read, whole or not at all, and that survives a crash.

    Raises StackError when the disk is full or cannot be written.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with disk_errors_in_one_line(path.parent):
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON as `write_atomically` does."""
    write_atomically(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """Return what a JSON file holds, None where there is none; raise StackError if broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        raise StackError(f"{path} is not valid JSON: remove it and start again") from None
