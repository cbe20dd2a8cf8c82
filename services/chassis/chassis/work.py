"""The unit of work: one transaction, what it may use, and what it leaves for after the commit."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from peerline.cloudevents import headers_of
from peerline.events import Audience, Event, Topic
from peerline.events.base import Part
from peerline.ids import Ids, Pseudonyms
from peerline.programme import Programmes
from peerline.sealing import Unreadable

from chassis import outbox, restored, telemetry, worklist
from chassis.consumer import FeedRecord
from chassis.database import Connection, Pool
from chassis.freshness import Freshness, Horizon
from chassis.keys import KeyAwaited, Keys, Vault
from chassis.log import logger

T = TypeVar("T")
P = TypeVar("P", bound=Part)

PATIENCE = 10.0  # seconds to wait for a connection, where all of them wait for locks
OUTBOX_BELL = "outbox"
ROUNDS_BELL = "rounds"
STUCK = "stuck"
SEEN_IN_TIME = timedelta(minutes=2)
"""What is due later need not wake a round: each looks once a minute, and a transaction ends within another."""
log = logger("chassis")


@dataclass(frozen=True)
class Surroundings:
    """What every unit of work of a service shares."""

    service: str
    own_topic: Topic
    keys: Keys
    programmes: Programmes
    resources: Mapping[type, Any]
    freshness: Freshness = field(default_factory=Freshness)
    tell: worklist.Tell = worklist.announce


@dataclass(frozen=True)
class SetAside:
    """A feed record that its handler could not read."""

    record: FeedRecord
    reason: str
    path: str
    source: str = ""


@dataclass
class UnitOfWork:
    """One transaction. Handlers read and write through it and never commit."""

    connection: Connection
    now: datetime
    surroundings: Surroundings
    traceparents: Mapping[UUID, str | None] = field(default_factory=dict)
    asides: list[SetAside] = field(default_factory=list)
    _records: list[outbox.Record] = field(default_factory=list)
    _bells: set[str] = field(default_factory=set)

    @property
    def programmes(self) -> Programmes:
        """The programmes this service holds."""
        return self.surroundings.programmes

    @property
    def ids(self) -> Ids:
        """Names under this service's key."""
        return self.surroundings.keys.ids

    @property
    def pseudonyms(self) -> Pseudonyms:
        """Pseudonyms of people; LookupError where the service has no pseudonym key."""
        if self.surroundings.keys.pseudonyms is None:
            raise LookupError("PEERLINE_PSEUDONYM_KEY is not set for this service")
        return self.surroundings.keys.pseudonyms

    @property
    def vault(self) -> Vault:
        """Encryption of stored values about people."""
        return self.surroundings.keys.vault

    def get(self, kind: type[T]) -> T:
        """The resource of this type that the composition root gave; LookupError without one."""
        if kind not in self.surroundings.resources:
            raise LookupError(kind.__name__)
        resource: T = self.surroundings.resources[kind]
        return resource

    def seal(self, audience: Audience, content: Part, event_type: type[Event], referral_id: UUID) -> str:
        """A compartment for one audience, bound to this event type and referral."""
        return self.surroundings.keys.sealer.seal(
            audience, content, referral_id=referral_id, event_type=event_type.name, now=self.now
        )

    def open(self, event: Event, audience: Audience, model: type[P]) -> P:
        """
        The content of an event's compartment; raises peerline.sealing.Unreadable.

        Raises KeyAwaited, which handlers leave alone, where the key is yet to come: what is sealed for a week later
        than all of ours is waited with. A key that is gone is gone, and is Unreadable.
        """
        sealed: str | None = getattr(event.sealed, audience.value, None)
        if sealed is None:
            raise Unreadable("absent")
        opener = self.surroundings.keys.opener
        try:
            return opener.open(sealed, model, referral_id=event.referral_id, event_type=event.name)
        except Unreadable as fault:
            if opener.is_behind(fault.kid, self.now):
                raise KeyAwaited(fault.kid) from None
            raise

    def traceparent(self, referral_id: UUID) -> str | None:
        """The trace that brought this referral here, to be kept in its row; else the current span's."""
        return self.traceparents.get(referral_id) or telemetry.traceparent()

    def publish(self, event: Event, traceparent: str | None = None) -> None:
        """Leave an event of this service's own topic to the outbox; ValueError for another topic."""
        if event.topic is not self.surroundings.own_topic:
            raise ValueError(f"{self.surroundings.service} does not write {event.topic}")
        headers = headers_of(
            event,
            source=f"/peerline/{self.surroundings.service}",
            time=self.now,
            traceparent=traceparent or self.traceparent(event.referral_id),
        )
        said = dict(headers)
        self._records.append(
            outbox.Record(event.topic, said["ce_subject"], headers, event.body(), said["ce_id"].decode())
        )
        self._bells.add(OUTBOX_BELL)

    def wake(self, *rounds: str) -> None:
        """Wake the rounds of these names, or all, in every replica, once this is committed."""
        self._bells |= {f"{ROUNDS_BELL}/{name}" for name in rounds} or {ROUNDS_BELL}

    def wake_by(self, due: datetime | None, *rounds: str) -> None:
        """Wake rounds where they would not look by themselves before this is due; None is never due."""
        if due is not None and due < self.now + SEEN_IN_TIME:
            self.wake(*rounds)

    def set_aside(self, record: FeedRecord, reason: str, path: str = "", *, source: str = "") -> None:
        """Quarantine a feed record: coordinates, reason code, name of the field, its source where known, and hash."""
        self.asides.append(SetAside(record, reason, path, source))

    async def horizon(self) -> Horizon:
        """Up to where time may decide: no further than every fact on this service's inputs has been taken."""
        return await self.surroundings.freshness.horizon(self.connection, self.now)

    async def open_item(
        self,
        kind: str,
        *,
        subject: str,
        referral_id: UUID | None = None,
        programme: str | None = None,
        reason: str = "",
        urgent: bool = False,
    ) -> None:
        """Put something on the worklist; (kind, subject) is open at most once."""
        change = await worklist.open_item(
            self.connection,
            kind=kind,
            subject=subject,
            referral_id=referral_id,
            programme=programme,
            reason=reason,
            urgent=urgent,
        )
        if change:
            await self.surroundings.tell(self, change)

    async def list_stuck(self, referral_id: UUID, error: Exception) -> None:
        """Put a case that fails by a fault of ours on the worklist; it must not hold up the others."""
        reason = type(error).__name__
        log.error("case_set_aside", referral_id=str(referral_id), error=reason)
        await self.open_item(STUCK, subject=str(referral_id), referral_id=referral_id, reason=reason, urgent=True)

    async def resolve_item(self, kind: str, *, subject: str, resolution: str = "resolved") -> None:
        """Take something off the worklist; no error where it is not on it."""
        await self.resolve_items(kind, subjects=[subject], resolution=resolution)

    async def resolve_items(self, kind: str, *, subjects: Collection[str], resolution: str = "resolved") -> None:
        """Take those of these subjects that are on the worklist off it, in one statement."""
        if not subjects:
            return
        for change in await worklist.resolve(self.connection, kind=kind, subjects=subjects, resolution=resolution):
            await self.surroundings.tell(self, change)

    @property
    def publishes(self) -> bool:
        """Whether anything is left for the outbox."""
        return bool(self._records)

    async def resolve_items_about(self, kind: str, referral_id: UUID) -> None:
        """Take every item of a kind about a referral off the worklist."""
        for change in await worklist.resolve_about(self.connection, kind, referral_id, resolution="resolved"):
            await self.surroundings.tell(self, change)

    async def flush(self) -> None:
        """Write what was left for the outbox and ring; the last statement before the commit."""
        if self._bells:
            await outbox.append(self.connection, self._records, bells=",".join(sorted(self._bells)))


