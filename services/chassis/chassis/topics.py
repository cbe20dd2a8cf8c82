"""
The topics as they must be: made, put right, and looked at while a service runs.

Auto-creation is off, so that a wrong name never makes a topic. Time on a topic is the broker's
(`LogAppendTime`): a producer whose clock is wrong could otherwise have its records refused, or kept too short.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code
from peerline.events import Topic

from chassis.clients import started
from chassis.database import Pool
from chassis.log import logger

OWN_TOPIC = {
    "intake": Topic.REFERRALS,
    "matcher": Topic.MATCHES,
    "notifier": Topic.OUTREACH,
    "sla-monitor": Topic.DEADLINES,
}
"""One topic per service, one writer per topic."""

PARTITIONS = 6
DAY = 24 * 60 * 60 * 1000
RETENTION = {Topic.ADVERSE_EVENTS: 14 * DAY}
RETENTION_DEFAULT = 35 * DAY
EXACTLY = {
    "cleanup.policy": "delete",  # compaction would drop facts of a referral
    "retention.bytes": "-1",  # else a burst would push out what nobody has read yet
    "unclean.leader.election.enable": "false",  # what was acknowledged must not be lost
    "message.timestamp.type": "LogAppendTime",
}
LEFT_TO_A_HUMAN = ("partitions", "replication")
SET_HERE = 1  # Kafka's config_source of what is set on the topic itself
log = logger("chassis")


@dataclass(frozen=True)
class Wanted:
    """What topics must at least be."""

    partitions: int = 1
    replication: int = 1
    min_insync: int = 1


@dataclass(frozen=True)
class Fault:
    """What is wrong with a topic: `missing`, or a setting with what it is and what it must be."""

    topic: str
    setting: str
    found: str = ""
    wanted: str = ""

    def __str__(self) -> str:
        return f"{self.topic}: " + (
            f"{self.setting} is {self.found}, must be {self.wanted}" if self.wanted else self.setting
        )


@dataclass
class Applied:
    """What was done: topics made, settings put right, and what is wrong still."""

    made: list[str] = field(default_factory=list)
    mended: list[Fault] = field(default_factory=list)
    left: list[Fault] = field(default_factory=list)


@dataclass(frozen=True)
class _Found:
    partitions: int
    replication: int
    settings: Mapping[str, str]
    set_here: Mapping[str, str]


async def apply(
    bootstrap: str,
    *,
    replication: int = 1,
    min_insync: int = 1,
    partitions: int = PARTITIONS,
    prefix: str = "",
    shorten: bool = False,
) -> Applied:
    """
    Make the topics that are missing, and put right what can be without losing or reordering a record.

    With `shorten`, what is kept too long is deleted. Left to a human are the number of partitions, on which
    the order of a referral's events rests, and of replicas. Raises KafkaError.
    """
    wanted = Wanted(partitions, replication, min_insync)
    names = [f"{prefix}{topic}" for topic in Topic]
    done = Applied()
    async with _admin(bootstrap) as admin:
        found = await _look(admin, names)
        done.made = await _make(admin, [name for name in names if name not in found], wanted)
        for name, each in found.items():
            for fault in _faults(name, each, wanted):
                left = fault.setting in LEFT_TO_A_HUMAN or (_is_too_long(fault) and not shorten)
                (done.left if left else done.mended).append(fault)
            await _mend(admin, name, each, [fault for fault in done.mended if fault.topic == name])
        if await _makes_topics_itself(admin):
            done.left.append(Fault("the broker", "auto.create.topics.enable", "true", "false"))
    return done


async def faults(bootstrap: str, partitions: Mapping[str, int]) -> list[Fault]:
    """
    What is wrong with the topics of a service, each with the partitions that it must at least have.

    Kept too long is no fault here: nothing is missed by it. Raises KafkaError.
    """
    async with _admin(bootstrap) as admin:
        found = await _look(admin, partitions)
    missing = [Fault(name, "missing") for name in partitions if name not in found]
    wrong = [fault for name, each in found.items() for fault in _faults(name, each, Wanted(partitions[name]))]
    return missing + [fault for fault in wrong if not _is_too_long(fault)]


class TopicWatch:
    """Looks now and then at the topics that a service reads and writes."""

    EVERY = 60.0  # seconds between looks
    SOON = 5.0  # seconds, while something is wrong

    def __init__(self, bootstrap: str, names: Iterable[str], pool: Pool) -> None:
        self._bootstrap = bootstrap
        self._names = list(names)
        self._pool = pool
        self._found: list[Fault] | None = None

    def check(self) -> dict[str, Any]:
        """Whether all topics were right at the last look, and what is wrong with which."""
        wrong = ["not looked at yet"] if self._found is None else [str(fault) for fault in self._found]
        return {"ok": not wrong, "wrong": wrong}

    async def run(self) -> None:
        """Look until cancelled. While the broker is away the last look stands; that it is away, others say."""
        while True:
            try:
                self._found = await faults(self._bootstrap, await self._partitions())
            except Exception as error:  # noqa: BLE001  a look must not end a service
                log.warning("topics_not_seen", error=type(error).__name__)
            for fault in self._found or ():
                log.error("topic_wrong", topic=fault.topic, what=fault.setting)
            await asyncio.sleep(self.SOON if self._found is None or self._found else self.EVERY)

    async def _partitions(self) -> dict[str, int]:
        """How many partitions each topic must at least have: as many as have been read, and one."""
        rows = await self._pool.fetch(
            """
            SELECT topic, max("partition") + 1 AS read FROM consumer_offset
             WHERE next_offset >= 0 AND topic = ANY ($1::text[]) GROUP BY topic
            """,
            self._names,
        )
        return dict.fromkeys(self._names, 1) | {row["topic"]: row["read"] for row in rows}


@asynccontextmanager
async def _admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await started(admin.start())
        yield admin
    finally:
        await admin.close()


async def _look(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, _Found]:
    described = {}
    for each in await admin.describe_topics(list(names)):
        if error := each["error_code"] and for_code(each["error_code"]):
            if error is UnknownTopicOrPartitionError:
                continue
            raise error(each["topic"])
        described[each["topic"]] = each
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in described]
    replies = await admin.describe_configs(resources) if resources else []
    found = {}
    for code, _, _, name, entries in (resource for reply in replies for resource in reply.resources):
        if code:
            raise for_code(code)(name)
        replicas = [len(each["replicas"]) for each in described[name]["partitions"]]
        settings = {entry[0]: entry[1] for entry in entries}
        set_here = {entry[0]: entry[1] for entry in entries if entry[3] == SET_HERE}
        found[name] = _Found(len(replicas), min(replicas, default=0), settings, set_here)
    return found


def _faults(name: str, found: _Found, wanted: Wanted) -> Iterable[Fault]:
    if found.partitions < wanted.partitions:
        yield Fault(name, "partitions", str(found.partitions), str(wanted.partitions))
    if found.replication < wanted.replication:
        yield Fault(name, "replication", str(found.replication), str(wanted.replication))
    if int(found.settings["min.insync.replicas"]) < wanted.min_insync:
        yield Fault(name, "min.insync.replicas", found.settings["min.insync.replicas"], str(wanted.min_insync))
    if found.settings["retention.ms"] != _retention(name):
        yield Fault(name, "retention.ms", found.settings["retention.ms"], _retention(name))
    for setting, value in EXACTLY.items():
        if found.settings[setting] != value:
            yield Fault(name, setting, found.settings[setting], value)


def _retention(name: str) -> str:
    return str(RETENTION.get(Topic.of(name), RETENTION_DEFAULT))


def _is_too_long(fault: Fault) -> bool:
    if fault.setting != "retention.ms":
        return False
    return int(fault.found) < 0 or int(fault.found) > int(fault.wanted)  # -1: for ever


async def _make(admin: AIOKafkaAdminClient, names: Iterable[str], wanted: Wanted) -> list[str]:
    topics = [_new(name, wanted) for name in names]
    reply = await admin.create_topics(topics) if topics else None
    for name, code, *_ in reply.topic_errors if reply else ():
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(name)
    return [topic.name for topic in topics]


def _new(name: str, wanted: Wanted) -> NewTopic:
    return NewTopic(
        name=name,
        num_partitions=wanted.partitions,
        replication_factor=wanted.replication,
        topic_configs={
            **EXACTLY,
            "retention.ms": _retention(name),
            "min.insync.replicas": str(wanted.min_insync),
        },
    )


async def _mend(admin: AIOKafkaAdminClient, name: str, found: _Found, wrong: Iterable[Fault]) -> None:
    """Set what is wrong. Kafka's request replaces all that is set on a topic, so the rest is said again."""
    if changes := {fault.setting: fault.wanted for fault in wrong}:
        settings = {**found.set_here, **changes}
        for reply in await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, settings)]):
            for code, *_ in reply.resources:
                if code:
                    raise for_code(code)(name)


async def _makes_topics_itself(admin: AIOKafkaAdminClient) -> bool:
    """Whether any broker makes a topic for whoever names one."""
    name = "auto.create.topics.enable"
    brokers = (await admin.describe_cluster())["brokers"]
    asked = [ConfigResource(ConfigResourceType.BROKER, str(broker["node_id"]), {name: None}) for broker in brokers]
    entries = [entry for reply in await admin.describe_configs(asked) for each in reply.resources for entry in each[4]]
    return any(entry[0] == name and entry[1] == "true" for entry in entries)
