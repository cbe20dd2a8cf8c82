"""Watch programs: start again what ended by itself, and stop all of them together."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from peerline_local.processes import Process, started_at

logger = logging.getLogger(__name__)

_LOOK_EVERY_SECONDS = 0.1
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 30.0
_STEADY_AFTER_SECONDS = 60.0


@dataclass
class _Watched:
    process: Process
    stage: int
    started: float
    ends: int = 0
    in_a_row: int = 0
    """Ends since it last ran for a while: these make the wait longer."""
    again_at: float | None = None


class Supervisor:
    """
    Keeps programs running until `stop`.

    One that ends is started again after 0.5 s, then 1 s, 2 s … at most 30 s; once it has run
    for a minute the waits begin anew. `changed` is called after each start.
    """

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self._watched: dict[str, _Watched] = {}
        self._changed = changed
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def add(self, process: Process, stage: int = 0) -> None:
        """
        Watch a program from now on; start it where it does not run yet.

        Programs of a higher stage stop before those of a lower one, which they may need to stop.
        """
        if not process.running:
            process.start()
        with self._lock:
            self._watched[process.program.name] = _Watched(process, stage, time.monotonic())
        if not self._thread.is_alive():
            self._thread.start()

    def ends(self, name: str) -> int:
        """Return how often a program ended by itself since it was added."""
        with self._lock:
            one = self._watched.get(name)
        return one.ends if one else 0

    def programs(self) -> list[dict[str, object]]:
        """Return name, pid, start (seconds since 1970) and count of ends of each program."""
        with self._lock:
            watched = list(self._watched.values())
        return [
            {
                "name": one.process.program.name,
                "pid": one.process.pid,
                "started": started_at(one.process.pid or 0),
                "ends": one.ends,
            }
            for one in watched
        ]

    def stop(self) -> None:
        """Stop all, stage by stage; return when none runs any more."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        for stage in sorted({one.stage for one in self._watched.values()}, reverse=True):
            processes = [one.process for one in self._watched.values() if one.stage == stage]
            for process in processes:
                process.ask_to_stop()
            for process in processes:
                process.stop()
        self._watched.clear()

    def _watch(self) -> None:
        while not self._stopping.wait(_LOOK_EVERY_SECONDS):
            with self._lock:
                watched = list(self._watched.values())
            for one in watched:
                self._look_at(one)

    def _look_at(self, one: _Watched) -> None:
        now = time.monotonic()
        if one.again_at is None and not one.process.running:
            one.ends += 1
            one.in_a_row = 1 if now - one.started > _STEADY_AFTER_SECONDS else one.in_a_row + 1
            wait = min(_FIRST_WAIT_SECONDS * 2 ** (one.in_a_row - 1), _LONGEST_WAIT_SECONDS)
            one.again_at = now + wait
            logger.warning(
                "%s ended with code %s; starting it again in %.1f s",
                *(one.process.program.name, one.process.exit_code, wait),
            )
        elif one.again_at is not None and now >= one.again_at:
            self._start_again(one)

    def _start_again(self, one: _Watched) -> None:
        one.again_at = None
        one.started = time.monotonic()
        try:
            one.process.kill()  # what is left of its group
            one.process.start()
            self._changed()
        except Exception:  # a full disk, for one: looked at again, with a longer wait
            logger.exception("%s could not be started again", one.process.program.name)
