"""Every service reads all of its topics again from the beginning: nothing is sent, said or changed by it."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from matcher.main import service as matcher
from matcher.settings import Settings as MatcherSettings
from peerline.events import OutreachLogged, Topic
from sla_monitor.main import service as sla_monitor
from sla_monitor.settings import Settings as MonitorSettings

from tests.support.intake_place import Intake, a_report, an_intake
from tests.support.notifier_place import Post, notifier, post_office, press
from tests.support.workplace import Running, Workplace, until

OWN = (Topic.REFERRALS, Topic.MATCHES, Topic.OUTREACH, Topic.DEADLINES)
ROSTER = "supporter_id,name,email,phone,zone,programme,active,trained_at,capacity,identifiers\n" + "".join(
    f"s{number},Dr S{number},s{number}@staff.example,,,shcp,yes,2025-01-01,9,npi|9{number:09}\n" for number in range(3)
)
DELIVERY = {"schema_migration", "consumer_offset", "inbox", "outbox", "own_position", "restoration"}
"""Where a service stands, and what it has taken; not what it knows."""

ENCRYPTED = {"outreach_attempt": "outreach_attempt.contact/{referral_id}/{number}"}
"""Encrypted anew whenever the proposal is taken, the same inside: under what name."""

Services = dict[str, Running]


@asynccontextmanager
async def all_services(place: Workplace, post: Post) -> AsyncIterator[tuple[Intake, Services]]:
    async with (
        an_intake(place) as intake,
        place.running(matcher(place.settings(MatcherSettings, "matcher"))) as matching,
        place.running(notifier(place, post)) as notifying,
        place.running(sla_monitor(place.settings(MonitorSettings, "sla-monitor"))) as monitoring,
    ):
        yield (
            intake,
            {"intake": intake.running, "matcher": matching, "notifier": notifying, "sla-monitor": monitoring},
        )


async def work_through(place: Workplace, intake: Intake, services: Services, post: Post) -> None:
    """A report with a stranger, a phone call, one case to its end, one supporter who declines, one withdrawal."""
    await intake.load()
    await services["matcher"].client.put("/v1/roster", content=ROSTER, headers={"content-type": "text/csv"})
    await intake.send(a_report("1001", "1002", "9999"))
    await until(lambda: _so_many_links(post, 2), seconds=60, what="two supporters to be asked")
    first, second = post.links()
    await press(services["notifier"], first, "yes")
    await press(services["notifier"], second, "no")
    await until(lambda: _page_has(services["notifier"], first, "show-contact"), seconds=60, what="the name")
    for action in ("show-contact", "contact-attempted", "contact-made", "close"):
        await press(services["notifier"], first, action)
    await until(lambda: _so_many_links(post, 3), seconds=60, what="another supporter to be asked")
    entered = await intake.enter(person={"system": "npi", "value": "1004"})
    await until(lambda: _so_many_links(post, 4), seconds=60, what="a supporter to be asked after the call")
    await intake.client.post(f"/v1/referrals/{entered.json()['referral_id']}/withdraw")
    await until(lambda: _closed(place, 2), seconds=60, what="two closed cases")


async def _so_many_links(post: Post, number: int) -> bool:
    return len(post.links()) >= number


async def _page_has(notifying: Running, page: str, action: str) -> bool:
    return f'value="{action}"' in (await notifying.client.get(page)).text


async def _closed(place: Workplace, number: int) -> bool:
    logged = [event for event in await place.events(Topic.OUTREACH) if isinstance(event, OutreachLogged)]
    return sum(event.step == "closed" for event in logged) >= number


async def settled(place: Workplace, services: Services) -> dict[str, int]:
    """The records of each topic, once everything was read and nothing is left to say."""
    seen: dict[str, int] = {}

    async def at_rest() -> bool:
        counts = {topic.value: await place.count(topic) for topic in OWN}
        behind = [await _is_behind(running, place, counts) for running in services.values()]
        same, seen_before = counts == seen, dict(seen)
        seen.clear()
        seen.update(counts)
        if any(behind) or not (same and seen_before):
            return False
        await asyncio.sleep(1)  # whatever a round still does within a second would be seen in the next count
        return counts == {topic.value: await place.count(topic) for topic in OWN}

    await until(at_rest, seconds=90, what="all services to be at rest")
    return dict(seen)


async def _is_behind(running: Running, place: Workplace, counts: dict[str, int]) -> bool:
    if await running.fetch("SELECT FROM outbox"):
        return True
    rows = await running.fetch(
        "SELECT topic, sum(greatest(next_offset, 0))::int AS taken FROM consumer_offset GROUP BY topic"
    )
    taken = {row["topic"].removeprefix(place.prefix): row["taken"] for row in rows}
    return any(count < counts.get(topic, 0) for topic, count in taken.items())


Rows = dict[str, Counter[str]]


async def knowledge(services: Services) -> Rows:
    """Every row of each table of each service, whole."""
    found = {}
    for name, running in services.items():
        tables = await running.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        for table in {row["tablename"] for row in tables} - DELIVERY:
            rows = await running.fetch(f"SELECT to_jsonb(t) AS row FROM {table} t")  # noqa: S608  from the catalogue
            found[f"{name}.{table}"] = Counter(_readable(running, table, json.loads(row["row"])) for row in rows)
    return found


def _readable(running: Running, table: str, row: dict[str, Any]) -> str:
    """A row as text; of what is encrypted anew each time it is written, what it says."""
    about = ENCRYPTED.get(table)
    if about and row["contact"]:
        vault = running.transactions.surroundings.keys.vault
        row["contact"] = vault.unlock(bytes.fromhex(row["contact"][2:]), about.format(**row)).decode()
    return json.dumps(row, sort_keys=True)


def changed(before: Rows, after: Rows) -> dict[str, set[str]]:
    """The columns of each table in which some row is not as it was."""
    found = {}
    for table in before.keys() | after.keys():
        gone, came = before[table] - after[table], after[table] - before[table]
        if gone or came:
            found[table] = {name for name, _ in _cells(gone) ^ _cells(came)}
    return found


def _cells(rows: Counter[str]) -> set[tuple[str, str]]:
    return {(name, json.dumps(value)) for row in rows for name, value in json.loads(row).items()}


@pytest.mark.parametrize("inbox", ["kept", "emptied"])
async def test_fault_28_a_replay_of_all_topics_from_zero_sends_nothing_and_changes_nothing(
    workplace: Workplace, inbox: str
) -> None:
    async with post_office(Post()) as post:
        async with all_services(workplace, post) as (intake, services):
            await work_through(workplace, intake, services, post)
            records = await settled(workplace, services)
            before, mails = await knowledge(services), len(post.mails)
            await set_back(services, empties_inbox=inbox == "emptied")
        async with all_services(workplace, post) as (intake, services):
            records_after = await settled(workplace, services)
            after = await knowledge(services)

    assert changed(before, after) == {}
    assert records_after == records
    assert len(post.mails) == mails


async def set_back(services: Services, *, empties_inbox: bool) -> None:
    for running in services.values():
        await running.fetch("UPDATE consumer_offset SET next_offset = -1, epoch = epoch + 1")
        if empties_inbox:
            await running.fetch("DELETE FROM inbox")
