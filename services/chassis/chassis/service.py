"""A service as a process: HTTP, consumer, relay and rounds around one database."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig
from peerline.events import Topic
from peerline.programme import ProgrammeError, read_programmes
from pydantic import ValidationError

from chassis import health, http, log, membership, operations, resuming, telemetry, worklist
from chassis.bell import Bell
from chassis.clients import are_we_cancelled
from chassis.consumer import Consumer
from chassis.database import migrate, open_pool
from chassis.delivery import Delivery
from chassis.freshness import Freshness
from chassis.keys import KeyFault, read_keys
from chassis.recovery import Recaller, Recovery
from chassis.relay import Relay
from chassis.replay import Replay
from chassis.rounds import Round, keep_running
from chassis.settings import ServiceSettings
from chassis.subscription import Subscription
from chassis.topics import OWN_TOPIC, TopicWatch
from chassis.work import Surroundings, Transactions, by_type
from chassis.worklist import Actions

LEAVE = 5.0  # seconds for a task to end, before it is asked again
NO_TELEMETRY_OF_ITS_OWN: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""FastAPI's own spans carry `url.path`, and so the tokens of private pages; its logs carry exception texts."""


@dataclass(frozen=True)
class Service:
    """A service as its composition root puts it together."""

    name: str
    settings: ServiceSettings
    consumer: Consumer
    migrations: Path
    routers: Sequence[APIRouter] = ()
    rounds: Sequence[Round] = ()
    resources: Sequence[Any] = ()
    actions: Actions = field(default_factory=dict)
    tell: worklist.Tell = worklist.announce
    checks: Mapping[str, health.Check] = field(default_factory=dict)
    body_limit: int = http.BODY_LIMIT
    recovery: Recovery | None = None


def run(service: Service) -> None:
    """Run a service until it is told to stop; ends the process with one line if it is set up wrongly."""
    log.configure(service.settings.log_level, service.name)
    provider = telemetry.configure(service.name, service.settings)
    try:
        app = build(service)
    except (KeyFault, ProgrammeError) as fault:
        sys.exit(f"{service.name}: {fault}")
    except ValidationError:
        sys.exit(f"{service.name}: PEERLINE_TOKENS_FILE: is not a list of name, role, sha256")
    _spare_the_collector()
    uvicorn.run(
        app,
        host=service.settings.http_host,
        port=service.settings.http_port,
        loop="uvloop",
        log_config=None,
        access_log=False,  # paths of private pages are secrets
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    provider.shutdown()


def _spare_the_collector() -> None:
    """
    Leave what start-up made, some hundred thousand objects that stay, out of garbage collection, and collect more rarely.

    A batch frees its objects by itself. With Python's own settings the collector took a fifth of a batch's time
    (measured 2026-11, 500 events a batch), mostly to walk through modules and models again and again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


def build(service: Service) -> FastAPI:
    """The service as an ASGI app whose lifespan is the service's; raises KeyFault, ProgrammeError, ValidationError."""
    surroundings = Surroundings(
        service=service.name,
        own_topic=OWN_TOPIC[service.name],
        keys=read_keys(service.settings),
        programmes=read_programmes(service.settings.programmes),
        resources=by_type(service.resources),
        freshness=Freshness(f"{service.settings.topic_prefix}{topic}" for topic in service.consumer.topics),
        tell=service.tell,
    )
    app = FastAPI(
        title=f"Peerline {service.name}",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_lifespan(service, surroundings),
        telemetry=NO_TELEMETRY_OF_ITS_OWN,
    )
    app.state.tokens = http.Tokens(service.settings.tokens_file)
    app.state.actions = {**operations.ACTIONS, **service.actions}
    http.install(app, body_limit=service.body_limit)
    for router in (health.router, operations.router, resuming.router, *service.routers):
        app.include_router(router)
    http.refuse_unguarded(app)
    return app


def _lifespan(service: Service, surroundings: Surroundings) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def live(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await _start(service, surroundings, app, stack)
            yield

    return live


async def _start(service: Service, surroundings: Surroundings, app: FastAPI, stack: AsyncExitStack) -> None:
    """Open the database, then start everything that runs beside HTTP; the stack stops it in reverse."""
    url = service.settings.database_url.get_secret_value()
    bootstrap, prefix = service.settings.kafka_bootstrap, service.settings.topic_prefix
    pool = await open_pool(url)
    stack.push_async_callback(_close, pool)
    await migrate(pool, service.migrations)
    transactions = Transactions(pool, surroundings, compares=True)
    subscription = Subscription(service.consumer, transactions, bootstrap, prefix)
    bell = Bell(url)
    freshness = surroundings.freshness
    topics = TopicWatch(bootstrap, [f"{prefix}{topic}" for topic in _topics_of(service)], pool)
    checks = health.Health(transactions, subscription, freshness, topics, service.checks)
    app.state.transactions, app.state.health = transactions, checks
    app.state.recovery = service.recovery
    app.state.replay = Replay(Delivery(service.consumer, transactions), transactions, bootstrap)
    work = [
        bell.listen(),
        Relay(url, bootstrap, service.name, bell, prefix, recall=Recaller(service.recovery, transactions)).run(),
        checks.watch(),
        freshness.keep(pool, subscription),
        topics.run(),
        *[keep_running(each, transactions, bell) for each in service.rounds],
    ]
    for coroutine in work:
        stack.push_async_callback(_cancel, asyncio.create_task(_never_ending(coroutine)))
    stack.push_async_callback(subscription.broker.stop)
    stack.push_async_callback(
        _cancel, asyncio.create_task(_never_ending(membership.keep(subscription, freshness, pool)))
    )


def _topics_of(service: Service) -> list[Topic]:
    """What a service reads, and what it writes."""
    return list(dict.fromkeys([*service.consumer.topics, OWN_TOPIC[service.name]]))


async def _never_ending(work: Awaitable[None]) -> None:
    """Run what must not end; if it does, the process ends, and whoever supervises it starts it again."""
    try:
        await work
    except BaseException as error:  # a half-alive service would be worse
        if isinstance(error, asyncio.CancelledError) and are_we_cancelled():
            raise
        log.logger("chassis").error("task_ended", error=type(error).__name__)
    os.kill(os.getpid(), signal.SIGTERM)


async def _cancel(task: "asyncio.Task[None]") -> None:
    """
    End a task, in as many tries as it takes.

    Where a rollback fails because the database has just gone, its error takes the place of the cancellation, and
    whoever waits failures out goes on: a service would neither stop nor work.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=LEAVE)


async def _close(pool: Any) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(pool.close(), 5)
