"""Deliveries that wait at the same time: one transaction for all, and to each its own answer."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from intake import casework
from intake.domain.referring import Arrival
from intake.repository.incidents import DIRECTORY_LOCK
from peerline.events import ReferralCreated

from tests.support.intake_place import Intake, a_report, an_intake
from tests.support.workplace import Workplace, until


@asynccontextmanager
async def a_held_directory(place: Workplace) -> AsyncIterator[None]:
    """Nothing is decided meanwhile: the first delivery waits at the directory, the others behind it."""
    connection = await asyncpg.connect(place.database("intake"))
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", DIRECTORY_LOCK)
        yield
    finally:
        await connection.close()


async def all_waiting(intake: Intake, *sending: Any) -> list[httpx.Response]:
    """The answers to deliveries that all arrive while another one is being decided."""
    waiting = _deliveries(intake)._waiting
    async with a_held_directory(intake.place):
        first = asyncio.create_task(intake.send(a_report("9999", incident="EV-FIRST")))
        await until(lambda: is_at_the_directory(intake), what="the first to wait for the directory")
        tasks = [asyncio.create_task(each) for each in sending]
        await until(lambda: _are(waiting, len(tasks)), what="the others to wait")
    assert (await first).status_code == 202
    return list(await asyncio.gather(*tasks))


async def is_at_the_directory(intake: Intake) -> bool:
    found = await intake.running.fetch(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
        " AND query LIKE '%xact_lock_shared%'"
    )
    return bool(found)


async def _are(waiting: Sequence[Any], count: int) -> bool:
    return len(waiting) == count


def _deliveries(intake: Intake) -> Any:
    kinds = {kind.__name__: kind for kind in intake.running.transactions.surroundings.resources}
    return intake.running.transactions.get(kinds["Deliveries"])


async def test_deliveries_that_wait_at_the_same_time_are_decided_in_one_transaction(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()
        reports = [a_report(f"100{1 + n % 4}", f"900{n}", incident=f"EV-{n}") for n in range(20)]

        answers = await all_waiting(intake, *[intake.send(report) for report in reports])

        assert [(each.status_code, each.json()["incident_id"]) for each in answers] == [
            (202, report["incident_id"]) for report in reports
        ]
        assert {each.json()["unresolved"] for each in answers} == {1}
        assert sum(each.json()["offered"] for each in answers) == 4
        assert sum(each.json()["joined"] for each in answers) == 16
        transactions = await intake.running.fetch("SELECT count(*) AS answers FROM answer GROUP BY xmin::text")
        assert sorted(row["answers"] for row in transactions) == [1, 20]
        await intake.published(ReferralCreated, 4)


async def test_large_deliveries_do_not_share_a_transaction(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with an_intake(workplace) as intake:
        reports = [a_report("1001", incident=f"EV-{n}") for n in range(4)]
        monkeypatch.setattr("intake.deliveries.LARGEST", 2 * len(json.dumps(reports[0])))

        answers = await all_waiting(intake, *[intake.send(report) for report in reports])

        assert {each.status_code for each in answers} == {202}
        transactions = await intake.running.fetch("SELECT count(*) AS answers FROM answer GROUP BY xmin::text")
        assert sorted(row["answers"] for row in transactions) == [1, 2, 2]


async def test_each_of_them_is_answered_for_itself(workplace: Workplace) -> None:
    async with an_intake(workplace) as intake:
        await intake.load()
        await intake.send(a_report("1001", incident="EV-0"), webhook_id="known")
        again, twice = a_report("1001", incident="EV-0"), a_report("1002", incident="EV-2")
        await intake.send(a_report("1003", incident="EV-3"))
        long_ago = (datetime.now(UTC) - timedelta(days=5)).isoformat()
        old = intake.signed(b"{}", "old", datetime.now(UTC) - timedelta(minutes=6))

        answers = await all_waiting(
            intake,
            intake.send(a_report("1004", incident="EV-1")),
            intake.send(b"not json"),
            intake.client.post("/v1/adverse-events", params={"source": "shcp-risk"}, content=b"{}", headers=old),
            intake.send(again, webhook_id="again"),
            intake.send(a_report("1005", incident="EV-3", occurred_at=long_ago)),
            intake.send(twice, webhook_id="twice"),
            intake.send(twice, webhook_id="twice"),
            intake.send(a_report("1004", incident="EV-9"), webhook_id="known"),
        )

        first, unread, too_old, known, conflict, one, other, reused = answers
        assert [each.status_code for each in answers] == [202, 422, 401, 202, 409, 202, 202, 202]
        assert (unread.json()["code"], too_old.json()["code"]) == ("not-json", "not-signed")
        assert conflict.json()["field"] == "incident_id"
        assert [each.json()["offered"] for each in (first, known, one, other)] == [1, 1, 1, 1]
        assert one.json() == other.json()
        assert reused.json()["joined"] == 1  # another body under a known id: taken, since it may name somebody
        await intake.published(ReferralCreated, 4)


async def test_one_that_fails_by_a_fault_of_ours_costs_the_others_nothing(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide = casework.decide

    async def fails_for_one(work: Any, arrivals: Sequence[Arrival]) -> Any:
        found = await decide(work, arrivals)
        if any(arrival.report.incident_id == "EV-2" for arrival in arrivals):
            raise LookupError
        return found

    monkeypatch.setattr(casework, "decide", fails_for_one)
    async with an_intake(workplace) as intake:
        await intake.load()

        answers = await all_waiting(
            intake, *[intake.send(a_report(f"100{n}", incident=f"EV-{n}")) for n in (1, 2, 3, 4)]
        )

        assert [each.status_code for each in answers] == [202, 503, 202, 202]
        await intake.published(ReferralCreated, 3)


async def test_one_that_waits_for_a_lock_costs_the_others_nothing(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.database.PATIENCE", {"lock_timeout": "3s"})
    async with an_intake(workplace) as intake:
        await intake.load()
        await intake.send(a_report("1001", incident="EV-0"))
        holder = await asyncpg.connect(workplace.database("intake"))
        await holder.execute("BEGIN; SELECT FROM referral FOR UPDATE")

        answers = await all_waiting(
            intake, *[intake.send(a_report(f"100{n}", incident=f"EV-{n}")) for n in (1, 2, 3, 4)]
        )
        await holder.close()
        again = await intake.send(a_report("1001", incident="EV-1"))

        assert [each.status_code for each in answers] == [503, 202, 202, 202]
        assert again.json()["joined"] == 1
        await intake.published(ReferralCreated, 4)
