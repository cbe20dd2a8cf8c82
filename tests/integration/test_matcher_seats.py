"""Seats under several matcher processes at once: never overbooked, never leaked, nobody forgotten."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from chassis import Transactions, UnitOfWork
from matcher import api, casework, handlers, rounds
from matcher.domain.roster import Entry
from matcher.main import service as matcher
from matcher.repository import supporters
from matcher.settings import Settings
from peerline.events import Event, OutreachLogged, ReferralCreated

from tests.support.workplace import Running, Workplace
from tests.unit.matcher.events import Told

PROCESSES = 4


@pytest.fixture
async def service(workplace: Workplace) -> AsyncIterator[Running]:
    """Matcher without rounds of its own: the test runs them, as several processes would."""
    described = replace(matcher(workplace.settings(Settings, "matcher")), rounds=())
    async with workplace.running(described) as running:
        yield running


def a_referral(workplace: Workplace, service: Running) -> Told:
    return Told(service.transactions.surroundings.programmes["shcp"].ref, workplace.sealer)


async def load(service: Running, count: int, *, capacity: int = 2, active: bool = True) -> None:
    """A roster of SHCP with this many supporters."""
    async with service.transactions.begin() as work:
        entries = [
            Entry(f"s{number}", "shcp", active, f"Dr {number}", f"s{number}@example.org", capacity=capacity,
                  trained_at=datetime(2025, 1, 1, tzinfo=UTC).date())
            for number in range(count)
        ]  # fmt: skip
        await supporters.save_roster(work.connection, [api._listed(work, entry) for entry in entries])
        await supporters.pool_changed(work.connection, ["shcp"], roster=True)


async def take(transactions: Transactions, events: Sequence[Event]) -> None:
    """Hand events to matcher's handlers in one transaction."""
    async with transactions.begin() as work:
        if created := [event for event in events if isinstance(event, ReferralCreated)]:
            await handlers.open_cases(created, work)
        if logged := [event for event in events if isinstance(event, OutreachLogged)]:
            await handlers.follow(logged, work)


async def run_rounds(service: Running, processes: int = PROCESSES) -> None:
    """Rounds of several processes at once, until none of them finds anything left."""

    async def one() -> None:
        for _ in range(50):
            due_in = await rounds.run(service.transactions)
            if due_in is None or due_in > timedelta(seconds=5):
                return
            await asyncio.sleep(due_in.total_seconds())

    await asyncio.gather(*[one() for _ in range(processes)])


async def open_matches(service: Running) -> dict[str, int]:
    rows = await service.fetch("SELECT supporter_id, count(*) AS n FROM match WHERE stage <> 'ended' GROUP BY 1")
    return {row["supporter_id"]: row["n"] for row in rows}


async def test_four_processes_give_away_every_seat_and_none_twice(workplace: Workplace, service: Running) -> None:
    await load(service, 20, capacity=2)
    referrals = [a_referral(workplace, service) for _ in range(100)]
    await take(service.transactions, [each.created() for each in referrals])

    await run_rounds(service)

    assert await open_matches(service) == {f"s{number}": 2 for number in range(20)}
    waiting = await service.fetch("SELECT count(*) AS n FROM referral WHERE seeking")
    items = await service.fetch(
        "SELECT count(*) AS n FROM worklist_item WHERE kind = 'unmatched' AND resolved_at IS NULL"
    )
    assert (waiting[0]["n"], items[0]["n"]) == (60, 60)


async def test_whoever_waited_longest_is_matched_first(workplace: Workplace, service: Running) -> None:
    await load(service, 5, capacity=1)
    referrals = [a_referral(workplace, service) for _ in range(20)]
    now = datetime.now(UTC)
    created = [each.created(received_at=now - timedelta(hours=hours)) for hours, each in enumerate(referrals)]
    await take(service.transactions, created)

    await run_rounds(service)

    rows = await service.fetch("SELECT referral_id FROM match")
    assert {row["referral_id"] for row in rows} == {each.referral_id for each in referrals[-5:]}