class Transactions:
    """
    Opens units of work on a service's own database.

    With `compares`, nothing is decided from a database that no relay vouches for: it may have been set back.
    """

    def __init__(self, pool: Pool, surroundings: Surroundings, *, compares: bool = False) -> None:
        self.pool = pool
        self.surroundings = surroundings
        self._compares = compares

    @asynccontextmanager
    async def begin(
        self, traceparents: Mapping[UUID, str | None] | None = None, *, takes: bool = False
    ) -> AsyncIterator[UnitOfWork]:
        """
        A unit of work that is committed at the end of the block and rolled back on an exception.

        Raises NotCompared at the end if it publishes, and at once if it `takes` in what others say, while
        nobody vouches for the database, and TimeoutError where no connection becomes free.
        """
        async with self.pool.acquire(timeout=PATIENCE) as connection, connection.transaction():
            now, vouched = await self._look(connection)
            if takes and not vouched:
                raise restored.NotCompared
            async with self._unit(connection, now, traceparents) as work:
                yield work
                if work.publishes and not vouched:
                    raise restored.NotCompared

    @asynccontextmanager
    async def within(self, connection: Connection) -> AsyncIterator[UnitOfWork]:
        """A unit of work within a transaction of the caller's, whoever vouches for the database."""
        async with self._unit(connection, await _now(connection), None) as work:
            yield work

    async def _look(self, connection: Connection) -> tuple[datetime, bool]:
        """The database's time, and whether it may be decided from: as each transaction asks both, in one statement."""
        if self._compares:
            return await restored.now_and_compared(connection)
        return await _now(connection), True

    @asynccontextmanager
    async def _unit(
        self, connection: Connection, now: datetime, traceparents: Mapping[UUID, str | None] | None
    ) -> AsyncIterator[UnitOfWork]:
        work = UnitOfWork(connection, now, self.surroundings, traceparents or {})
        yield work
        await work.flush()

    def get(self, kind: type[T]) -> T:
        """The resource of this type that the composition root gave; LookupError without one."""
        if kind not in self.surroundings.resources:
            raise LookupError(kind.__name__)
        resource: T = self.surroundings.resources[kind]
        return resource


async def _now(connection: Connection) -> datetime:
    now: datetime = await connection.fetchval("SELECT statement_timestamp()")
    return now


def by_type(resources: Iterable[Any]) -> Mapping[type, Any]:
    """Resources under their own type, as `get` looks for them."""
    return {type(resource): resource for resource in resources}
