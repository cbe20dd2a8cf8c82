"""A service's database is put back to how it was, while its topics go on."""

import json
from collections import Counter
from typing import Any, cast
from urllib.parse import urlsplit

import asyncpg
from peerline.events import Topic

from tests.support.workplace import Running, Workplace, until


async def back_up(place: Workplace, service: str) -> None:
    """Copy the database of a service that is stopped."""
    name = _name(place, service)
    await _administer(place, f'CREATE DATABASE "{name}_backup" TEMPLATE "{name}"')


async def put_back(place: Workplace, service: str) -> None:
    """Put the copy in the database's place; the service is stopped."""
    name = _name(place, service)
    await _administer(
        place,
        f'DROP DATABASE "{name}" WITH (FORCE)',
        f'ALTER DATABASE "{name}_backup" RENAME TO "{name}"',
    )


def _name(place: Workplace, service: str) -> str:
    return urlsplit(place.database(service)).path.removeprefix("/")


async def _administer(place: Workplace, *statements: str) -> None:
    connection = await asyncpg.connect(place.servers.postgres.url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def halted(running: Running, lost: int) -> dict[str, Any]:
    """What `/v1/restored` says once exactly so many events are known to be lost, and readiness says it too."""
    found: dict[str, Any] = {}

    async def is_so() -> bool:
        found.update((await running.client.get("/v1/restored")).json())
        return found["halted_since"] is not None and found["lost"] == lost

    await until(is_so, what=f"{lost} lost events")
    ready = await running.client.get("/ready")
    assert ready.status_code == 503
    assert ready.json()["checks"]["restored"]["lost"] == lost
    assert "restored" in await kinds(running)
    return found


async def resumed(place: Workplace, running: Running) -> None:
    """Let an operator resume; the gap has been read again by then."""
    headers = {"authorization": f"Bearer {place.tokens['operator']}"}
    answers: list[int] = []

    async def is_so() -> bool:
        answers.append((await running.client.post("/v1/resume", headers=headers)).status_code)
        return answers[-1] == 200

    await until(is_so, seconds=60, what="the service to go on")
    assert set(answers[:-1]) <= {409}
    assert "restored" not in await kinds(running)


async def items(running: Running) -> list[dict[str, Any]]:
    """What waits for a human."""
    return cast(list[dict[str, Any]], (await running.client.get("/v1/worklist")).json()["items"])


async def kinds(running: Running) -> list[str]:
    """The kinds of what waits for a human."""
    return [item["kind"] for item in await items(running)]


async def doubled(place: Workplace, topic: Topic) -> list[str]:
    """Event ids, and a referral's sequence numbers, that stand twice on a topic."""
    records = await place.records(topic)
    ids = [dict(record.headers)["ce_id"].decode() for record in records]
    # Changes of the worklist are counted for themselves.
    own = [record for record in records if b"worklist-changed" not in dict(record.headers)["ce_type"]]
    counts = [f"{record.key.decode()}/{json.loads(record.value)['sequence']}" for record in own]
    return [name for name, count in Counter([*ids, *counts]).items() if count > 1]
