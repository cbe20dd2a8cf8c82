"""Open attempts are checked again when the roster changes, also where it changes in the middle of a check."""

import asyncio
from collections.abc import Collection

import pytest
from chassis.database import Connection
from matcher.domain.eligibility import Supporter
from matcher.repository import queue, supporters

from tests.integration import test_matcher_seats
from tests.integration.test_matcher_seats import a_referral, load, open_matches, run_rounds, take
from tests.support.workplace import Running, Workplace, until

service = test_matcher_seats.service


async def test_who_leaves_while_a_case_is_checked_is_seen_by_the_next_check(
    workplace: Workplace, service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await load(service, 1)
    referral = a_referral(workplace, service)
    await take(service.transactions, [referral.created()])
    await run_rounds(service, 1)
    leaving: list[asyncio.Task[None]] = []

    async def leave() -> None:
        async with service.transactions.begin() as work:
            left = await supporters.retire_missing(work.connection, ["shcp"], [])
            await queue.check_attempts_of(work.connection, left)

    async def leaves_or_waits() -> bool:
        waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        return leaving[0].done() or bool(await service.fetch(waiting))

    async def read_before_the_leave(connection: Connection, ids: Collection[str]) -> dict[str, Supporter]:
        found = await read(connection, ids)
        if not leaving:
            leaving.append(asyncio.create_task(leave()))
            await until(leaves_or_waits, what="the leave, or its wait for the check")
        return found

    read = supporters.read
    monkeypatch.setattr(supporters, "read", read_before_the_leave)
    async with service.transactions.begin() as work:
        await queue.check(work.connection, [referral.referral_id])
    await run_rounds(service, 1)
    await leaving[0]
    await run_rounds(service, 1)

    assert await open_matches(service) == {}
