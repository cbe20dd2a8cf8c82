"""
Procrastinate, in its own idiom: each deadline is a job that was scheduled for the instant at which it is due.

    python -m tests.benchmarks.contenders.scheduled DATABASE_URL [schema]

With `schema` it makes its tables and ends. Tuned: many jobs at a time, each on a connection of the pool; uvloop.

What it does not, compared with Peerline: a job's effect and its end are two transactions, so that an event is told twice
where a worker dies between them; it takes jobs by their number, not by how long they have been due.
"""

import sys

import uvloop
from procrastinate import App, PsycopgConnector

from tests.benchmarks.contenders.telling import record

AT_ONCE = 20
TASK = "breach"


def app(url: str) -> App:
    """The queue on a database, with its one task."""
    queue = App(connector=PsycopgConnector(conninfo=url, min_size=AT_ONCE, max_size=AT_ONCE + 4))

    @queue.task(name=TASK)  # type: ignore[untyped-decorator]  # it ships types, which the check does not see
    async def breach(referral_id: str, clock: str, due: str) -> None:
        topic, key, headers, body, event_id = record(referral_id, clock, due)
        await queue.connector.execute_query_async(
            """
            INSERT INTO outbox (topic, key, headers, body, event_id)
            VALUES (%(topic)s, %(key)s, %(headers)s, %(body)s, %(event_id)s)
            """,
            topic=topic,
            key=key,
            headers=headers,
            body=body,
            event_id=event_id,
        )

    return queue


async def run(url: str, *, makes_tables: bool) -> None:
    """Make the tables; or work until told to stop by SIGTERM, which the worker takes itself."""
    queue = app(url)
    async with queue.open_async():
        if makes_tables:
            await queue.schema_manager.apply_schema_async()
        else:
            await queue.run_worker_async(concurrency=AT_ONCE)


if __name__ == "__main__":
    uvloop.run(run(sys.argv[1], makes_tables="schema" in sys.argv[2:]))
