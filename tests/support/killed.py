"""
A service as a process of its own that ends, or freezes, at an exact call. No hook in the product is needed:

    python -m tests.support.killed notifier after notifier.sends.sending:hand_over [--signal STOP] [--nth 2]

The n-th call of that function or method, in the module that calls it, is patched: before it is made, or after it has
returned, the process sends itself the signal. Later calls go through. With `--armed FILE` calls are counted only while
that file exists. `--set chassis.relay:STANDBY=0.1` gives a module's constant another value.
"""

import argparse
import asyncio
import functools
import importlib
import inspect
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from signal import SIGCONT, SIGKILL, Signals
from typing import Any, Literal

import httpx
import psutil
from chassis import ServiceSettings
from peerline_local.ports import choose_free_port
from peerline_local.processes import with_parent
from pydantic import SecretStr

from tests.support.workplace import REPOSITORY, until

When = Literal["before", "after"]


@dataclass(frozen=True)
class Point:
    """A call, as `package.module:function` or `package.module:Class.method`, and what befalls the process there."""

    when: When
    where: str
    signal: Signals = SIGKILL
    nth: int = 1
    armed: Path | None = None

    def arguments(self) -> list[str]:
        """The point as this program's arguments."""
        armed = ["--armed", str(self.armed)] if self.armed else []
        return [self.when, self.where, "--signal", self.signal.name.removeprefix("SIG"), "--nth", str(self.nth), *armed]

    def lay(self) -> None:
        """From now on the n-th call sends the signal to this process."""
        owner, name = found(self.where)
        setattr(owner, name, self._around(getattr(owner, name)))

    def _around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        calls = count(1)

        def number_of_call() -> int:
            return next(calls) if self.armed is None or self.armed.exists() else 0

        def strike(when: When, number: int) -> None:
            if when == self.when and number == self.nth:
                os.kill(os.getpid(), self.signal)

        @functools.wraps(call)
        async def struck_later(*given: Any, **named: Any) -> Any:
            number = number_of_call()
            strike("before", number)
            result = await call(*given, **named)
            strike("after", number)
            return result

        @functools.wraps(call)
        def struck(*given: Any, **named: Any) -> Any:
            number = number_of_call()
            strike("before", number)
            result = call(*given, **named)
            strike("after", number)
            return result

        return struck_later if inspect.iscoroutinefunction(call) else struck


def found(where: str) -> tuple[Any, str]:
    """The module or class, and the name in it, of `package.module:name` or `package.module:Class.name`."""
    module, _, path = where.partition(":")
    *owners, name = path.split(".")
    return functools.reduce(getattr, owners, importlib.import_module(module)), name


def give(where: str, value: str) -> None:
    """Give a module's constant, or an entry of one that is a dictionary, another value of its type."""
    owner, name = found(where)
    if isinstance(owner, dict):
        owner[name] = type(owner[name])(value)
    else:
        setattr(owner, name, type(getattr(owner, name))(value))


@dataclass
class Child:
    """A service in a process of its own."""

    popen: "subprocess.Popen[bytes]"
    url: str
    log: Path

    async def ready(self) -> None:
        """Wait until it says that it is; AssertionError with its last answer, and the end of its log."""
        heard = "nothing"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.popen.poll() is None, self.log.read_text()[-3000:]
            try:
                async with httpx.AsyncClient(trust_env=False) as client:
                    answer = await client.get(f"{self.url}/ready")
            except httpx.HTTPError as error:
                heard = type(error).__name__
            else:
                if answer.status_code == 200:
                    return
                heard = answer.text
            await asyncio.sleep(0.1)
        raise AssertionError(f"not ready after 60 s: {heard}\n{self.log.read_text()[-3000:]}")

    async def struck(self) -> None:
        """Wait until it has killed or frozen itself."""

        async def is_struck() -> bool:
            return self.popen.poll() == -SIGKILL or self._status() == psutil.STATUS_STOPPED

        await until(is_struck, seconds=60, what="the process to be killed or frozen")

    def go_on(self) -> None:
        """Continue a frozen process."""
        self.popen.send_signal(SIGCONT)

    def _status(self) -> str:
        return str(psutil.Process(self.popen.pid).status()) if self.popen.poll() is None else ""


@asynccontextmanager
async def in_a_process(
    service: str,
    settings: ServiceSettings,
    folder: Path,
    point: Point | None = None,
    constants: Mapping[str, object] | None = None,
) -> AsyncIterator[Child]:
    """A service with these settings (but a port of its own) in a process, killed at the point and at the end."""
    child = start(service, settings, folder, point, constants or {})
    try:
        yield child
    finally:
        child.popen.kill()
        await asyncio.to_thread(child.popen.wait)


def start(
    service: str, settings: ServiceSettings, folder: Path, point: Point | None, constants: Mapping[str, object]
) -> Child:
    """A service with these settings (but a port of its own) as a process that its starter has to kill."""
    port = choose_free_port()
    values = [f"--set={name}={value}" for name, value in constants.items()]
    what = [service, *(point.arguments() if point else ()), *values]
    log = folder / f"{service}-{port}.log"
    with log.open("wb") as output:
        popen = subprocess.Popen(
            with_parent((sys.executable, "-m", "tests.support.killed", *what), SIGKILL, None),
            cwd=REPOSITORY,
            env={**os.environ, **environment(settings), "PEERLINE_HTTP_PORT": str(port)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return Child(popen, f"http://127.0.0.1:{port}", log)


def environment(settings: ServiceSettings) -> dict[str, str]:
    """The environment variables that give a service these settings."""
    values = {name: getattr(settings, name) for name in type(settings).model_fields}
    return {
        f"PEERLINE_{name.upper()}": value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in values.items()
        if value is not None
    }


def main() -> None:
    """Lay the point, if one is given, and become the service."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.killed")
    parser.add_argument("service", choices=["intake", "matcher", "notifier", "sla-monitor"])
    parser.add_argument("when", nargs="?", choices=["before", "after"])
    parser.add_argument("where", nargs="?", help="package.module:function or package.module:Class.method")
    parser.add_argument("--signal", default="KILL")
    parser.add_argument("--nth", type=int, default=1)
    parser.add_argument("--armed", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="package.module:CONSTANT=VALUE")
    given = parser.parse_args()
    for where, _, value in (each.rpartition("=") for each in given.set):
        give(where, value)
    if given.where:
        Point(given.when, given.where, Signals[f"SIG{given.signal}"], given.nth, given.armed).lay()
    importlib.import_module(f"{given.service.replace('-', '_')}.main").main()


if __name__ == "__main__":
    main()
