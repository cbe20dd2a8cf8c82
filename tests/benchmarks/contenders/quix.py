"""
Quix Streams, in its own idiom: a dataframe, and a sink that writes once for each checkpoint.

The sink writes the inbox, the rows and the outbox in one transaction; a thread publishes the outbox in order and
deletes what is acknowledged. Tuned: checkpoints by count, and soon where there is little; a binary COPY and one
statement for each; the relay's deliveries reported only where they fail.

What it guarantees: every event takes effect once, also when it is killed, and is published at least once.

What it does not, compared with Peerline:
- Offsets are in Kafka only, committed after the sink's transaction: a database that is set back does not read on
  from where it stands, and what was lost with it is not compared with the topic.
- Nothing fences a former owner. A flush that outlasts the handing over of its partitions is left running and may
  write afterwards; only the inbox keeps that from taking effect twice.
- The relay is not elected: a second process publishes the same outbox, twice and in any order. After a refused
  record the ones behind it may stand on the topic before it.
- An event that cannot be read or taken ends the process, every time; nothing is quarantined, and the same id with
  another body is passed over.
- No CloudEvents headers are checked, nothing is traced or measured.
"""

import json
import threading
from collections.abc import Iterable
from typing import Any, LiteralString

import psycopg
from confluent_kafka import KafkaError, KafkaException, Producer
from peerline.cloudevents import Headers
from quixstreams import Application
from quixstreams.sinks.base import BatchingSink, SinkBatch

from tests.benchmarks.contenders import SUPPORTER, Spec
from tests.benchmarks.contenders.confirming import Confirmed, confirm

CHECKPOINT = 1_000  # events
PUBLISHED = 1_000  # events that the relay takes at once
TYPES = ("uuid", "bytea", "uuid", "text", "timestamptz", "bytea", "bytea", "text", "bytea", "int4")
GIVEN: LiteralString = """
CREATE TEMPORARY TABLE given (
    event_id uuid, body_hash bytea, referral_id uuid, programme_id text, received_at timestamptz,
    key bytea, body bytea, confirmed_id text, headers bytea, place integer
) ON COMMIT DELETE ROWS
"""
TAKE: LiteralString = """
WITH new AS (
    INSERT INTO inbox (event_id, body_hash) SELECT event_id, body_hash FROM given ORDER BY event_id
    ON CONFLICT (event_id) DO NOTHING RETURNING event_id
), fresh AS (
    SELECT given.* FROM given JOIN new USING (event_id)
), cases AS (
    INSERT INTO effect_case SELECT referral_id, programme_id, received_at FROM fresh
), matches AS (
    INSERT INTO effect_match SELECT referral_id, 1, %s FROM fresh
)
INSERT INTO outbox (topic, key, headers, body, event_id)
SELECT %s, key, headers, body, confirmed_id FROM fresh ORDER BY place
"""
OLDEST: LiteralString = "SELECT id, key, headers, body FROM outbox ORDER BY id LIMIT %s"


class Outbox(BatchingSink):  # type: ignore[misc]  # it ships types, which the check does not see
    """Writes what a checkpoint has taken, of all partitions, in one transaction."""

    def __init__(self, spec: Spec, written: threading.Event) -> None:
        super().__init__()
        self._spec = spec
        self._written = written
        self._batch: dict[Any, Confirmed] = {}

    def setup(self) -> None:
        """Connect, and make the table that a batch is copied into."""
        self._connection = psycopg.connect(self._spec.database, autocommit=True)
        self._connection.execute(GIVEN)

    def write(self, batch: SinkBatch) -> None:
        """Put the records of one partition with those of the others; an event that comes twice counts once."""
        for item in batch:
            self._batch.setdefault(item.value.event_id, item.value)

    def flush(self) -> None:
        """Write all, and wake the relay; whatever is raised here ends the application without its offsets."""
        super().flush()
        batch, self._batch = self._batch, {}
        if batch:
            with self._connection.transaction(), self._connection.cursor() as cursor:
                with cursor.copy("COPY given FROM STDIN (FORMAT BINARY)") as copy:
                    copy.set_types(TYPES)
                    for place, confirmed in enumerate(batch.values()):
                        copy.write_row((*confirmed[:-1], _packed(confirmed.headers), place))
                cursor.execute(TAKE, [SUPPORTER, self._spec.target], prepare=True)
            self._written.set()


class Relay(threading.Thread):
    """Publishes the outbox in its order; ends the application when it fails."""

    def __init__(self, spec: Spec, application: Application, written: threading.Event) -> None:
        super().__init__(name="relay")
        self._spec = spec
        self._application = application
        self._written = written
        self._ends = False
        self._refused: KafkaError | None = None
        self.failure: Exception | None = None

    def run(self) -> None:
        """Publish until told to finish and nothing is left."""
        try:
            with psycopg.connect(self._spec.database, autocommit=True) as connection:
                self._publish_all(connection, self._producer())
        except Exception as error:  # noqa: BLE001  whatever it is, the main thread raises it
            self.failure = error
            self._application.stop(fail=True)

    def finish(self) -> None:
        """Publish what is left, then end; raises what it failed with."""
        self._ends = True
        self._written.set()
        self.join()
        if self.failure:
            raise self.failure

    def _producer(self) -> Producer:
        return Producer(
            {
                "bootstrap.servers": self._spec.bootstrap,
                "enable.idempotence": True,
                "linger.ms": 5,
                "delivery.report.only.error": True,
                "on_delivery": self._delivered,
            }
        )

    def _delivered(self, error: KafkaError | None, _: object) -> None:
        self._refused = self._refused or error

    def _publish_all(self, connection: psycopg.Connection, producer: Producer) -> None:
        while True:
            ends = self._ends
            self._written.clear()
            records = connection.execute(OLDEST, [PUBLISHED], prepare=True, binary=True).fetchall()
            if records:
                self._publish(producer, records)
                ids = [record[0] for record in records]
                connection.execute("DELETE FROM outbox WHERE id = ANY(%s)", [ids], prepare=True)
            elif ends:
                return
            else:
                self._written.wait(1)

    def _publish(self, producer: Producer, records: Iterable[tuple[int, bytes, bytes, bytes]]) -> None:
        """Return when all are acknowledged; otherwise raises, and then all are published again."""
        for _, key, headers, body in records:
            producer.produce(
                self._spec.target, body, key=key, headers=[(name, value) for name, value in json.loads(headers)]
            )
        left = producer.flush(30)
        if left or self._refused:
            raise KafkaException(self._refused or KafkaError(KafkaError._MSG_TIMED_OUT))


def _packed(headers: Headers) -> bytes:
    return json.dumps([(name, value.decode()) for name, value in headers]).encode()


def main() -> None:
    """Run until SIGTERM, which the application takes itself."""
    spec, written = Spec.read(), threading.Event()
    application = Application(
        spec.bootstrap,
        consumer_group=spec.group,
        auto_offset_reset="earliest",
        commit_every=CHECKPOINT,
        commit_interval=0.1,
        consumer_poll_timeout=0.05,
        consumer_extra_config={"fetch.queue.backoff.ms": 10},
        auto_create_topics=False,
        loglevel="WARNING",
    )
    dataframe = application.dataframe(application.topic(spec.source, value_deserializer="bytes"))
    dataframe.apply(confirm).sink(Outbox(spec, written))
    relay = Relay(spec, application, written)
    relay.start()
    try:
        application.run()
    finally:
        relay.finish()


if __name__ == "__main__":
    main()
