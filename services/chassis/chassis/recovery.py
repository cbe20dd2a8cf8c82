"""
What a restored database had lost is taken in again, before anything else is decided from it.

The relay's leader finds the events (own_topic.py). Each service says what one of its own events tells about
its case; then everything that time triggers stands still until an operator resumes (resuming.py).
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from peerline.events import Event, WorklistChanged

from chassis import restored
from chassis.database import Connection
from chassis.decoding import Decoded, RawRecord, decode
from chassis.failures import THE_WORLD
from chassis.log import logger
from chassis.own_topic import lost
from chassis.work import Transactions, UnitOfWork

ITEM = "restored"
NOT_RECALLED = "not-recalled"
log = logger("chassis")


async def _nothing(_work: UnitOfWork) -> None:
    """A service that has nothing to settle before it goes on."""


@dataclass(frozen=True)
class Recovery:
    """
    What a service does about what its database has lost.

    `recall` folds one of its own events back into its case, in the topic's order for a referral, however often.
    It publishes nothing. The case's sequence must not stay behind the event's, else a later event of another
    meaning would get an id that stands on the topic. `settle` is called once when an operator resumes, with the
    gap of the input read again.
    """

    recall: Callable[[Event, UnitOfWork], Awaitable[None]]
    settle: Callable[[UnitOfWork], Awaitable[None]] = _nothing


class Recaller:
    """Takes lost events in, on the leader's connection and within its transaction."""

    def __init__(self, recovery: Recovery | None, transactions: Transactions) -> None:
        self._recovery = recovery
        self._transactions = transactions

    async def __call__(self, connection: Connection, records: Sequence[RawRecord]) -> None:
        """Take these records in, remember them, and halt what must wait for a human."""
        async with self._transactions.within(connection) as work:
            await restored.halt(connection)
            noted = [lost(record, recalled=await self._recall(record, work)) for record in records]
            await restored.note(connection, noted)
            service = self._transactions.surroundings.service
            await work.open_item(ITEM, subject=service, reason="own-events-lost", urgent=True)

    async def _recall(self, record: RawRecord, work: UnitOfWork) -> bool:
        """Fold one event in; one that cannot be is for a human, and the others go on."""
        decoded = decode(record)
        if not isinstance(decoded, Decoded):
            await self._list(record, decoded.reason, work)
            return False
        if isinstance(decoded.event, WorklistChanged):
            return True  # what waits for a human is found again as the gap of the input is read
        try:
            async with work.connection.transaction():
                if self._recovery:
                    await self._recovery.recall(decoded.event, work)
        except THE_WORLD:
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, the others' cases must be known
            log.error("not_recalled", event_id=str(decoded.event.event_id), error=type(error).__name__)
            await self._list(record, getattr(error, "reason", type(error).__name__), work, decoded.event)
            return False
        return self._recovery is not None

    async def _list(self, record: RawRecord, reason: str, work: UnitOfWork, event: Event | None = None) -> None:
        await work.open_item(
            NOT_RECALLED,
            subject=f"{record.topic}/{record.partition}/{record.offset}",
            referral_id=event.referral_id if event else None,
            programme=event.programme.id if event else None,
            reason=reason,
            urgent=True,
        )
