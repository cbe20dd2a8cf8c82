"""What is at rest costs nothing: neither when the monitor looks for what is due, nor when it writes what it decided."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeAlias

import asyncpg
import pytest
from chassis.database import migrate, open_pool
from sla_monitor import sweep
from sla_monitor.domain.case import FIRST_CONTACT, MATCH
from sla_monitor.repository import due, standings

from tests.support.monitor_place import (
    MIGRATIONS,
    OpenClocks,
    Statement,
    plan_of,
    statements_of,
    transactions_on,
)
from tests.support.workplace import Workplace

FEW, MANY, DUE = 2_000, 60_000, 100
SHOWN_ONLY = """
UPDATE clock SET next_at = NULL
 WHERE (referral_id, kind) IN (SELECT referral_id, kind FROM clock WHERE kind <> 'match' LIMIT $1)
"""
"""As clocks are that time never decides."""

Connection: TypeAlias = "asyncpg.Connection[Any]"


@asynccontextmanager
async def at_rest(place: Workplace, clocks: int) -> AsyncIterator[tuple[Connection, OpenClocks]]:
    """A database of the monitor with so many open clocks, two for each referral, none of them due."""
    url = place.database(f"sla-monitor-{clocks}")
    pool, connection = await open_pool(url), await asyncpg.connect(url)
    try:
        await migrate(pool, MIGRATIONS)
        laid = OpenClocks(connection)
        await laid.lay(transactions_on(pool), clocks)
        yield connection, laid
    finally:
        await connection.close()
        await pool.close()


async def looking(connection: Connection) -> list[Statement]:
    """What a look for what is due sends: the claim, and how long until there is something to claim."""

    async def look() -> None:
        now = datetime.now(UTC)
        await due.claim_due(connection, now, DUE)
        await due.until_next(connection, now)

    return [each for each in await statements_of(connection, look) if "next_at" in each.query]


async def blocks_of(connection: Connection, statement: Statement) -> int:
    """How many blocks a statement reads, from memory or from the disk."""
    said = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement.query}", *statement.given)
    plan = json.loads(said)[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


@pytest.mark.parametrize("due", [0, DUE], ids=["nothing-due", "some-due"])
async def test_looking_for_what_is_due_reads_no_more_among_many_clocks_at_rest_than_among_few(
    workplace: Workplace, due: int
) -> None:
    read: dict[int, list[int]] = {}

    for size in (FEW, MANY):
        async with at_rest(workplace, size) as (connection, laid):
            if due:
                await laid.make_due(MATCH, due)
            read[size] = [await blocks_of(connection, each) for each in await looking(connection)]

    assert len(read[FEW]) == 2
    for among_few, among_many in zip(read[FEW], read[MANY], strict=True):
        assert among_many <= 2 * among_few + 5, read  # an index of many is a level higher


@pytest.mark.parametrize("due", [0, MANY // 10], ids=["nothing-due", "a-backlog"])
async def test_what_is_due_is_found_through_the_index_of_the_clocks_that_run(workplace: Workplace, due: int) -> None:
    async with at_rest(workplace, MANY) as (connection, laid):
        if due:
            await laid.make_due(MATCH, due)

        plans = [await plan_of(connection, each) for each in await looking(connection)]

    assert len(plans) == 2
    assert all("clock_next" in plan for plan in plans), plans


async def test_counting_what_is_open_reads_these_and_no_clocks_at_rest(
    workplace: Workplace,
) -> None:
    async with at_rest(workplace, MANY) as (connection, laid):
        await laid.make_due(MATCH, DUE)
        await connection.execute(SHOWN_ONLY, 200 * DUE)

        [counting] = await statements_of(connection, lambda: standings.tallies(connection, DUE))
        plan, read = await plan_of(connection, counting), await blocks_of(connection, counting)

    assert all(index in plan for index in ("clock_next", "clock_missed", "clock_shown")), plan
    assert "Seq Scan" not in plan
    assert read <= 2 * DUE + 30  # a block for each that runs or is only shown, and those of three indexes


async def test_only_the_clock_that_was_due_is_written_not_the_other_one_of_its_case(workplace: Workplace) -> None:
    async with at_rest(workplace, FEW) as (connection, laid):
        await laid.make_due(MATCH, DUE)
        pool = await open_pool(workplace.database(f"sla-monitor-{FEW}"))
        before = await versions_of(connection)

        await sweep.run(transactions_on(pool))

        after = await versions_of(connection)
        await pool.close()
    written = {clock for clock in before if before[clock] != after[clock]}
    assert len(written) == DUE
    assert {kind for _, kind in written} == {MATCH}
    assert {kind for _, kind in before} == {MATCH, FIRST_CONTACT}


async def versions_of(connection: Connection) -> dict[tuple[Any, str], str]:
    """By which transaction each clock was last written."""
    rows = await connection.fetch("SELECT referral_id, kind, xmin::text AS version FROM clock")
    return {(row["referral_id"], row["kind"]): row["version"] for row in rows}