async def test_seats_are_conserved_while_everything_happens_at_once(workplace: Workplace, service: Running) -> None:
    await load(service, 10, capacity=2)
    dice = random.Random(7)
    referrals = [a_referral(workplace, service) for _ in range(60)]
    await take(service.transactions, [each.created() for each in referrals])
    open_by_supporter: list[int] = []

    async def life(referral: Told) -> None:
        for _ in range(6):
            await asyncio.sleep(dice.random() * 0.3)
            rows = await service.fetch(
                "SELECT attempt, stage FROM match WHERE referral_id = $1 AND stage <> 'ended'", referral.referral_id
            )
            if not rows:
                continue
            steps = ["supporter-accepted", "supporter-declined", "closed", "other-supporter-requested"]
            await take(service.transactions, [referral.logged(dice.choice(steps), rows[0]["attempt"])])
            open_by_supporter.extend((await open_matches(service)).values())

    await asyncio.gather(*[life(each) for each in referrals], *[run_rounds(service, 1) for _ in range(PROCESSES)])
    await run_rounds(service)

    assert max(open_by_supporter) == 2
    unserved = await service.fetch(
        """
        SELECT referral_id FROM referral
         WHERE closed_at IS NULL
           AND NOT EXISTS (SELECT FROM match WHERE match.referral_id = referral.referral_id AND stage <> 'ended')
           AND NOT EXISTS (SELECT FROM worklist_item
                            WHERE worklist_item.referral_id = referral.referral_id AND resolved_at IS NULL)
        """
    )
    assert unserved == []


