"""A table that somebody has locked, for a migration by hand for example."""

import asyncio
import json
from typing import Any

import asyncpg
import httpx
import pytest
from peerline.events import ReferralCreated, Topic

from tests.support.intake_place import Intake, a_report, an_intake
from tests.support.workplace import Workplace, until


async def test_fault_13_a_locked_table_is_answered_503_at_once_and_nothing_is_lost(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.database.PATIENCE", {"lock_timeout": "1s"})
    monkeypatch.setattr("chassis.work.PATIENCE", 2.0)
    people = ("1001", "1002", "1003")
    reports = [a_report(npi, incident=f"EV-{npi}") for npi in people for _ in range(4)]

    async with an_intake(workplace) as intake:
        await intake.load()
        holder = await asyncpg.connect(workplace.database("intake"))
        await holder.execute("BEGIN; LOCK TABLE referral")
        async with asyncio.timeout(30):  # far below the minute after which a client gives a statement up
            refused = await asyncio.gather(*[intake.send(report) for report in reports])
        fed = json.dumps(a_report("1004", incident="EV-1004")).encode()
        await workplace.produce(Topic.ADVERSE_EVENTS, (b"k", fed, [("peerline-source", b"shcp-risk")]))
        await until(lambda: _is_red(intake.client), what="readiness to turn red")
        await holder.close()
        await until(lambda: _all_taken(intake, reports), seconds=60, what="every report to be taken")
        await intake.until_rows("SELECT FROM referral WHERE opened", 4)
        await intake.published(ReferralCreated, 4)
        aside = await intake.running.fetch("SELECT FROM quarantine")

    assert {answer.status_code for answer in refused} == {503}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
    assert aside == []


async def _all_taken(intake: Intake, reports: list[dict[str, Any]]) -> bool:
    """Whether what a sender does with a 503 ends: it sends again."""
    return {(await intake.send(report)).status_code for report in reports} == {202}


async def _is_red(client: httpx.AsyncClient) -> bool:
    return (await client.get("/ready")).status_code == 503
