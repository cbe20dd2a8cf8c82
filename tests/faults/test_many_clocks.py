"""Very many clocks at once, and a monitor that is killed in the middle of setting and of breaching them: each is told once."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from signal import SIGKILL
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer
from peerline.cloudevents import headers_of
from peerline.events import (
    DeadlineBreached,
    DeadlineEvent,
    DeadlineMet,
    DeadlineSet,
    Event,
    MatchConfirmed,
    ProgrammeRef,
    ReferralCreated,
    Topic,
)
from peerline.programme import read_programmes
from sla_monitor import sweep

from tests.faults.killed_place import a_process, doubled_ids
from tests.faults.test_killed_sla_monitor import programmes
from tests.support.killed import Child, Point
from tests.support.workplace import Workplace, until

WAIT = timedelta(days=30)
"""What is promised: referrals are as old as makes them due when they are wanted to be."""

LONGEST_SECONDS, NOTHING_COMES_SECONDS = 900, 60

Dues = dict[UUID, datetime]


@dataclass
class Crowd:
    """Referrals by what becomes of their clocks, with when each is due."""

    missed: Dues = field(default_factory=dict)
    kept: Dues = field(default_factory=dict)
    """Matched before they are due, as late as the last of those that are missed."""
    waiting: Dues = field(default_factory=dict)
    """Due in a month."""

    @property
    def all(self) -> Dues:
        """Every one of them."""
        return {**self.missed, **self.kept, **self.waiting}

    def events(self, programme: ProgrammeRef, now: datetime) -> Iterator[Event]:
        """What is said of them, of every other of those that are kept in the wrong order."""
        for number, (referral_id, due) in enumerate(self.all.items()):
            common: dict[str, Any] = {
                "referral_id": referral_id,
                "programme": programme,
                "sequence": 1,
                "occurred_at": now,
            }
            said: list[Event] = [ReferralCreated(event_id=uuid4(), received_at=due - WAIT, **common)]
            if referral_id in self.kept:
                said.append(MatchConfirmed(event_id=uuid4(), match_id=uuid4(), attempt=1, **common))
            yield from said[:: 1 if number % 2 else -1]


def a_crowd(count: int, first: datetime, last: datetime) -> Crowd:
    """So many referrals, half of which are missed between two instants, a quarter kept, and a quarter waiting."""
    crowd = Crowd()
    for number in range(count // 4):
        for half in (0.0, 0.5):
            crowd.missed[uuid4()] = first + (last - first) * (number + half) / (count // 4)
        crowd.kept[uuid4()] = last
        crowd.waiting[uuid4()] = first + WAIT
    return crowd


async def hand_in(place: Workplace, events: Iterator[Event]) -> None:
    """Put events onto their topics as fast as Kafka takes them."""
    producer = AIOKafkaProducer(bootstrap_servers=place.servers.bootstrap, linger_ms=20, max_batch_size=2**18)
    await producer.start()
    try:
        for event in events:
            headers = headers_of(event, source="/peerline/test", time=event.occurred_at, traceparent=None)
            key = str(event.referral_id).encode()
            await producer.send(f"{place.prefix}{event.topic}", event.body(), key=key, headers=headers)
        await producer.flush()
    finally:
        await producer.stop()


async def killed(child: Child) -> None:
    """Wait until a process has killed itself."""

    async def is_dead() -> bool:
        return child.popen.poll() is not None

    await until(is_dead, seconds=LONGEST_SECONDS, what="the monitor to be killed")
    assert child.popen.returncode == -SIGKILL, child.log.read_text()[-3000:]


def dues_of(events: Sequence[Event], kind: type[DeadlineEvent]) -> Dues:
    """When what was told of each referral was due; each is told of once, by the id of its deadline."""
    told = [event for event in events if isinstance(event, kind)]
    assert [deadline for deadline, times in Counter(each.deadline_id for each in told).items() if times > 1] == []
    assert len({each.referral_id for each in told}) == len(told)
    return {each.referral_id: each.due_at for each in told}


async def told_by_the_killed(place: Workplace, promises: Path, count: int) -> list[list[Event]]:
    """What stands on the topic after the monitor was killed while it set clocks, and while it breached them."""
    # Of batches of at most 500 events, that many are a third: clocks are written, and what is said of them is not yet.
    while_setting = Point("before", "chassis.outbox:append", nth=max(count // 1250, 2))
    while_breaching = Point("after", "sla_monitor.sweep:_decide", nth=count // 4)
    batch: dict[str, object] = {"sla_monitor.sweep:BATCH": min(sweep.BATCH, count // 20)}
    found = []
    for point in (while_setting, while_breaching):
        async with a_process(place, "sla-monitor", point, programmes=promises, constants=batch) as dying:
            await killed(dying)
        found.append(await place.events(Topic.DEADLINES))
    return found


@pytest.mark.long
@pytest.mark.timeout(3600, func_only=True)
@pytest.mark.parametrize("count", [2_000, 100_000])
async def test_many_clocks_are_set_and_breached_once_by_a_monitor_that_is_killed_in_the_middle_of_both(
    workplace: Workplace, tmp_path: Path, count: int
) -> None:
    promises = programmes(tmp_path / "programmes", "P30D")
    meanwhile = timedelta(seconds=4 + count / 1800)  # about what it takes to set them
    first = datetime.now(UTC) + meanwhile
    crowd = a_crowd(count, first, first + meanwhile)
    await hand_in(workplace, crowd.events(read_programmes(promises)["shcp"].ref, datetime.now(UTC)))

    while_setting, while_breaching = await told_by_the_killed(workplace, promises, count)
    async with a_process(workplace, "sla-monitor", programmes=promises):
        at_rest = AtRest(workplace, count + count // 2 + count // 4)
        await until(at_rest, seconds=LONGEST_SECONDS, what="every clock to be told")
        await asyncio.sleep(2)  # what must not happen has had its time
    told = await workplace.events(Topic.DEADLINES)

    assert len(dues_of(while_setting, DeadlineSet)) < count
    assert len(dues_of(while_breaching, DeadlineBreached)) < count // 2
    assert dues_of(told, DeadlineSet) == crowd.all
    assert dues_of(told, DeadlineBreached) == crowd.missed
    assert dues_of(told, DeadlineMet) == crowd.kept
    assert len(told) == count + count // 2 + count // 4
    assert [each for each in told if isinstance(each, DeadlineBreached) and not is_in_order(each)] == []
    assert await doubled_ids(workplace, Topic.DEADLINES) == []


class AtRest:
    """Whether all that is expected stands on the topic, or nothing has come for so long that nothing will."""

    def __init__(self, place: Workplace, expected: int) -> None:
        self._place = place
        self._expected = expected
        self._seen, self._since = -1, 0.0

    async def __call__(self) -> bool:
        found, now = await self._place.count(Topic.DEADLINES), asyncio.get_running_loop().time()
        if found != self._seen:
            self._seen, self._since = found, now
        return found >= self._expected or now - self._since > NOTHING_COMES_SECONDS


def is_in_order(breach: DeadlineBreached) -> bool:
    """Whether a breach was told when it was due or later, and for certain."""
    return breach.occurred_at >= breach.due_at and not (breach.provisional or breach.late_entry)
