"""PostgreSQL and Kafka as wheels and jars give them: started, stopped, killed, started again."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError
from peerline_local import home as home_module
from peerline_local.errors import StackError
from peerline_local.home import Home
from peerline_local.kafka import EmbeddedKafka
from peerline_local.ports import is_free
from peerline_local.postgres import EmbeddedPostgres
from peerline_local.servers import GivenKafka, GivenPostgres, choose_kafka, choose_postgres


@pytest.fixture(autouse=True)
def nothing_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No java, no mvn, no pg_ctl, nor anything else that a machine may happen to have."""
    monkeypatch.setenv("PATH", str(tmp_path / "no-programs"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    for name in ("PEERLINE_POSTGRES_URL", "PEERLINE_KAFKA_BOOTSTRAP", "PEERLINE_STACK"):
        monkeypatch.delenv(name, raising=False)


def execute(url: str, statement: str) -> object:
    async def run() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(run())


def test_postgres_finds_its_data_again_after_a_stop_and_after_a_kill(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path) as postgres:
        url = postgres.create_database("matcher")
        execute(url, "CREATE TABLE kept AS SELECT 1 AS n")

    with EmbeddedPostgres(tmp_path) as postgres:
        assert postgres.create_database("matcher") == url
        assert execute(url, "SELECT count(*) FROM kept") == 1
        execute(url, "INSERT INTO kept VALUES (2)")
        assert postgres.process is not None
        os.kill(postgres.process.pid or 0, signal.SIGKILL)

    with EmbeddedPostgres(tmp_path) as postgres:
        assert execute(url, "SELECT count(*) FROM kept") == 2
        assert str(execute(url, "SHOW server_version")).startswith("18.")
        assert execute(url, "SHOW fsync") == "on"
        assert execute(url, "SHOW max_connections") == "200"


def test_postgres_wants_the_password(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path) as postgres:
        password = (tmp_path / "secrets" / "postgres.password").read_text().strip()

        with pytest.raises(asyncpg.InvalidPasswordError):
            execute(postgres.url.replace(password, "guessed"), "SELECT 1")


def test_postgres_works_where_folders_above_its_home_are_closed_to_others(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    with EmbeddedPostgres(closed / "home") as postgres:
        assert execute(postgres.url, "SELECT 1") == 1


def test_a_second_server_on_the_same_home_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path) as first:
        with pytest.raises(StackError, match=f"^PostgreSQL already runs from {tmp_path}$"):
            EmbeddedPostgres(tmp_path).start()

        assert execute(first.url, "SELECT 1") == 1


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(StackError, match=rf"^port {port} \(PostgreSQL\) is already in use: .*$"):
            EmbeddedPostgres(tmp_path, port=port).start()


def test_a_disk_too_full_to_start_on_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home_module, "NEEDED_TO_START_BYTES", 2**60)

    with pytest.raises(StackError, match=rf"^only \d+ MiB free on the disk that holds {tmp_path}: .*$"):
        EmbeddedPostgres(tmp_path).start()


def test_kafka_finds_its_records_again_on_the_same_port_and_makes_no_topic_by_itself(tmp_path: Path) -> None:
    with EmbeddedKafka(tmp_path) as kafka:
        bootstrap = kafka.bootstrap
        asyncio.run(make_topic_and_produce(bootstrap))

    assert is_free(int(bootstrap.partition(":")[2]))
    with EmbeddedKafka(tmp_path) as kafka:
        assert kafka.bootstrap == bootstrap
        assert asyncio.run(first_value(bootstrap)) == b"kept"


async def make_topic_and_produce(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, request_timeout_ms=2000)
    await admin.start()
    await producer.start()
    try:
        await admin.create_topics([NewTopic("facts", num_partitions=1, replication_factor=1)])
        await producer.send_and_wait("facts", b"kept")
        described = await admin.describe_topics(["never-declared"])
        assert described[0]["error_code"] == UnknownTopicOrPartitionError.errno
    finally:
        await producer.stop()
        await admin.close()


async def first_value(bootstrap: str) -> object:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        partition = TopicPartition("facts", 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        return (await asyncio.wait_for(consumer.getone(), timeout=10)).value
    finally:
        await consumer.stop()


def test_servers_that_are_given_are_used_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEERLINE_POSTGRES_URL", "postgresql://someone@127.0.0.1:1/postgres")
    monkeypatch.setenv("PEERLINE_KAFKA_BOOTSTRAP", "127.0.0.1:1")

    postgres, kafka = choose_postgres(Home.at(tmp_path)), choose_kafka(Home.at(tmp_path))

    assert isinstance(postgres, GivenPostgres)
    assert isinstance(kafka, GivenKafka)
    with pytest.raises(StackError, match=r"^the PostgreSQL of PEERLINE_POSTGRES_URL does not answer: "):
        postgres.start()
    with pytest.raises(StackError, match=r"^the Kafka of PEERLINE_KAFKA_BOOTSTRAP does not answer: "):
        kafka.start()
