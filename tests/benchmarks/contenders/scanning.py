"""
A plain worker: every so often it looks for what is due, in a table that has no index for it.

    python -m tests.benchmarks.contenders.scanning DATABASE_URL

It gives what Peerline's sweep gives: the event is written with the mark that it was, in one transaction; the oldest due
comes first; any number of workers may run. It decides nothing: what stopped in time would have to be taken out before.
"""

import asyncio
import contextlib
import signal
import sys
from typing import Any

import asyncpg
import uvloop

from tests.benchmarks.contenders.telling import record

BATCH = 500
PAUSE = 1.0  # seconds
TABLE = """
CREATE TABLE plain_deadline (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    referral_id uuid        NOT NULL,
    clock       text        NOT NULL,
    due         timestamptz NOT NULL,
    told        boolean     NOT NULL DEFAULT false
)
"""
DUE = """
SELECT id, referral_id, clock, due FROM plain_deadline WHERE due < now() AND NOT told
 ORDER BY due LIMIT $1 FOR UPDATE SKIP LOCKED
"""


async def run(url: str) -> None:
    """Tell whatever is due, until cancelled."""
    connection = await asyncpg.connect(url)
    try:
        while True:
            if not await _tell(connection):
                await asyncio.sleep(PAUSE)
    finally:
        await connection.close()


async def _tell(connection: Any) -> int:
    async with connection.transaction():
        rows = await connection.fetch(DUE, BATCH)
        if rows:
            records = [record(str(row["referral_id"]), row["clock"], row["due"].isoformat()) for row in rows]
            await connection.execute(
                """
                INSERT INTO outbox (topic, key, headers, body, event_id)
                SELECT * FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::bytea[], $5::text[])
                """,
                *zip(*records, strict=True),
            )
            await connection.execute(
                "UPDATE plain_deadline SET told = true WHERE id = ANY ($1::bigint[])", [row["id"] for row in rows]
            )
    return len(rows)


async def _until_told() -> None:
    work = asyncio.create_task(run(sys.argv[1]))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await work


if __name__ == "__main__":
    uvloop.run(_until_told())
