"""
A service of the local stack whose handlers each take 200 ms longer, as a module to run in its place.

Which service it is, the name of its database says: `<anything>_<service>`. SLOWED_BATCH bounds a batch, so that a
small burst is as many batches as a great one is otherwise.
"""

import asyncio
import importlib
import os
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from chassis import Consumer, reading

SECONDS = 0.2
Handler = Callable[..., Awaitable[None]]


def slowed(handler: Handler) -> Handler:
    """The same, later."""

    async def handle(*given: Any) -> None:
        await asyncio.sleep(SECONDS)
        await handler(*given)

    return handle


def main() -> None:
    """Become the service, slowly."""
    handler_of, feed_handler_of = Consumer.handler_of, Consumer.feed_handler_of

    def slow_handler_of(self: Consumer, event: Any) -> Handler | None:
        handler = handler_of(self, event)
        return slowed(handler) if handler else None

    def slow_feed_handler_of(self: Consumer, topic: str) -> Handler | None:
        handler = feed_handler_of(self, topic)
        return slowed(handler) if handler else None

    setattr(Consumer, "handler_of", slow_handler_of)  # noqa: B010
    setattr(Consumer, "feed_handler_of", slow_feed_handler_of)  # noqa: B010
    if batch := os.environ.get("SLOWED_BATCH"):
        assert int(batch) <= reading.MOST_RECORDS
        setattr(reading, "MOST_RECORDS", int(batch))  # noqa: B010
    database = urlsplit(os.environ["PEERLINE_DATABASE_URL"]).path
    importlib.import_module(f"{database.partition('_')[2]}.main").main()


if __name__ == "__main__":
    main()
