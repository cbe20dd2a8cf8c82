"""sla-monitor is killed and frozen between a breach and its publication: every deadline is breached exactly once."""

from collections import Counter
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGSTOP

import yaml
from peerline.events import DeadlineBreached, DeadlineSet, Topic

from tests.faults.killed_place import a_process, a_referral, doubled_ids, named
from tests.support.killed import Point
from tests.support.workplace import PROGRAMMES, Workplace

REFERRALS = 60


def programmes(folder: Path, due: str) -> Path:
    """A folder with SHCP alone, that promises a match within `due` (ISO 8601) and warns of nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    programme = yaml.safe_load((PROGRAMMES / "shcp.yaml").read_text())
    rule = {"rule": "elapsed", "weekday": due, "weekend": due}
    programme["clocks"] = [{"kind": "match", "firmness": "promised", "due": rule, "warn_before": "PT0S"}]
    (folder / "shcp.yaml").write_text(yaml.safe_dump(programme))
    return folder


async def test_fault_07_a_breach_is_published_once_by_a_monitor_killed_before_and_after_its_commit(
    workplace: Workplace, tmp_path: Path
) -> None:
    promises = programmes(tmp_path / "programmes", "PT1S")
    referral = a_referral(workplace, promises)
    # The breach is written, and not committed.
    unwritten = Point("after", "sla_monitor.repository.due:save_decided")
    unpublished = Point("before", "chassis.publisher:Batch.send")
    await workplace.publish(referral.created(received_at=datetime.now(UTC)))

    async with a_process(workplace, "sla-monitor", unwritten, programmes=promises) as dying:
        await dying.struck()
    async with a_process(workplace, "sla-monitor", unpublished, programmes=promises) as dying:
        await dying.struck()
    said_by_the_killed = await workplace.events(Topic.DEADLINES)
    async with a_process(workplace, "sla-monitor", programmes=promises):
        events = await workplace.wait_for(Topic.DEADLINES, lambda found: len(found) == 2, seconds=60)

    assert named(said_by_the_killed, DeadlineBreached) == []
    assert [type(event) for event in events] == [DeadlineSet, DeadlineBreached]


async def test_fault_08_of_two_monitors_one_stands_still_and_every_deadline_is_breached_once(
    workplace: Workplace, tmp_path: Path
) -> None:
    promises = programmes(tmp_path / "programmes", "PT4S")
    referrals = [a_referral(workplace, promises) for _ in range(REFERRALS)]
    # Inside the transaction that has claimed what is due: nobody else can breach that while it is held.
    inside = Point("before", "sla_monitor.sweep:_decide", SIGSTOP)
    constants: dict[str, object] = {
        "sla_monitor.sweep:BATCH": 5,
        "chassis.database:PATIENCE.idle_in_transaction_session_timeout": "3s",
        "chassis.relay:LEASE.idle_session_timeout": "3s",
    }

    async with AsyncExitStack() as both:
        frozen, _ = [
            await both.enter_async_context(
                a_process(workplace, "sla-monitor", point, programmes=promises, constants=constants)
            )
            for point in (inside, None)
        ]
        await frozen.ready()
        await workplace.publish(*[each.created(received_at=datetime.now(UTC)) for each in referrals])
        await frozen.struck()
        await workplace.wait_for(
            Topic.DEADLINES, lambda found: len(named(found, DeadlineBreached)) == REFERRALS, seconds=60
        )
        frozen.go_on()
        await frozen.ready()
        events = await workplace.events(Topic.DEADLINES)

    assert Counter((type(event).name, event.referral_id) for event in events) == dict.fromkeys(
        ((kind.name, each.referral_id) for kind in (DeadlineSet, DeadlineBreached) for each in referrals), 1
    )
    assert await doubled_ids(workplace, Topic.DEADLINES) == []
