"""
An incident system in a process of its own, so that what it costs is not taken for what it measures.

    python -m tests.benchmarks.handing_in    # reads an Order from standard input, writes what became of it as JSON

Requests are made and signed before the first is sent, and again where a signature has become old. With a rate, each is
due at its own instant, whatever became of those before it; without, all are due at once. A connection carries one
request at a time and is kept. What is answered 5xx or not at all is sent again, as an incident system does.
"""

import asyncio
import json
import re
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import uvloop
from peerline_local.demo.doors import signed

from tests.faults.campaign.reports import WEBHOOK, Report, body_of
from tests.support.workplace import REPOSITORY

SOURCE = "shcp-risk"
ACCEPTED = 202
AGAIN_AFTER = 0.2  # seconds
HEAD_START = 0.2  # seconds for connections to be made
FRESH = 120  # seconds; intake takes a signature for five minutes
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Order:
    """What to hand in: `count` reports from `first` on, each of one physician, at `rate` a second (0: all at once)."""

    port: int
    secret: str
    """Of the source, in hexadecimal."""
    first: int
    count: int
    rate: float = 0
    connections: int = 32


@dataclass(frozen=True)
class HandedIn:
    """When the first report was due (seconds since 1970), and how much later each was accepted."""

    first: int
    rate: float
    began: float
    accepted: list[float]
    """Seconds from `began` to the answer 202, report by report."""
    again: dict[str, int]
    """What had to be sent again, by what was answered."""

    def due(self, number: int) -> float:
        """When a report was to be sent, in seconds since 1970."""
        return self.began + ((number - self.first) / self.rate if self.rate else 0)

    @property
    def seconds(self) -> float:
        """From the first report's instant to the last answer."""
        return max(self.accepted)

    @property
    def answer_times(self) -> list[float]:
        """Seconds from each report's instant to its answer."""
        return [self.began + at - self.due(self.first + place) for place, at in enumerate(self.accepted)]


async def hand_in(order: Order) -> HandedIn:
    """Hand reports in from another process; give what became of them."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", __name__),
        cwd=REPOSITORY,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        said, _ = await child.communicate(json.dumps(asdict(order)).encode())
    except BaseException:
        with suppress(ProcessLookupError):
            child.kill()
        raise
    if child.returncode:
        raise SystemExit("reports could not be handed in")
    return HandedIn(**json.loads(said))


def request_of(order: Order, number: int, reported_at: float) -> bytes:
    """One report of one physician, signed now, as it goes over the wire; its body is the same each time."""
    report = Report(number, WEBHOOK, (number,))
    body = body_of(report, datetime.fromtimestamp(reported_at, UTC))
    headers = {
        "host": "127.0.0.1",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "peerline-source": SOURCE,
        **signed(bytes.fromhex(order.secret), report.incident, body, at=time.time()),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /v1/adverse-events HTTP/1.1\r\n{lines}\r\n".encode() + body


@dataclass
class _System:
    order: Order
    signed_at: float = 0
    requests: list[bytes] = field(default_factory=list)
    began: float = 0
    accepted: list[float] = field(default_factory=list)
    again: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        due: asyncio.Queue[int] = asyncio.Queue()
        self.signed_at = time.time()
        self.requests = [self._request(place) for place in range(self.order.count)]
        self.accepted = [0.0] * self.order.count
        self.began = time.time() + HEAD_START
        senders = [asyncio.create_task(self._send_all(due)) for _ in range(self.order.connections)]
        await self._let_fall_due(due)
        for _ in senders:
            due.put_nowait(-1)
        await asyncio.gather(*senders)

    async def _let_fall_due(self, due: "asyncio.Queue[int]") -> None:
        for place in range(self.order.count):
            at = self.began + (place / self.order.rate if self.order.rate else 0)
            if (wait := at - time.time()) > 0:
                await asyncio.sleep(wait)
            due.put_nowait(place)

    async def _send_all(self, due: "asyncio.Queue[int]") -> None:
        line = _Line(self.order.port)
        while (place := await due.get()) >= 0:
            while (answer := await line.ask(self._fresh(place))) != str(ACCEPTED):
                if answer.startswith("4"):
                    raise SystemExit(f"a report was answered {answer}")
                self.again[answer] += 1
                await asyncio.sleep(AGAIN_AFTER)
            self.accepted[place] = time.time() - self.began
        line.close()

    def _fresh(self, place: int) -> bytes:
        return self.requests[place] if time.time() - self.signed_at < FRESH else self._request(place)

    def _request(self, place: int) -> bytes:
        return request_of(self.order, self.order.first + place, self.signed_at)


class _Line:
    """One connection, made again where the other side has ended it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> str:
        """The status of the answer, or the name of the error."""
        if self._ends and self._ends[0].at_eof():  # the other side ends what is idle for five seconds
            self.close()
        try:
            reader, writer = self._ends = self._ends or await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = LENGTH.search(head)
            await reader.readexactly(int(length[1]) if length else 0)
            return head[9:12].decode()
        except (OSError, asyncio.IncompleteReadError) as error:
            self.close()
            return type(error).__name__

    def close(self) -> None:
        if self._ends:
            self._ends[1].close()
        self._ends = None


def main() -> None:
    """Do what the order on standard input says."""
    given: dict[str, Any] = json.load(sys.stdin)
    order = Order(**given)
    system = _System(order)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(system.run())
    handed_in = HandedIn(order.first, order.rate, system.began, system.accepted, dict(system.again))
    print(json.dumps(asdict(handed_in)))  # noqa: T201  to whoever ordered it


if __name__ == "__main__":
    main()
