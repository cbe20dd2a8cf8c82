"""Topics are made and put right by `peerline topics apply`, and a service on wrong ones says which."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from chassis import topics
from peerline.events import Topic
from peerline_local.apart import run_apart
from peerline_local.cli import app
from typer.testing import CliRunner

from tests.support.counter import Counter, a_referral
from tests.support.servers import Servers
from tests.support.workplace import PARTITIONS, Running, Workplace, until


@asynccontextmanager
async def asking(stack: Servers) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def set_on(stack: Servers, name: str, **settings: str) -> None:
    """Set these, with dots for the underscores, and nothing else."""
    dotted = {setting.replace("_", "."): value for setting, value in settings.items()}
    async with asking(stack) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, dotted)])
    await are_seen(stack, name, dotted)


async def are_seen(stack: Servers, name: str, settings: dict[str, str]) -> None:
    """A broker answers before it has taken new settings up."""

    async def is_so() -> bool:
        return settings.items() <= (await settings_of(stack, name)).items()

    await until(is_so, what=f"{name} to have {settings}")


async def settings_of(stack: Servers, name: str) -> dict[str, str]:
    async with asking(stack) as admin:
        (reply,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    return {entry[0]: entry[1] for entry in reply.resources[0][4]}


@pytest.fixture
def prefix() -> str:
    return f"t{secrets.token_hex(5)}."


async def test_topics_are_made_once_with_the_settings_they_need(stack: Servers, prefix: str) -> None:
    first = await topics.apply(stack.bootstrap, prefix=prefix, partitions=3)
    again = await topics.apply(stack.bootstrap, prefix=prefix, partitions=3)

    assert first.made == [f"{prefix}{topic}" for topic in Topic]
    assert (again.made, again.mended, again.left) == ([], [], [])
    feed, outreach = [await settings_of(stack, f"{prefix}{topic}") for topic in (Topic.ADVERSE_EVENTS, Topic.OUTREACH)]
    assert (feed["retention.ms"], outreach["retention.ms"]) == ("1209600000", "3024000000")
    assert outreach["cleanup.policy"] == "delete"
    assert outreach["message.timestamp.type"] == "LogAppendTime"


async def test_wrong_settings_are_put_right_and_others_stay(stack: Servers, prefix: str) -> None:
    await topics.apply(stack.bootstrap, prefix=prefix)
    name = f"{prefix}{Topic.MATCHES}"
    await set_on(stack, name, cleanup_policy="compact", retention_ms="60000", segment_bytes="20000000")

    done = await topics.apply(stack.bootstrap, prefix=prefix)

    assert {fault.setting for fault in done.mended} == {"cleanup.policy", "retention.ms", "message.timestamp.type"}
    assert done.left == []
    expected = {"cleanup.policy": "delete", "retention.ms": "3024000000", "segment.bytes": "20000000"}
    await are_seen(stack, name, expected)


async def test_what_is_kept_too_long_is_shortened_only_when_asked_to(stack: Servers, prefix: str) -> None:
    await topics.apply(stack.bootstrap, prefix=prefix)
    name = f"{prefix}{Topic.MATCHES}"
    await set_on(stack, name, retention_ms="-1", message_timestamp_type="LogAppendTime")

    asked = await topics.apply(stack.bootstrap, prefix=prefix)
    kept = (await settings_of(stack, name))["retention.ms"]
    await topics.apply(stack.bootstrap, prefix=prefix, shorten=True)

    assert [str(fault) for fault in asked.left] == [f"{name}: retention.ms is -1, must be 3024000000"]
    assert kept == "-1"
    await are_seen(stack, name, {"retention.ms": "3024000000"})


def test_the_command_says_what_it_did_and_fails_where_a_human_has_to_decide(stack: Servers, prefix: str) -> None:
    command = ["topics", "apply", "--bootstrap", stack.bootstrap, "--prefix", prefix]
    run_apart(topics.apply(stack.bootstrap, prefix=prefix, partitions=1))

    done = CliRunner().invoke(app, [*command, "--partitions", "4"])

    assert done.exit_code == 1
    assert f"{prefix}{Topic.OUTREACH}: partitions is 1, must be 4" in done.output
    assert CliRunner().invoke(app, [*command, "--partitions", "1"]).exit_code == 0


async def wrong_topics(service: Running) -> list[str]:
    checks = (await service.client.get("/ready")).json()["checks"]
    wrong: list[str] = checks["topics"]["wrong"]
    return wrong


async def test_a_service_on_wrong_topics_is_not_ready_and_says_which_until_they_are_right(
    stack: Servers, workplace: Workplace, counter: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topics.TopicWatch, "EVERY", 0.2)
    monkeypatch.setattr(topics.TopicWatch, "SOON", 0.2)
    referrals, matches = f"{workplace.prefix}{Topic.REFERRALS}", f"{workplace.prefix}{Topic.MATCHES}"
    async with workplace.running(counter.service(workplace, tmp_path)) as service:
        await set_on(stack, referrals, cleanup_policy="compact", retention_ms="60000")
        async with asking(stack) as admin:
            await admin.delete_topics([matches])

        async def says_so() -> bool:
            answer = await service.client.get("/ready")
            return answer.status_code == 503 and len(await wrong_topics(service)) == 4

        await until(says_so, what="the wrong topics to be seen")
        found = await wrong_topics(service)
        await topics.apply(stack.bootstrap, prefix=workplace.prefix, partitions=PARTITIONS)

        async def is_ready() -> bool:
            return (await service.client.get("/ready")).status_code == 200

        await until(is_ready, what="the service to be ready again")
        assert found == [
            f"{matches}: missing",
            f"{referrals}: retention.ms is 60000, must be 3024000000",
            f"{referrals}: cleanup.policy is compact, must be delete",
            f"{referrals}: message.timestamp.type is CreateTime, must be LogAppendTime",
        ]


async def test_a_topic_with_fewer_partitions_than_were_read_is_wrong(
    stack: Servers, workplace: Workplace, counter: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topics.TopicWatch, "SOON", 0.2)
    name = f"{workplace.prefix}{Topic.REFERRALS}"
    async with asking(stack) as admin:
        await admin.create_partitions({name: NewPartitions(6)})
    await workplace.publish(*[a_referral(workplace, number) for number in range(40)])  # some on each partition
    async with workplace.running(counter.service(workplace, tmp_path)):
        await workplace.wait_for(Topic.MATCHES, lambda found: len(found) == 40)
    async with asking(stack) as admin:
        await admin.delete_topics([name])

        async def is_gone() -> bool:
            return name not in await admin.list_topics()

        await until(is_gone, what="the topic to be gone")
        await admin.create_topics([NewTopic(name, 2, 1, topic_configs=topics.EXACTLY | {"retention.ms": "3024000000"})])

    async with workplace.running(Counter().service(workplace, tmp_path), ready=False) as service:

        async def is_seen() -> bool:
            return await wrong_topics(service) == [f"{name}: partitions is 2, must be 6"]

        await until(is_seen, what="the missing partitions to be seen")
