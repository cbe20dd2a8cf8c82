"""What a service declares about its input: which handler takes which event."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from peerline.events import Event, Topic

if TYPE_CHECKING:
    from chassis.work import UnitOfWork

E = TypeVar("E", bound=Event)
EventHandler = Callable[[Sequence[Any], "UnitOfWork"], Awaitable[None]]


class Refused(Exception):
    """The domain refuses one event of a batch; it is quarantined and the others are taken again."""

    def __init__(self, event_id: UUID, reason: str) -> None:
        super().__init__(reason)
        self.event_id = event_id
        self.reason = reason


@dataclass(frozen=True)
class FeedRecord:
    """A record of a topic that others write, as it came."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]
    arrived_at: datetime


FeedHandler = Callable[[Sequence[FeedRecord], "UnitOfWork"], Awaitable[None]]


class Consumer:
    """The input of a service: at most one handler for each event type or feed."""

    def __init__(self, service: str) -> None:
        self.service = service
        self._events: dict[type[Event], EventHandler] = {}
        self._feeds: dict[Topic, FeedHandler] = {}

    def on(
        self, event: type[E]
    ) -> Callable[
        [Callable[[Sequence[E], "UnitOfWork"], Awaitable[None]]], Callable[[Sequence[E], "UnitOfWork"], Awaitable[None]]
    ]:
        """Declare the handler of an event type; it gets the new events of a batch, in order per referral."""

        def declare(
            handler: Callable[[Sequence[E], "UnitOfWork"], Awaitable[None]],
        ) -> Callable[[Sequence[E], "UnitOfWork"], Awaitable[None]]:
            if event in self._events:
                raise ValueError(f"{event.name} has a handler already")
            self._events[event] = handler
            return handler

        return declare

    def on_feed(self, topic: Topic) -> Callable[[FeedHandler], FeedHandler]:
        """Declare the handler of a raw feed; what it cannot read it sets aside itself."""

        def declare(handler: FeedHandler) -> FeedHandler:
            if topic in self._feeds:
                raise ValueError(f"{topic} has a handler already")
            self._feeds[topic] = handler
            return handler

        return declare

    @property
    def topics(self) -> list[Topic]:
        """The topics that this consumer reads."""
        return sorted({event.topic for event in self._events} | set(self._feeds))

    def subscriptions(self) -> tuple[list[type[Event]], list[Topic]]:
        """The events and the feeds that have a handler."""
        return list(self._events), list(self._feeds)

    def handler_of(self, event: type[Event]) -> EventHandler | None:
        """The handler of an event type, or None where this service does not act on it."""
        return self._events.get(event)

    def feed_handler_of(self, topic: str) -> FeedHandler | None:
        """The handler of a feed, or None where the topic carries Peerline's own events."""
        return self._feeds.get(Topic.of(topic))
