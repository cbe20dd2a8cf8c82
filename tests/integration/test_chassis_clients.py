"""Kafka clients: those that are no longer wanted before they have started, and what they do while nothing happens."""

import asyncio
import gc
import warnings
from pathlib import Path
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import RequestTimedOutError, UnknownError
from aiokafka.protocol.fetch import FetchRequest
from chassis import topics
from chassis.metrics import REGISTRY
from chassis.reading import BUSY, QUIET
from peerline.events import Topic

from tests.support.counter import Counter, a_referral
from tests.support.proxy import Proxy
from tests.support.workplace import Running, Workplace, until


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


@pytest.mark.parametrize("fault", [UnknownError, RuntimeError])
async def test_a_client_that_has_failed_for_good_is_made_anew(
    workplace: Workplace, counter: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    """What aiokafka does not expect of a heartbeat ends its heartbeats, and is raised by every read from then on."""
    heartbeat = GroupCoordinator._do_heartbeat
    failing: set[GroupCoordinator] = set()
    is_broken = asyncio.Event()

    async def beat(coordinator: GroupCoordinator) -> bool:
        if is_broken.is_set() and not failing:
            failing.add(coordinator)
            raise fault
        return bool(await heartbeat(coordinator))

    monkeypatch.setattr("chassis.membership.UNREADABLE", 1.0)
    monkeypatch.setattr(GroupCoordinator, "_do_heartbeat", beat)
    async with workplace.running(counter.service(workplace, tmp_path)) as service:
        before = made_anew("unreadable")
        is_broken.set()
        await until_made_anew("unreadable", before)
        await takes_referrals(workplace, service)

    assert len(counter.taken) == 20


@pytest.mark.parametrize("knows_its_cluster", [True, False])
async def test_a_client_that_hears_nothing_of_its_broker_is_made_anew(
    workplace: Workplace, counter: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, knows_its_cluster: bool
) -> None:
    """Once its look at the cluster has ended by an error, each of its parts waits for the next look, also to stop."""
    send, look = AIOKafkaClient.send, AIOKafkaClient._metadata_update
    deaf: set[AIOKafkaClient] = set()

    async def update(client: AIOKafkaClient, *given: Any) -> Any:
        if client in deaf and not knows_its_cluster:
            raise RuntimeError
        return await look(client, *given)

    async def hear(client: AIOKafkaClient, *given: Any, **named: Any) -> Any:
        if client in deaf:
            await asyncio.sleep(0.5)
            raise RequestTimedOutError
        return await send(client, *given, **named)

    monkeypatch.setattr("chassis.membership.UNHEARD", 6.0)
    monkeypatch.setattr(AIOKafkaClient, "send", hear)
    monkeypatch.setattr(AIOKafkaClient, "_metadata_update", update)
    async with workplace.running(counter.service(workplace, tmp_path)) as service:
        before = made_anew("unheard")
        clients = [each for each in gc.get_objects() if isinstance(each, AIOKafkaClient)]
        deaf.update(each for each in clients if each._client_id == "peerline-matcher")
        await until_made_anew("unheard", before)
        await takes_referrals(workplace, service)

    assert len(counter.taken) == 20


def made_anew(reason: str) -> float:
    """How often this process has replaced a client for this reason."""
    return REGISTRY.get_sample_value("peerline_clients_made_anew_total", {"reason": reason}) or 0.0


async def until_made_anew(reason: str, before: float) -> None:
    async def is_new() -> bool:
        return made_anew(reason) > before

    await until(is_new, seconds=30, what="a new client")


async def takes_referrals(place: Workplace, service: Running) -> None:
    """Publish twenty, and wait until each is answered and the service is ready."""
    await place.publish(*[a_referral(place, number) for number in range(20)])
    await place.wait_for(Topic.MATCHES, lambda found: len(found) == 20, seconds=60)

    async def is_ready() -> bool:
        return (await service.client.get("/ready")).status_code == 200

    await until(is_ready, what="readiness")
