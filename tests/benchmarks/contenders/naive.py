"""
What one writes first: a typed handler of FastStream, one transaction and one commit of the offset for each message.

The event goes out after the transaction and before the commit: a crash between them loses it, one after it repeats
it. No outbox, no fence, no inbox that compares bodies; a record whose handler fails is passed over.
"""

import asyncio
import hashlib
import signal
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import uvloop
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from peerline.cloudevents import headers_of
from peerline.events import MatchConfirmed, ProgrammeRef
from peerline.ids import Ids
from pydantic import AwareDatetime, BaseModel

from tests.benchmarks.contenders import SUPPORTER, Spec

IDS = Ids(b"0" * 32)


class Programme(BaseModel):
    """A programme in an event."""

    id: str
    digest: str


class Created(BaseModel):
    """The event as a handler's argument."""

    event_id: UUID
    referral_id: UUID
    programme: Programme
    sequence: int
    occurred_at: AwareDatetime
    received_at: AwareDatetime


async def run(spec: Spec) -> None:
    """Consume until told to stop."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with asyncpg.create_pool(spec.database, min_size=1, max_size=2) as pool:
        broker = KafkaBroker(spec.bootstrap, logger=None)

        @broker.subscriber(spec.source, group_id=spec.group, auto_offset_reset="earliest", ack_policy=AckPolicy.ACK)
        async def confirm(created: Created) -> None:
            if await _take(pool, created):
                said = _said(created)
                await broker.publish(
                    said.body(),
                    spec.target,
                    key=str(said.referral_id).encode(),
                    headers={
                        name: value.decode()
                        for name, value in headers_of(
                            said, source="/peerline/matcher", time=said.occurred_at, traceparent=None
                        )
                    },
                )

        async with broker:
            await broker.start()
            await stop.wait()


async def _take(pool: "asyncpg.Pool[asyncpg.Record]", created: Created) -> bool:
    """One transaction; whether the event was new."""
    async with pool.acquire() as connection, connection.transaction():
        taken = await connection.fetchval(
            "INSERT INTO inbox (event_id, body_hash) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true",
            created.event_id,
            hashlib.sha256(created.model_dump_json().encode()).digest(),
        )
        if not taken:
            return False
        await connection.execute(
            "INSERT INTO effect_case VALUES ($1, $2, $3)",
            created.referral_id,
            created.programme.id,
            created.received_at,
        )
        await connection.execute("INSERT INTO effect_match VALUES ($1, 1, $2)", created.referral_id, SUPPORTER)
    return True


def _said(created: Created) -> MatchConfirmed:
    return MatchConfirmed(
        event_id=IDS.event(MatchConfirmed.name, created.referral_id, 1),
        referral_id=created.referral_id,
        programme=ProgrammeRef(id=created.programme.id, digest=created.programme.digest),
        sequence=1,
        occurred_at=datetime.now(UTC),
        match_id=IDS.match(created.referral_id, 1),
        attempt=1,
    )


if __name__ == "__main__":
    uvloop.run(run(Spec.read()))
