"""Kafka clients: those that are no longer wanted before they have started, and what they do while nothing happens."""

import asyncio
import gc
import warnings
from pathlib import Path
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.fetch import FetchRequest
from chassis import topics
from chassis.reading import BUSY, QUIET
from peerline.events import Topic

from tests.support.counter import Counter, a_referral
from tests.support.proxy import Proxy
from tests.support.workplace import Workplace, until


async def test_a_look_at_the_topics_leaves_no_connection_open_whenever_it_is_cancelled(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.clients.LEAVE", 30.0)
    async with Proxy(workplace.servers.bootstrap) as proxy:
        await proxy.obey("delay 150")

        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            for tenths in range(1, 9):  # it connects, asks for versions, asks for the cluster, and then elsewhere
                look = asyncio.create_task(topics.faults(f"127.0.0.1:{proxy.port}", {f"{workplace.prefix}matches": 1}))
                await asyncio.wait([look], timeout=tenths / 10)
                look.cancel()
                await asyncio.gather(look, return_exceptions=True)
                del look
                gc.collect()

    assert [str(each.message) for each in warned if issubclass(each.category, ResourceWarning)] == []


async def test_a_service_with_nothing_to_do_lets_the_broker_hold_its_fetches_back_for_longer(
    workplace: Workplace, counter: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[int] = []
    send = AIOKafkaClient.send

    async def noted(client: Any, node: Any, request: Any, **named: Any) -> Any:
        if isinstance(request, FetchRequest):
            waits.append(request._max_wait_ms)
        return await send(client, node, request, **named)

    async def is_quiet() -> bool:
        return waits[-3:] == [QUIET] * 3

    monkeypatch.setattr(AIOKafkaClient, "send", noted)
    async with workplace.running(counter.service(workplace, tmp_path)):
        await until(is_quiet, what="long fetches")
        before = len(waits)
        await workplace.publish(a_referral(workplace, 0))
        await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 1)
        await until(is_quiet, what="long fetches again")

    assert BUSY in waits[before:]
