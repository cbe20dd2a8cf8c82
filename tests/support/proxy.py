"""
A TCP proxy in front of PostgreSQL or Kafka, which does as it is told.

`pass` · `delay MS` each piece of at most 64 KiB is held for so long, in both directions ·
`throttle BYTES` a second, each direction of each connection · `hang` connections are accepted and kept, no byte
passes; what was held goes on with the next mode · `refuse` new connections, and leave those there are ·
`cut` every connection now, with a reset; the mode stays.

In a process of its own: `python -m tests.support.proxy --listen PORT --to HOST:PORT`, told by lines on
standard input, each answered by `ok`; it ends with its input.
"""

import argparse
import asyncio
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Self

LOOPBACK = "127.0.0.1"
LARGEST_PIECE = 65536
REPOSITORY = Path(__file__).parents[2]


class Proxy:
    """Forwards connections to `to` ("host:port"); `obey` says how."""

    def __init__(self, to: str, port: int = 0) -> None:
        host, _, number = to.rpartition(":")
        self._to = (host, int(number))
        self.port = port
        """Where it listens; with 0, chosen at the start and kept."""
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._delay = 0.0
        self._rate: int | None = None

    async def __aenter__(self) -> Self:
        await self.obey("pass")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.obey("refuse")
        for task in self._tasks:
            task.cancel()
        await self.obey("cut")

    async def obey(self, order: str) -> None:
        """Change the mode, or cut; raises ValueError for an order that is none."""
        if order == "cut":
            for writer in self._writers:
                writer.transport.abort()
            return
        match order.split():
            case ["pass" | "refuse" | "hang" as mode]:
                self._delay, self._rate = 0.0, None
            case ["delay" as mode, milliseconds]:
                self._delay, self._rate = int(milliseconds) / 1000, None
            case ["throttle" as mode, rate]:
                self._delay, self._rate = 0.0, int(rate)
            case _:
                raise ValueError(order)
        (self._flowing.clear if mode == "hang" else self._flowing.set)()
        await self._listen(mode != "refuse")

    async def _listen(self, accepting: bool) -> None:
        if not accepting and self._server:
            self._server.close()
            self._server = None
        elif accepting and not self._server:
            self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._connect(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        onward = None
        try:
            await self._flowing.wait()
            with suppress(OSError):
                back, onward = await asyncio.open_connection(*self._to)
                self._writers.add(onward)
                await asyncio.gather(self._forward(reader, onward), self._forward(back, writer))
        finally:
            # Both ends go together, as if there were nothing in between.
            for end in filter(None, (writer, onward)):
                end.transport.abort()
                self._writers.discard(end)

    async def _forward(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while piece := await source.read(max(1, min(LARGEST_PIECE, (self._rate or LARGEST_PIECE * 10) // 10))):
            await asyncio.sleep(len(piece) / self._rate if self._rate else self._delay)
            await self._flowing.wait()
            target.write(piece)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()


class ProxyProcess:
    """
    The same in a process of its own, for services that run beside the test's event loop.

        with ProxyProcess(to="127.0.0.1:5432", port=choose_free_port()) as proxy:
            proxy.obey("delay 20")
    """

    def __init__(self, *, to: str, port: int) -> None:
        self.port = port
        command = [sys.executable, "-m", "tests.support.proxy", "--listen", str(port), "--to", to]
        self._child = subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.obey("pass")

    def obey(self, order: str) -> None:
        """Change the mode, or cut; returns when it is so."""
        assert self._child.stdin
        assert self._child.stdout
        self._child.stdin.write(f"{order}\n")
        answer = self._child.stdout.readline().strip()
        assert answer == "ok", f"the proxy did not {order}: {answer or 'it has ended'}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.communicate(timeout=10)


async def _serve(port: int, to: str) -> None:
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    async with Proxy(to, port) as proxy:
        while line := await orders.readline():
            answer = "ok"
            try:
                await proxy.obey(line.decode().strip())
            except ValueError:
                answer = "what?"
            sys.stdout.write(f"{answer}\n")
            sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", type=int, required=True, metavar="PORT")
    parser.add_argument("--to", required=True, metavar="HOST:PORT")
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments.listen, arguments.to))


if __name__ == "__main__":
    main()
