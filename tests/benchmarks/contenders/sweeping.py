"""
The monitor's sweep and its wake-up by NOTIFY, as the service runs them, and nothing else of the service.

    python -m tests.benchmarks.contenders.sweeping DATABASE_URL

Somebody else has to vouch for the database (chassis/restored.py), which the relay does in the service.
"""

import asyncio
import contextlib
import gc
import signal
import sys

import uvloop
from chassis import Round
from chassis.bell import Bell
from chassis.database import open_pool
from chassis.rounds import keep_running
from sla_monitor import sweep

from tests.support.monitor_place import transactions_on


async def run(url: str) -> None:
    """Decide whatever is due, until cancelled."""
    bell = Bell(url)
    async with await open_pool(url) as pool, asyncio.TaskGroup() as tasks:
        tasks.create_task(bell.listen())
        tasks.create_task(keep_running(Round("sweep", sweep.run, while_halted=True), transactions_on(pool), bell))


async def _until_told() -> None:
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)  # as the chassis does
    work = asyncio.create_task(run(sys.argv[1]))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await work


if __name__ == "__main__":
    uvloop.run(_until_told())
