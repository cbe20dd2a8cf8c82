"""Kafka clients that are no longer wanted before they have started."""

import asyncio
import gc
import warnings

import pytest
from chassis import topics

from tests.support.proxy import Proxy
from tests.support.workplace import Workplace


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
