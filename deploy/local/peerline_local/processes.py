"""Start a program with a log file, watch it, stop it; none outlives the process that started it."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from peerline_local.errors import DISK_FULL_TEXT, StackError, disk_errors_in_one_line, disk_is_full
from peerline_local.home import read_json, write_json

_CHILD = Path(__file__).with_name("child.py")
_LOG_KEPT_BYTES = 20 * 1024 * 1024


@dataclass(frozen=True)
class Program:
    """What to run, and how it is asked to stop."""

    name: str
    command: tuple[str, ...]
    log: Path
    pid_file: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    """The whole environment, not an addition."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_within_seconds: float = 15.0
    user: str | None = None
    """Whom to run as, where we are root; None for the user we are."""


class Process:
    """One program, running or not; started again, it remains the same object."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._popen: subprocess.Popen[bytes] | None = None
        self._asked = False
        self._gone = True

    @property
    def pid(self) -> int | None:
        """The process id, None before the first start."""
        return self._popen.pid if self._popen else None

    @property
    def exit_code(self) -> int | None:
        """How the program ended; None while it runs."""
        return self._popen.poll() if self._popen else None

    @property
    def running(self) -> bool:
        """Whether the program runs now."""
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> None:
        """Start the program in a process group of its own. Its output goes to its log."""
        program = self.program
        command = with_parent(program.command, program.stop_signal, program.user)
        with _open_log(program.log) as log:

            def launch() -> None:
                self._popen = subprocess.Popen(
                    command,
                    env=dict(program.environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    process_group=0,
                )

            _starter.run(launch)
        self._asked = self._gone = False
        self._record()

    def _record(self) -> None:
        """Note who runs, so that a later start can end what a killed supervisor left."""
        assert self._popen is not None
        pid = self._popen.pid
        try:
            self.program.pid_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_json(self.program.pid_file, {"pid": pid, "started": started_at(pid)})
        except BaseException:
            self.kill()
            raise

    def ask_to_stop(self) -> None:
        """Send the stop signal, once, and do not wait: a second one may mean "now"."""
        if self._popen is not None and not self._asked:
            self._asked = True
            self._popen.send_signal(self.program.stop_signal)

    def stop(self) -> None:
        """Ask to stop, wait as long as the program may take, then kill its whole group."""
        if self._popen is None or self._gone:
            return
        self.ask_to_stop()
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(self.program.stop_within_seconds)
        self.kill()

    def kill(self) -> None:
        """Kill whatever is left of the program's group, and reap the program."""
        if self._popen is None or self._gone:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        self._gone = True
        self.program.pid_file.unlink(missing_ok=True)

    def wait_until_ready(self, why_not: Callable[[], str | None], seconds: float) -> None:
        """
        Wait until `why_not()` has no reason left why the program does not answer.

        Raises StackError with the end of the log when the program ends before, or takes longer
        than `seconds`.
        """
        deadline = time.monotonic() + seconds
        while (reason := why_not()) is not None:
            if not self.running:
                raise StackError(failure(self.program, f"ended with code {self.exit_code}"))
            if time.monotonic() > deadline:
                what = f"does not answer after {seconds:.0f} s: {reason}"
                raise StackError(failure(self.program, what))
            time.sleep(0.05)


def end_what_was_left(pid_file: Path, seconds: float = 10.0) -> None:
    """
    End the program that this file names, where it still runs: its supervisor was killed.

    It was told to stop when its supervisor died, so it is given `seconds` before it is killed.
    """
    left = read_json(pid_file)
    if left is None:
        return
    deadline = time.monotonic() + seconds
    while is_same_process(left["pid"], left["started"]):
        if time.monotonic() > deadline:
            os.killpg(left["pid"], signal.SIGKILL)
        time.sleep(0.05)
    pid_file.unlink(missing_ok=True)


def with_parent(command: tuple[str, ...], death_signal: signal.Signals, user: str | None) -> list[str]:
    """Return the command that runs `command` so that it ends with this process."""
    shim = [sys.executable, "-I", "-S", str(_CHILD), str(os.getpid()), str(int(death_signal))]
    return [*shim, user or "-", *command]


def failure(program: Program, what: str) -> str:
    """Return what to say of a program that failed: a full disk in a line, else its last words."""
    last_words = tail(program.log)
    if DISK_FULL_TEXT in last_words:
        return disk_is_full(program.log.parent.parent)
    return f"{program.name} {what}; the end of {program.log}:\n{last_words}"


def tail(log: Path, lines: int = 12) -> str:
    """Return the last lines of a log, indented; a line is cut at 300 characters."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 64 * 1024))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return "  (no log)"
    return "\n".join("  " + line[:300] for line in text.splitlines()[-lines:]) or "  (empty)"


def is_same_process(pid: int, started: float) -> bool:
    """Say whether the process that began at `started` (seconds since 1970) still runs."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - started) < 2.0 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def started_at(pid: int) -> float:
    """Return when a process began, in seconds since 1970; 0 when it has gone."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return 0.0


def _open_log(log: Path) -> IO[bytes]:
    with disk_errors_in_one_line(log.parent.parent):
        log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if log.exists() and log.stat().st_size > _LOG_KEPT_BYTES:
            log.replace(log.with_name(log.name + ".1"))
        return log.open("ab")


class _Starter:
    """
    One thread from which every program is started.

    Linux ends a program when the *thread* that started it ends, not the process: started from a
    pool's worker, a database would stop as soon as the pool does.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Callable[[], None], Future[None]]]
        self._jobs = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def run(self, job: Callable[[], None]) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="starter", daemon=True)
                self._thread.start()
        outcome: Future[None] = Future()
        self._jobs.put((job, outcome))
        outcome.result()

    def _work(self) -> None:
        while True:
            job, outcome = self._jobs.get()
            try:
                job()
            except BaseException as error:  # noqa: BLE001  raised again where the job was given
                outcome.set_exception(error)
            else:
                outcome.set_result(None)


_starter = _Starter()
