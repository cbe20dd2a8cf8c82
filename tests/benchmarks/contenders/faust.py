"""
Faust-streaming, in its own idiom: an agent that takes batches of its stream and sends to a topic.

The transaction of a batch is committed once its events are acknowledged. Tuned: uvloop, one statement for all rows,
the sends awaited together, a short linger. It acknowledges its input itself: `take` does so also for a batch that
failed, which was then lost.

What it guarantees: every event takes effect once and is published at least once, under the same id.

What it does not, compared with Peerline:
- There is no outbox: what is published and then not committed is on the topic without its effect until the batch is
  taken again, and for good where it is decided otherwise then.
- The producer is not idempotent (outside of Faust's Kafka transactions): its own retries may double or reorder.
- Offsets are in Kafka only, committed every few seconds; nothing fences a former owner, and a database that is set
  back does not read on from where it stands.
- A batch that fails ends the process, without a stop, which would hang: its partitions stand still until the session
  expires. Nothing is quarantined, and the same id with another body is passed over.
- No CloudEvents headers are checked, nothing is traced.
"""

import asyncio
import os
import tempfile
import traceback
from collections.abc import Sequence
from typing import Any

import asyncpg
import faust
import mode.loop

from tests.benchmarks.contenders import SUPPORTER, Spec
from tests.benchmarks.contenders.confirming import Confirmed, confirm

BATCH = 500
WITHIN = 0.05  # seconds
TAKE = """
WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::uuid[], $4::text[], $5::timestamptz[])
               AS given (event_id, body_hash, referral_id, programme_id, received_at)
), new AS (
    INSERT INTO inbox (event_id, body_hash) SELECT event_id, body_hash FROM given ORDER BY event_id
    ON CONFLICT (event_id) DO NOTHING RETURNING event_id
), fresh AS (
    SELECT given.* FROM given JOIN new USING (event_id)
), cases AS (
    INSERT INTO effect_case SELECT referral_id, programme_id, received_at FROM fresh
), matches AS (
    INSERT INTO effect_match SELECT referral_id, 1, $6 FROM fresh
)
SELECT event_id FROM fresh
"""


class Confirming:
    """The agent's work on the database and the topic of one spec."""

    def __init__(self, spec: Spec, target: Any) -> None:
        self._spec = spec
        self._target = target

    async def run(self, stream: Any) -> None:
        """Take the stream for as long as it lasts; what fails ends the worker, since Faust would go on without it."""
        connection = await asyncpg.connect(self._spec.database)
        try:
            async for events in stream.noack_take(BATCH, within=WITHIN):
                await self._take(connection, [confirm(event.value) for event in events])
                for event in events:
                    await stream.ack(event)
        except Exception:  # noqa: BLE001  whatever it is, nothing may be taken after it
            traceback.print_exc()
            os._exit(1)  # a stop would hang; the agent, restarted, would go on without this batch
        finally:
            connection.terminate()

    async def _take(self, connection: "asyncpg.Connection[Any]", confirmed: Sequence[Confirmed]) -> None:
        batch = {each.event_id: each for each in confirmed}
        columns = zip(*[each[:5] for each in batch.values()], strict=True)
        async with connection.transaction():
            rows = await connection.fetch(TAKE, *columns, SUPPORTER)
            sent = [await self._send(batch[row["event_id"]]) for row in rows]
            await asyncio.gather(*sent)

    async def _send(self, confirmed: Confirmed) -> Any:
        return await self._target.send(key=confirmed.key, value=confirmed.body, headers=confirmed.headers)


def application(spec: Spec, folder: str) -> Any:
    """The Faust application, which keeps its files in a folder."""
    app = faust.App(
        spec.group,
        broker=f"kafka://{spec.bootstrap}",
        datadir=folder,
        store="memory://",
        key_serializer="raw",
        value_serializer="raw",
        consumer_auto_offset_reset="earliest",
        producer_linger=0.005,
        producer_max_batch_size=131_072,
        topic_allow_declare=False,
        topic_disable_leader=True,
        stream_wait_empty=False,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )
    source = app.topic(spec.source, key_type=bytes, value_type=bytes)
    target = app.topic(spec.target, key_type=bytes, value_type=bytes)
    app.agent(source, name="confirming")(Confirming(spec, target).run)
    return app


def main() -> None:
    """Run until SIGTERM, which the worker takes itself."""
    mode.loop.use("uvloop")
    with tempfile.TemporaryDirectory() as folder:
        worker = faust.Worker(application(Spec.read(), folder), loglevel="warning")
        worker.spinner = None
        worker.execute_from_commandline()


if __name__ == "__main__":
    main()
