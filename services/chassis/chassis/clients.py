"""Starting and stopping Kafka clients so that nothing of them is left behind, and nothing of them reaches us."""

import asyncio
from collections.abc import Awaitable

from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

LEAVE = 2.0  # seconds
CLIENT_FAULTS = (KafkaError, OSError, TimeoutError, RuntimeError)
"""
What a client raises where the broker is away, or is just going.

RuntimeError is uvloop's, where something is written to a connection that it has closed and aiokafka has not noticed
yet. aiokafka does not expect it, and whichever task of the client meets it ends for good: such a client has to be
replaced.
"""


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


async def dropped(consumer: AIOKafkaConsumer) -> None:
    """
    End a consumer of which nothing may work any more.

    Its own stop waits for its membership, which waits for the next look at the cluster; where the task that looks has
    ended by an error, that is for ever, and neither fetches nor connections are ended. So each is ended by itself.
    """
    await stopped(consumer.stop())
    if consumer._fetcher is not None:
        await stopped(consumer._fetcher.close())
    await disconnected(consumer._client)


async def disconnected(client: AIOKafkaClient) -> None:
    """Close a client's connections. Its own close raises what its look at the cluster ended in, before it closes any."""
    look, client._sync_task = client._sync_task, None
    if look is not None:
        look.cancel()
        await asyncio.gather(look, return_exceptions=True)
    await stopped(client.close())


def are_we_cancelled() -> bool:
    """Whether a cancellation is meant for the task that runs; a library's own looks the same."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