async def test_a_failed_transaction_takes_no_seat(
    workplace: Workplace, service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await load(service, 1, capacity=1)
    referral = a_referral(workplace, service)
    await take(service.transactions, [referral.created()])
    flush, failures = UnitOfWork.flush, [OSError("the connection is gone")]

    async def fail_once(work: UnitOfWork) -> None:
        if failures and work._records:
            raise failures.pop()
        await flush(work)

    monkeypatch.setattr(UnitOfWork, "flush", fail_once)
    with pytest.raises(OSError, match="gone"):
        await rounds.run(service.transactions)
    after_failure = await open_matches(service)
    await rounds.run(service.transactions)

    assert (after_failure, await open_matches(service)) == ({}, {"s0": 1})


async def test_a_failed_batch_leaves_no_seat_counted_as_taken(
    workplace: Workplace, service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await load(service, 3, capacity=1)
    await take(service.transactions, [a_referral(workplace, service).created() for _ in range(3)])
    flush, failures = UnitOfWork.flush, [ValueError("an event that cannot be written")]

    async def fail_once(work: UnitOfWork) -> None:
        if failures and work._records:
            raise failures.pop()
        await flush(work)

    monkeypatch.setattr(UnitOfWork, "flush", fail_once)
    await rounds.run(service.transactions)

    assert await open_matches(service) == {"s0": 1, "s1": 1, "s2": 1}
    assert await service.fetch("SELECT FROM worklist_item") == []


async def test_a_case_that_fails_is_set_aside_and_the_others_go_on(workplace: Workplace, service: Running) -> None:
    await load(service, 10)
    referrals = [a_referral(workplace, service) for _ in range(8)]
    await take(service.transactions, [each.created() for each in referrals])
    broken = referrals[3].referral_id
    await service.fetch("UPDATE referral SET profile = decode(repeat('00', 40), 'hex') WHERE referral_id = $1", broken)

    due_in = await rounds.run(service.transactions)

    rows = await service.fetch("SELECT referral_id FROM match")
    assert {row["referral_id"] for row in rows} == {each.referral_id for each in referrals} - {broken}
    items = await service.fetch("SELECT kind, referral_id, reason FROM worklist_item")
    assert [tuple(row) for row in items] == [("stuck", broken, "Locked")]
    assert due_in is not None
    assert timedelta(minutes=14) < due_in <= timedelta(minutes=15)


async def test_a_case_that_was_set_aside_leaves_the_worklist_when_it_goes_on(
    workplace: Workplace, service: Running
) -> None:
    await load(service, 1)
    referral = a_referral(workplace, service)
    await take(service.transactions, [referral.created()])
    (row,) = await service.fetch("SELECT profile FROM referral")
    await service.fetch("UPDATE referral SET profile = decode(repeat('00', 40), 'hex')")
    await rounds.run(service.transactions)

    await service.fetch("UPDATE referral SET profile = $1, try_at = statement_timestamp()", row["profile"])
    await rounds.run(service.transactions)

    assert await open_matches(service) == {"s0": 1}
    assert await service.fetch("SELECT FROM worklist_item WHERE resolved_at IS NULL") == []


async def test_a_roster_that_changes_between_choice_and_seat_is_seen(workplace: Workplace, service: Running) -> None:
    await load(service, 1)
    referral = a_referral(workplace, service)
    await take(service.transactions, [referral.created()])
    matching = rounds.Matching("shcp")

    async with service.transactions.begin() as work:
        ids = await matching.claim(work, 1)
        pool = await matching._see_pool(work, await supporters.pool_versions(work.connection, "shcp"))
        matching._pool, matching._versions = pool, await supporters.pool_versions(work.connection, "shcp")
        await load(service, 1, active=False)
        matching._versions = await supporters.pool_versions(work.connection, "shcp")
        went_on = await matching.match(work, ids)

    assert (went_on, await open_matches(service)) == (False, {})
    await run_rounds(service)
    assert (await service.fetch("SELECT unavailable_for FROM referral"))[0]["unavailable_for"] == 1


async def test_one_seat_is_not_taken_while_another_process_holds_its_supporter(
    workplace: Workplace, service: Running
) -> None:
    await load(service, 1, capacity=1)
    referral = a_referral(workplace, service)
    await take(service.transactions, [referral.created()])

    async with service.transactions.begin() as other:
        await supporters.lock_free(other.connection, ["s0"])
        due_in = await rounds.run(service.transactions)
        while_held = await open_matches(service)
    await run_rounds(service)

    assert (while_held, due_in) == ({}, rounds.SHORTEST_PAUSE)
    assert await open_matches(service) == {"s0": 1}
    assert (await service.fetch("SELECT unavailable_for FROM referral"))[0]["unavailable_for"] == 0


async def test_the_database_itself_refuses_a_second_open_match(workplace: Workplace, service: Running) -> None:
    await load(service, 1)
    referral = a_referral(workplace, service)
    await take(service.transactions, [referral.created()])
    await rounds.run(service.transactions)
    another = """
        INSERT INTO match (referral_id, attempt, supporter_id, stage, confirmed, declined, release_requested, supporter_left)
        VALUES ($1, 2, $2, $3, false, false, false, false)
    """

    with pytest.raises(asyncpg.UniqueViolationError, match="match_one_open"):
        await service.fetch(another, referral.referral_id, "s9", "proposed")
    with pytest.raises(asyncpg.UniqueViolationError, match="match_never_twice"):
        await service.fetch(another, referral.referral_id, "s0", "ended")


async def test_what_is_stored_of_a_case_is_what_the_fold_knew(workplace: Workplace, service: Running) -> None:
    await load(service, 2)
    referral = a_referral(workplace, service)
    at = datetime.now(UTC)
    await take(service.transactions, [referral.created()])
    await rounds.run(service.transactions)
    step = referral.logged("supporter-notified", 1, at=at)

    async with service.transactions.begin() as work:
        records = await casework.take(work, [step])
        record = records[referral.referral_id]
        casework.tell(work, record, handlers.FACTS["supporter-notified"](step, record, {}))
        casework.tell(work, record, handlers.FACTS["wants-to-talk"](step, record, {}))
        casework.tell(work, record, handlers.FACTS["supporter-accepted"](step, record, {}))
        await casework.put(work, [record])
    async with service.transactions.begin() as work:
        again = (await casework.take(work, [step]))[referral.referral_id]

    assert again.case == record.case
    assert (again.sequence, again.rules) == (2, record.rules)
