"""
Outcomes of messages, written down together: all that wait while one transaction is under way share the next.

A commit waits for the disk, and a message that was handed over waits for nothing else.
"""

import asyncio
from collections.abc import Sequence
from types import TracebackType

from chassis import Transactions

from notifier.sends.ending import Outcome, end, write_down
from notifier.sends.smtp import Deadline

Waiting = tuple[Outcome, Deadline, "asyncio.Future[None]"]


class Endings:
    """Writes down outcomes for as long as the block lasts."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._waiting: list[Waiting] = []
        self._writing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Endings":
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Leave what is still being written; whoever waited for it has been cancelled."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)

    async def write(self, outcome: Outcome, deadline: Deadline) -> None:
        """Return when it is written down; raises what kept it from being, once it was given up as unknown."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((outcome, deadline, written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        await written

    async def _write_all(self) -> None:
        while self._waiting:
            together, self._waiting = self._waiting, []
            try:
                await self._write(together)
            except Exception:  # noqa: BLE001  one of them may be the cause: the others must not share its fate
                for each in together:
                    await self._write_alone(each)

    async def _write(self, together: Sequence[Waiting]) -> None:
        async with self._transactions.begin() as work:
            await end(work, [outcome for outcome, _, _ in together])
        for _, _, written in together:
            _tell(written, None)

    async def _write_alone(self, waiting: Waiting) -> None:
        outcome, deadline, written = waiting
        try:
            await write_down(self._transactions, deadline, lambda work: end(work, [outcome]))
        except Exception as error:  # noqa: BLE001  told to whoever waits
            _tell(written, error)
        else:
            _tell(written, None)


def _tell(written: "asyncio.Future[None]", error: Exception | None) -> None:
    if written.done():  # cancelled: nobody waits any more
        return
    if error is None:
        written.set_result(None)
    else:
        written.set_exception(error)
