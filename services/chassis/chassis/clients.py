"""Starting and stopping Kafka clients so that nothing of them is left behind, and nothing of them reaches us."""

import asyncio
from collections.abc import Awaitable

LEAVE = 2.0  # seconds


async def started(start: Awaitable[None]) -> None:
    """
    Wait for a client's start; where we are cancelled meanwhile, for a moment longer before we go.

    A start of aiokafka that is cancelled at its first request leaves that connection open, out of everybody's reach.
    The caller closes the client in either case.
    """
    starting = asyncio.ensure_future(start)
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait([starting], timeout=LEAVE)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        raise


async def stopped(stop: Awaitable[None], patience: float = LEAVE) -> None:
    """
    Wait `patience` seconds for a client, or a part of it, to stop; what that ends in is of no interest.

    A task of aiokafka that is stopped before it has begun ends as cancelled, and whoever waits for it with it.
    """
    stopping = asyncio.ensure_future(stop)
    await asyncio.wait([stopping], timeout=patience)
    stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)


def are_we_cancelled() -> bool:
    """Whether a cancellation is meant for the task that runs; a library's own looks the same."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
