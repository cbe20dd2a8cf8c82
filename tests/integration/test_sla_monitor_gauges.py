"""What the monitor counts of its clocks, on a real database: by partial indexes, and what a person would count."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from chassis.metrics import REGISTRY
from sla_monitor import gauges
from sla_monitor.domain.measures import Tally
from sla_monitor.repository import standings

from tests.support import promises
from tests.support.lone_monitor import DAY, Monitor, confirmed, created, logged, monitor_of, promising
from tests.support.workplace import Workplace

HOUR = timedelta(hours=1)
READ = """
SELECT sum(seq_scan)::int AS scans, (sum(idx_tup_fetch) FILTER (WHERE relname = 'clock'))::int AS clocks
  FROM pg_stat_xact_user_tables WHERE relname IN ('clock', 'referral')
"""


@pytest.fixture
async def monitor(workplace: Workplace) -> AsyncIterator[Monitor]:
    """A monitor whose two clocks are due a day after the start."""
    async with monitor_of(workplace, promising(DAY, warn_before=4 * HOUR)) as opened:
        yield opened


def value(metric: str, clock: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"peerline_{metric}", {"clock": clock, "firmness": "promised"} | labels)


async def tally(monitor: Monitor, kind: str) -> Tally:
    async with monitor.transactions.begin() as work:
        [found] = [each for each in await standings.tallies(work.connection, 100) if each.kind == kind]
    return found


async def test_clocks_are_counted_while_they_run_are_due_within_the_hour_and_are_overdue(monitor: Monitor) -> None:
    now = datetime.now(UTC)
    starts = (now, now - DAY + HOUR / 2, now - DAY + 2 * HOUR, now - DAY - HOUR, now - DAY - 3 * HOUR)
    await monitor.deliver(*(created(uuid4(), received) for received in starts))
    undecided = await tally(monitor, "match")
    await monitor.sweep()

    decided = await tally(monitor, "match")

    assert (decided.open, decided.due_soon, decided.overdue) == (5, 1, 2)
    assert (undecided.open, undecided.due_soon, undecided.overdue) == (5, 1, 2)
    assert 3 * HOUR <= decided.oldest < 3 * HOUR + timedelta(minutes=5)
    assert undecided.behind >= 7 * HOUR
    assert decided.behind == timedelta(0)


async def test_an_overdue_clock_is_counted_until_somebody_has_come_or_the_case_is_closed(monitor: Monitor) -> None:
    received = datetime.now(UTC) - DAY - HOUR
    matched, closed, refuted, waiting = (uuid4() for _ in range(4))
    await monitor.deliver(*(created(each, received) for each in (matched, closed, refuted, waiting)))
    await monitor.sweep()
    before = await tally(monitor, "match")

    await monitor.deliver(
        confirmed(matched, datetime.now(UTC)), logged(closed, "closed"), confirmed(refuted, received + HOUR)
    )

    after = await tally(monitor, "match")
    assert (before.overdue, after.overdue) == (4, 1)
    assert after.open == 1


async def test_a_response_is_open_until_it_comes_and_neither_due_soon_nor_overdue(workplace: Workplace) -> None:
    now = datetime.now(UTC)
    attempts = {uuid4(): now - ago for ago in (HOUR, HOUR, DAY - HOUR / 2, 3 * DAY)}
    came, closed, *_ = attempts
    async with monitor_of(workplace, promises.promising(*promises.EVERY_KIND)) as monitor:
        await monitor.deliver(*(promises.logged(each, "contact-attempted", at, 1) for each, at in attempts.items()))
        before = await tally(monitor, "response")
        await monitor.sweep()

        await monitor.deliver(promises.logged(came, "contact-made", now, 1), logged(closed, "closed", now))

        after = await tally(monitor, "response")
    assert before == Tally("response", "usual", open=4)
    assert after == Tally("response", "usual", open=2)


async def test_the_gauges_show_every_clock_of_the_programmes_with_zeros_and_what_is_counted(monitor: Monitor) -> None:
    wait = await gauges.run(monitor.transactions)
    empty = [value("clocks_open", clock) for clock in ("match", "first-contact")]
    never = value("deadline_decisions_total", "first-contact", what="breached")

    await monitor.deliver(created(uuid4(), datetime.now(UTC) - DAY - HOUR))
    await gauges.run(monitor.transactions)
    behind = REGISTRY.get_sample_value("peerline_sweep_behind_seconds") or 0
    await monitor.sweep()
    await gauges.run(monitor.transactions)

    assert wait == gauges.EVERY
    assert empty == [0, 0]
    assert never is not None
    assert value("clocks_overdue", "match") == 1
    assert 3600 <= (value("clock_oldest_overdue_seconds", "match") or 0) < 3900
    assert behind >= 3600
    assert REGISTRY.get_sample_value("peerline_sweep_behind_seconds") == 0


async def test_decisions_and_waits_are_counted_by_clock_and_firmness(monitor: Monitor) -> None:
    names = ("clock_seconds_count", "clock_seconds_sum", "deadline_decisions_total")
    late, early, now = uuid4(), uuid4(), datetime.now(UTC)

    def read() -> list[float]:
        of_waits = [value(name, "match") or 0 for name in names[:2]]
        return of_waits + [value(names[2], "match", what=what) or 0 for what in ("met", "breached", "corrected")]

    before = read()
    await monitor.deliver(created(late, now - DAY - HOUR), created(early, now - HOUR))
    await monitor.sweep()
    await monitor.deliver(confirmed(late, now), confirmed(early, now), confirmed(late, now - 2 * HOUR))

    assert [round(after - then) for after, then in zip(read(), before, strict=True)] == [
        *(2, round((DAY + HOUR + HOUR - 2 * HOUR).total_seconds())),
        *(1, 1, 1),
    ]


async def test_counting_reads_open_clocks_only_however_many_are_at_rest(monitor: Monitor) -> None:
    pool = monitor.transactions.pool
    await monitor.deliver(created(uuid4(), datetime.now(UTC)), created(uuid4(), datetime.now(UTC) - DAY - HOUR))
    await monitor.sweep()
    await pool.execute(
        """
        WITH more AS (INSERT INTO referral (referral_id, closed_at)
                      SELECT gen_random_uuid(), statement_timestamp() FROM generate_series(1, 20000)
                      RETURNING referral_id)
        INSERT INTO clock (referral_id, kind, firmness, begun, due_at, approached, corrected, verdict, stopped_at)
        SELECT referral_id, 'match', 'promised', true, statement_timestamp() - interval '1 day', true, false,
               CASE WHEN random() < 0.5 THEN 'met' ELSE 'breached' END, statement_timestamp()
          FROM more
        """
    )
    await pool.execute("ANALYZE clock, referral")

    async with monitor.transactions.begin() as work:
        before = await work.connection.fetchrow(READ)
        await standings.tallies(work.connection, 100_000)
        after = await work.connection.fetchrow(READ)

    assert before is not None
    assert after is not None
    assert after["scans"] == before["scans"]
    assert after["clocks"] - before["clocks"] < 20  # versions of the four clocks that are not vacuumed yet
