"""Clocks from before there were reports are counted and listed as those that came after."""

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import sla_monitor
from chassis.database import Connection, migrate, open_pool
from sla_monitor.repository import clocks, standings

from tests.support.workplace import Workplace

MIGRATIONS = Path(sla_monitor.__file__).parent / "migrations"
START = datetime(2026, 6, 9, 14, 15, tzinfo=UTC)
DUE = START + timedelta(days=1)


async def a_clock(connection: Connection, number: int, *, closed: bool = False, **more: Any) -> None:
    columns = {
        "referral_id": UUID(int=number),
        "kind": "match",
        "begun": True,
        "due_at": DUE,
        "starts_at": START,
        "entered_at": START + timedelta(seconds=150),
        "warn_at": DUE,
        "firmness": "promised",
        "programme_id": "shcp",
        "programme_digest": "0" * 16,
        "explanation": "",
        "told_due_at": DUE,
        "approached": False,
        "corrected": False,
    } | more
    await connection.execute(
        "INSERT INTO referral (referral_id, closed_at) VALUES ($1, $2)", UUID(int=number), START if closed else None
    )
    places = ", ".join(f"${place}" for place in range(1, len(columns) + 1))
    await connection.execute(f"INSERT INTO clock ({', '.join(columns)}) VALUES ({places})", *columns.values())  # noqa: S608


async def test_clocks_from_before_are_listed_and_counted(workplace: Workplace, tmp_path: Path) -> None:
    for path in MIGRATIONS.glob("0*.sql"):
        if int(path.name[:4]) < 3:
            shutil.copy(path, tmp_path)
    pool = await open_pool(workplace.database("sla-monitor"))
    try:
        await migrate(pool, tmp_path)
        async with pool.acquire() as connection:
            await a_clock(connection, 1)
            await a_clock(connection, 2, verdict="met", stopped_at=START + timedelta(minutes=90))
            await a_clock(connection, 3, verdict="breached", closed=True)
            await a_clock(connection, 4, verdict="breached", corrected=True, stopped_at=START)
            await a_clock(connection, 5, begun=False)
            migrated = "SELECT referral_id, open_due_at, month, outcome, waited, entered_after FROM clock ORDER BY 1"

            await migrate(pool, MIGRATIONS)

            before = await connection.fetch(migrated)
            cases = [await clocks.read_case(connection, UUID(int=number)) for number in range(1, 6)]
            await clocks.save(connection, [case for case in cases if case is not None])
            after = await connection.fetch(migrated)
            (month,) = await standings.months(connection, "shcp", date(2026, 6, 1), date(2026, 6, 1))
            (is_open,) = await standings.open_clocks(connection, "shcp", before=None, after=None, limit=10)
    finally:
        await pool.close()

    assert after == before
    assert is_open.place.referral_id == UUID(int=1)
    assert (month.outcomes["met"], month.outcomes["breached"], month.outcomes["corrected"]) == (1, 1, 1)
    assert (month.stopped, month.waits, month.entered, month.entries) == (2, (0, 90), 4, (2, 2))
