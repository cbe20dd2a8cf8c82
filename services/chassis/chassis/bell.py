"""Wake-ups from the database: whoever commits work rings, and every replica's rounds and relay hear it."""

import asyncio
from collections import defaultdict

import asyncpg

from chassis.failures import THE_WORLD
from chassis.log import logger

CHANNEL = "peerline"
log = logger("chassis")


class Bell:
    """Listens on a connection of its own; a lost one is replaced, and everybody is woken after that."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._rung: defaultdict[str, list[asyncio.Event]] = defaultdict(list)

    def hear(self, *names: str) -> asyncio.Event:
        """An event that is set when one of these names is rung; the hearer clears it."""
        event = asyncio.Event()
        event.set()
        for name in names:
            self._rung[name].append(event)
        return event

    async def listen(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._listen_once()
            except (*THE_WORLD, asyncpg.PostgresError) as error:
                log.warning("bell_lost", error=type(error).__name__)
            await asyncio.sleep(1)

    async def _listen_once(self) -> None:
        connection = await asyncpg.connect(self._url)
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _connection: lost.set())
        try:
            await connection.add_listener(CHANNEL, self._on_notify)
            for name in list(self._rung):
                self._ring(name)
            await lost.wait()
        finally:
            await connection.close(timeout=5)

    def _on_notify(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        for name in str(payload).split(","):
            self._ring(name)

    def _ring(self, name: str) -> None:
        for event in self._rung[name]:
            event.set()
