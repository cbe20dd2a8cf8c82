"""The proxy that fault tests put in front of PostgreSQL and Kafka does what it is told."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from peerline_local.kafka import EmbeddedKafka
from peerline_local.ports import choose_free_port

from tests.support.proxy import Proxy, ProxyProcess
from tests.support.servers import Servers, through


@asynccontextmanager
async def connected(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(url, timeout=20)
    try:
        yield connection
    finally:
        connection.terminate()


async def seconds_of_a_query(connection: "asyncpg.Connection[asyncpg.Record]", query: str = "SELECT 1") -> float:
    started = time.monotonic()
    await connection.fetch(query)
    return time.monotonic() - started


async def test_a_delay_and_a_throttle_slow_a_database_down_and_pass_ends_them(stack: Servers) -> None:
    async with Proxy(stack.postgres_address) as proxy, connected(through(proxy, stack.postgres.url)) as connection:
        await proxy.obey("delay 200")
        delayed = await seconds_of_a_query(connection)
        await proxy.obey("throttle 20000")
        throttled = await seconds_of_a_query(connection, "SELECT repeat('x', 20000)")
        await proxy.obey("pass")

        assert delayed >= 0.4  # there and back
        assert throttled >= 1
        assert await connection.fetchval("SELECT 1") == 1


async def test_a_hanging_proxy_lets_nothing_through_and_what_it_held_arrives_afterwards(stack: Servers) -> None:
    async with Proxy(stack.postgres_address) as proxy, connected(through(proxy, stack.postgres.url)) as connection:
        await proxy.obey("hang")
        held = asyncio.create_task(connection.fetchval("SELECT 7"))
        with pytest.raises(TimeoutError):
            await asyncpg.connect(through(proxy, stack.postgres.url), timeout=0.5)
        waiting = not held.done()
        await proxy.obey("pass")

        assert waiting
        assert await held == 7


async def test_a_cut_ends_each_connection_and_refuse_lets_no_new_one_in(stack: Servers) -> None:
    async with Proxy(stack.postgres_address) as proxy, connected(through(proxy, stack.postgres.url)) as connection:
        url = through(proxy, stack.postgres.url)
        await proxy.obey("refuse")
        still_there = await connection.fetchval("SELECT 1")
        with pytest.raises(ConnectionRefusedError):
            await asyncpg.connect(url)
        await proxy.obey("cut")
        with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)):
            await connection.fetchval("SELECT 1")
        await proxy.obey("pass")

        assert still_there == 1
        async with connected(url) as another:
            assert await another.fetchval("SELECT 1") == 1


def test_a_proxy_in_a_process_of_its_own_is_told_by_lines_and_ends_with_its_input(stack: Servers) -> None:
    async def query(proxy: ProxyProcess) -> float:
        async with connected(through(proxy, stack.postgres.url)) as connection:
            return await seconds_of_a_query(connection)

    with ProxyProcess(to=stack.postgres_address, port=choose_free_port()) as proxy:
        proxy.obey("delay 100")
        seconds = asyncio.run(query(proxy))
        with pytest.raises(AssertionError, match="did not dance"):
            proxy.obey("dance")

    assert seconds >= 0.2
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(query(proxy))


async def test_clients_of_kafka_stay_on_the_proxy_that_the_broker_names(tmp_path: Path) -> None:
    port = choose_free_port()
    with EmbeddedKafka(tmp_path, proxy_port=port) as kafka:
        async with Proxy(kafka.behind_proxy, port):
            admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
            producer = AIOKafkaProducer(bootstrap_servers=f"127.0.0.1:{port}", request_timeout_ms=2000)
            await admin.start()
            await admin.create_topics([NewTopic("facts", num_partitions=1, replication_factor=1)])
            await admin.close()
            await producer.start()
            await producer.send_and_wait("facts", b"through")
            brokers = {(broker.host, broker.port) for broker in producer.client.cluster.brokers()}
            await producer.stop()

    assert brokers == {("127.0.0.1", port)}
