"""A case whose clock may be paused. No tests here."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from sla_monitor.domain.case import ClockName, Start
from sla_monitor.domain.decisions import settle_recorded
from sla_monitor.domain.due import Due, due_at
from sla_monitor.domain.facts import Fact, Joined, Started
from sla_monitor.domain.moving import paused
from sla_monitor.domain.recorded import KnownPause

from tests.unit.sla_monitor.watching import CASE, NEW_YORK, ROW_1, THE_CLOCK, H, Monitor
from tests.unit.sla_monitor.watching import a_start as unpaused_start

DAY = timedelta(days=1)
PAUSE = UUID(int=7)


def a_start(received: datetime) -> Start:
    return replace(unpaused_start(received), reckoned=due_at(H, received, NEW_YORK))


def requested(received: datetime = ROW_1) -> Started:
    return Started(CASE, {THE_CLOCK: a_start(received)})


def joined(received: datetime) -> Joined:
    return Joined(CASE, {THE_CLOCK: a_start(received)})


def a_pause(
    begins: datetime, ends: datetime | None, sequence: int = 2, pause_id: UUID = PAUSE, clock: str | None = None
) -> KnownPause:
    return KnownPause(pause_id, sequence, begins, ends, "physician-away", clock)


def due_of(_name: ClockName, start: Start) -> Due:
    return due_at(H, start.starts_at, NEW_YORK)


class Pausing(Monitor):
    """A monitor of a case whose clock may be paused as well."""

    def pause(self, *pauses: KnownPause, now: datetime = ROW_1) -> "Pausing":
        for pause in pauses:
            self.case, decisions = settle_recorded(paused(self.case, pause, due_of), now)
            self.decided += decisions
        return self

    @property
    def due(self) -> datetime | None:
        assert self.clock.start is not None
        return None if self.clock.start.suspended else self.clock.start.due_at


def a_monitor(*facts: Fact) -> Pausing:
    monitor = Pausing()
    monitor.learn(*(facts or (requested(),)))
    return monitor
