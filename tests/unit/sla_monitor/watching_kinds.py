"""One case of a programme with clocks of every kind, under events and the passing of time."""

from datetime import datetime, timedelta

from peerline.events import Event
from peerline.programme import Programme
from sla_monitor.domain.case import Case, Clock, ClockName
from sla_monitor.domain.decisions import Decision, Standing, fire, next_at, settle, standing
from sla_monitor.domain.facts import fold
from sla_monitor.moments import facts_of

from tests.support.promises import EVERY_KIND, only, promising
from tests.unit.sla_monitor.watching import CASE, ROW_1

DAY = timedelta(days=1)


class Watch:
    """A case of a programme, under the events and the passing of time."""

    def __init__(self, programme: Programme | None = None) -> None:
        self.case = Case(CASE)
        self.decided: list[Decision] = []
        self._programmes = only(programme or promising(*EVERY_KIND))

    def hear(self, *events: Event, now: datetime = ROW_1) -> "Watch":
        for event in events:
            for fact in facts_of(event, self._programmes):
                assert fact.referral_id == CASE
                self.case = fold(self.case, fact)
            self.case, decisions = settle(self.case, now)
            self.decided += decisions
        return self

    def wait_until(self, horizon: datetime) -> "Watch":
        while any((at := next_at(self.case, clock)) and at <= horizon for clock in self.case.clocks.values()):
            self.case, decisions = fire(self.case, horizon)
            assert decisions, "the sweep would be woken for this case for ever"
            self.decided += decisions
        return self

    def clock(self, kind: str, attempt: int = 0) -> Clock:
        return self.case.clocks[ClockName(kind, attempt)]

    def standing(self, kind: str, attempt: int = 0) -> Standing:
        return standing(self.case, self.clock(kind, attempt))

    def said(self, kind: str, attempt: int = 0) -> list[str]:
        about = [decision for decision in self.decided if (decision.kind, decision.attempt) == (kind, attempt)]
        return [type(decision.what).__name__.lower() for decision in about]


def started_at(clock: Clock) -> datetime:
    assert clock.begun
    assert clock.start is not None
    return clock.start.starts_at
