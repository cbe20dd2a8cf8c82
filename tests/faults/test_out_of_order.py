"""What a service knows in the end does not depend on the order in which the topics reached it."""

import json
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from chassis import Service, Transactions, offsets, topics
from chassis.database import migrate, open_pool
from chassis.delivery import Delivery
from chassis.keys import read_keys
from chassis.partitions import partition_of
from chassis.recovery import Recaller
from chassis.work import Surroundings
from matcher.main import service as matcher
from matcher.settings import Settings as MatcherSettings
from peerline.events import Topic
from peerline.programme import read_programmes
from sla_monitor.main import service as sla_monitor
from sla_monitor.settings import Settings as MonitorSettings

from tests.faults.test_replay_from_zero import OWN, all_services, settled, work_through
from tests.support.notifier_place import Post, notifier, post_office
from tests.support.workplace import Workplace

ORDERS = 5
NOT_KNOWN = {"schema_migration", "consumer_offset", "inbox", "outbox", "own_position", "restoration", "lost_event"}
"""Where a service stands and what it has yet to say; what it says is compared by itself."""

NOT_COMPARED = {
    "contact",  # ciphertexts, encrypted anew
    "profile",
    "traceparent",  # of the event that came last
    "profile_version",  # counts changes, which are other ones in another order
    "version",  # the pool's, which moves once for each batch with a change in it
    "sequence",  # counts what was said: a deadline that a later fact moved is told again
    "id",  # drawn by lot, as the next ones
    "send_id",
    "message_id",
    "since",  # the instant of taking
    "planned_at",
    "due_at",
    "window_ends",
    "resolved_at",
}
OF_THE_TAKING = {"outreach_case", "outreach_attempt", "send", "attention"}
SERVICES: dict[str, Callable[[Workplace], Service]] = {
    "matcher": lambda place: matcher(place.settings(MatcherSettings, "matcher")),
    "notifier": lambda place: notifier(place, Post(port=9)),
    "sla-monitor": lambda place: sla_monitor(place.settings(MonitorSettings, "sla-monitor")),
}
"""Intake is not among them: of other services it hears only what outreach says."""


async def recorded(place: Workplace) -> dict[Topic, list[Any]]:
    """What the topics hold after some cases: closed, declined, withdrawn, joined; per topic and referral in order."""
    async with post_office(Post()) as post, all_services(place, post) as (intake, services):
        await work_through(place, intake, services, post)
        entered = [await intake.enter(person={"system": "npi", "value": npi}) for npi in ("1001", "1002")]
        assert "joined" in [answer.json()["outcome"] for answer in entered]  # to the one whose case is still open
        await settled(place, services)
        return {topic: await place.records(topic) for topic in OWN}


def interleaved(records: dict[Topic, list[Any]], dice: random.Random) -> list[Any]:
    """Every topic's records of a referral in their order, all else mixed, and some of it a second time, later."""
    queues: dict[tuple[Topic, bytes], list[Any]] = defaultdict(list)
    for topic, found in records.items():
        for record in found:
            queues[topic, record.key].append(record)
    ahead = {topic: dice.random() ** 3 for topic in records}  # some topic is long ahead of some other
    mixed = []
    while queues:
        chosen = dice.choices(list(queues), [ahead[topic] + 0.001 for topic, _ in queues])[0]
        mixed.append(queues[chosen].pop(0))
        if not queues[chosen]:
            del queues[chosen]
    for record in dice.sample(mixed, len(mixed) // 4):
        mixed.insert(dice.randint(mixed.index(record) + 1, len(mixed)), record)
    return mixed


@asynccontextmanager
async def fresh(place: Workplace, service: Service, name: str) -> AsyncIterator[Transactions]:
    """A service's database of its own, empty, and the transactions of the real service on it."""
    pool = await open_pool(place.servers.postgres.create_database(f"{place.name}_{name}"))
    try:
        await migrate(pool, service.migrations)
        surroundings = Surroundings(
            service=service.name,
            own_topic=topics.OWN_TOPIC[service.name],
            keys=read_keys(service.settings),
            programmes=read_programmes(service.settings.programmes),
            resources={type(each): each for each in service.resources},
            tell=service.tell,
        )
        yield Transactions(pool, surroundings)
    finally:
        await pool.close()


async def take(place: Workplace, service: Service, transactions: Transactions, records: Sequence[Any]) -> None:
    """Take records through the delivery path, in small batches."""
    wanted = {f"{place.prefix}{topic}" for topic in service.consumer.topics}
    mine = [record for record in records if record.topic in wanted]
    delivery = Delivery(service.consumer, transactions)
    async with transactions.pool.acquire() as connection:
        held = await offsets.take_over(connection, {partition_of(record) for record in mine})
    for start in range(0, len(mine), 4):
        batch = mine[start : start + 4]
        ours = {partition: held[partition] for partition in map(partition_of, batch)}
        held |= await delivery.deliver(batch, ours)


async def known(transactions: Transactions) -> dict[str, list[str]]:
    """
    What each table says, without what the order may change.

    A message that was planned and dropped is none: told first that the case is over, notifier plans it not at all.
    """
    found = {}
    async with transactions.pool.acquire() as connection:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for table in {row["tablename"] for row in tables} - NOT_KNOWN:
            rows = await connection.fetch(f"SELECT to_jsonb(t) AS row FROM {table} t")  # noqa: S608  from the catalogue
            found[table] = sorted(_told(row, table) for row in map(_row, rows) if row.get("state") != "dropped")
    return found


def _row(record: Any) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(record["row"])
    return row


def _told(row: dict[str, Any], table: str) -> str:
    """A row as text. Of notifier's facts, which it dates by when it took them, whether they are known."""
    kept = {name: value for name, value in sorted(row.items()) if name not in NOT_COMPARED}
    if table in OF_THE_TAKING:
        kept |= {name: value is not None for name, value in kept.items() if name.endswith("_at")}
    return json.dumps(kept)


async def states(place: Workplace, name: str, records: dict[Topic, list[Any]], *, recalls: bool) -> list[Any]:
    """What a service knows in the end, for each of several orders of what it reads."""
    service, found = SERVICES[name](place), []
    for seed in range(ORDERS):
        async with fresh(place, service, f"{name.replace('-', '_')}_{seed}") as transactions:
            if recalls:
                async with transactions.pool.acquire() as connection, connection.transaction():
                    own = records[topics.OWN_TOPIC[name]]
                    await Recaller(service.recovery, transactions)(connection, own)
            await take(place, service, transactions, interleaved(records, random.Random(seed)))
            found.append(await known(transactions))
    return found


@pytest.mark.parametrize("recalls", [False, True], ids=["empty", "knows-its-own"])
async def test_fault_23_events_out_of_order_across_topics_give_the_same_state(
    workplace: Workplace, recalls: bool
) -> None:
    records = await recorded(workplace)

    ends = {name: await states(workplace, name, records, recalls=recalls) for name in SERVICES}

    for name, (first, *others) in ends.items():
        assert len(first) > 2, name
        for other in others:
            assert other == first, name
