"""Starting a Kafka client so that nothing of it is left behind."""

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
