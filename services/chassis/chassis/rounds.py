"""Work that time or a wake-up triggers, beside the handlers."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from chassis import metrics, restored, telemetry
from chassis.bell import Bell
from chassis.log import logger
from chassis.pace import Pace
from chassis.work import ROUNDS_BELL, Transactions

LONGEST_SLEEP = 60.0  # chassis.work.SEEN_IN_TIME counts on it
FIRST_PAUSE = 0.5
HELD = timedelta(seconds=0.5)
log = logger("chassis")


@dataclass(frozen=True)
class Round:
    """
    A named piece of recurring work.

    `run` does what is due in small transactions and gives the time until something is due again, by the
    database's clock, or None where only a wake-up brings work. One that is not `woken` hears no wake-ups: time alone
    brings it work. After a database was set back it waits until an operator has looked, unless it may go on
    `while_halted`.
    """

    name: str
    run: Callable[[Transactions], Awaitable[timedelta | None]]
    while_halted: bool = False
    woken: bool = True


async def keep_running(work: Round, transactions: Transactions, bell: Bell) -> None:
    """Run a round whenever it is due or rung for, until cancelled; a failure is waited out."""
    rung = bell.hear(ROUNDS_BELL, f"{ROUNDS_BELL}/{work.name}") if work.woken else asyncio.Event()
    pause, pace = FIRST_PAUSE, Pace()
    while True:
        await pace.rest()
        rung.clear()
        try:
            due_in = await _run(work, transactions)
            pause = FIRST_PAUSE
            pace.ended()
        except Exception as error:  # noqa: BLE001  a round never ends the service
            metrics.ROUND_FAILURES.labels(work.name).inc()
            log.warning("round_failed", what=work.name, error=type(error).__name__)
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  jitter
            pause = min(pause * 2, LONGEST_SLEEP)
            continue
        await _until_due(rung, due_in)


async def _run(work: Round, transactions: Transactions) -> timedelta | None:
    """Run it once, unless the database may have been set back, or was and nobody has looked."""
    async with transactions.pool.acquire() as connection:
        if not await restored.may_act(connection, while_halted=work.while_halted):
            return HELD
    with metrics.ROUND_SECONDS.labels(work.name).time(), telemetry.span(work.name):
        return await work.run(transactions)


async def _until_due(rung: asyncio.Event, due_in: timedelta | None) -> None:
    seconds = LONGEST_SLEEP if due_in is None else max(0.0, due_in.total_seconds())
    try:
        async with asyncio.timeout(min(seconds, LONGEST_SLEEP)):
            await rung.wait()
    except TimeoutError:
        pass
