"""Bring a stack up, in front or in the background, find the one that runs, and bring it down."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from peerline_local.errors import StackError, disk_errors_in_one_line
from peerline_local.home import Home, read_json
from peerline_local.processes import is_same_process, tail
from peerline_local.services import Options
from peerline_local.stack import Stack, end_all_left

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_UP_SECONDS = 300.0
_DOWN_SECONDS = 90.0


def state_of(home: Home) -> dict[str, Any] | None:
    """Return what state.json says of the stack that runs from this home; None where none does."""
    state: dict[str, Any] | None = read_json(home.state_file)
    if state is None or not is_same_process(**state["supervisor"]):
        return None
    return state


def up(home: Home, options: Options, *, detach: bool, say: Callable[[str], None]) -> None:
    """
    Bring the stack up and say its addresses.

    In front, return when a signal has stopped it; detached, as soon as it is ready. Raises
    StackError when it cannot be started or already runs.
    """
    running = state_of(home)
    if running is not None:
        pid = running["supervisor"]["pid"]
        raise StackError(f"the stack already runs from {home.path} (process {pid})")
    if detach:
        _up_behind(home, options)
        state = state_of(home)
        assert state is not None
        say_addresses(state["urls"], say)
        say("Stop it with: peerline down")
    else:
        _up_in_front(home, options, say)


def down(home: Home) -> bool:
    """
    Stop the stack that runs from this home; return False where none does.

    Raises StackError when it does not end in time.
    """
    state = state_of(home)
    if state is None:
        return _clear_up(home)
    supervisor = state["supervisor"]
    os.kill(supervisor["pid"], signal.SIGTERM)
    deadline = time.monotonic() + _DOWN_SECONDS
    while is_same_process(**supervisor):
        if time.monotonic() > deadline:
            raise StackError(f"process {supervisor['pid']} does not end; see {home.logs}")
        time.sleep(0.05)
    return True


def say_addresses(urls: dict[str, str], say: Callable[[str], None]) -> None:
    """Say each service's name and address, a line each."""
    for name, url in urls.items():
        say(f"  {name:<12} {url}")


def _clear_up(home: Home) -> bool:
    """End what a killed supervisor left, if it left anything."""
    left = home.state_file.exists()
    end_all_left(home)
    home.state_file.unlink(missing_ok=True)
    return left


def _up_in_front(home: Home, options: Options, say: Callable[[str], None]) -> None:
    stack = Stack(home, options, say=say)
    for number in _STOP_SIGNALS:
        signal.signal(number, _stop)
    try:
        with stack:
            say("Everything is ready:")
            say_addresses(stack.urls(), say)
            while True:
                signal.pause()
    except KeyboardInterrupt:
        say("Stopped")


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    # Stopping takes a few seconds, and an impatient second signal must not leave half of it.
    for each in _STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def _up_behind(home: Home, options: Options) -> None:
    """Start this same command in a session of its own, and wait until its stack is ready."""
    log_path = home.folder(home.logs) / "supervisor.log"
    with disk_errors_in_one_line(home.path), log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "peerline_local", "--home", str(home.path), *_command(options)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + _UP_SECONDS
    try:
        while not (state_of(home) or {}).get("ready"):
            if process.poll() is not None:
                raise StackError(_last_error(log_path.read_text(errors="replace")))
            if time.monotonic() > deadline:
                raise StackError(f"not ready in time; the end of {log_path}:\n{tail(log_path)}")
            time.sleep(0.1)
    except BaseException:
        process.terminate()
        process.wait()
        raise


def _command(options: Options) -> list[str]:
    given = {
        "--port-base": options.port_base,
        "--programmes": options.programmes,
        "--sources": options.sources,
        "--log-level": options.log_level,
        "--trace": options.trace_ratio,
    }
    pairs = ((name, str(value)) for name, value in given.items() if value is not None)
    return ["up", *(part for pair in pairs for part in pair)]


def _last_error(log: str) -> str:
    """Return what the process in the background said at its end, from "peerline: " on."""
    return log.rpartition("peerline: ")[2].strip() or "the stack ended at once and said nothing"
