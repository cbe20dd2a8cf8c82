"""One case with a match clock, and the two things that happen to it: facts arrive, and time passes."""

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sla_monitor.domain.case import MATCH, Case, Clock, ClockName, Start
from sla_monitor.domain.decisions import Decision, Standing, fire, next_at, settle, standing
from sla_monitor.domain.due import due_at
from sla_monitor.domain.facts import Fact, Joined, Started, Stopped, fold
from sla_monitor.domain.rules import Elapsed

CASE = UUID(int=1)
THE_CLOCK = ClockName(MATCH)
NEW_YORK = ZoneInfo("America/New_York")
H = Elapsed(weekday=timedelta(hours=24), weekend=timedelta(hours=48))
WARNING = timedelta(hours=4)
HOUR = timedelta(hours=1)


def ny(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).astimezone(UTC)


ROW_1 = ny("2026-06-09T10:15")
DUE = ROW_1 + timedelta(hours=24)
LONG_AFTER = DUE + timedelta(days=30)


def a_start(received: datetime, entered: datetime | None = None) -> Start:
    due = due_at(H, received, NEW_YORK)
    return Start(
        due_at=due.instant,
        starts_at=received,
        entered_at=entered or received,
        warn_at=due.instant - WARNING,
        firmness="promised",
        programme_id="shcp",
        programme_digest="0" * 16,
        explanation=due.explanation,
    )


def requested(received: datetime = ROW_1, entered: datetime | None = None) -> Started:
    return Started(CASE, {THE_CLOCK: a_start(received, entered)})


def joined(received: datetime) -> Joined:
    return Joined(CASE, {THE_CLOCK: a_start(received)})


def stopped(at: datetime) -> Stopped:
    return Stopped(CASE, [THE_CLOCK], at)


class Monitor:
    """A case under the two things that happen to it: facts arrive, and time passes."""

    def __init__(self) -> None:
        self.case = Case(CASE)
        self.decided: list[Decision] = []

    def learn(self, *facts: Fact, now: datetime = ROW_1) -> "Monitor":
        for fact in facts:
            self.case, decisions = settle(fold(self.case, fact), now)
            self.decided += decisions
        return self

    def wait_until(self, horizon: datetime) -> "Monitor":
        while (due := self.next_at) is not None and due <= horizon:
            self.case, decisions = fire(self.case, horizon)
            assert decisions, "the sweep would be woken for this clock for ever"
            self.decided += decisions
        return self

    @property
    def next_at(self) -> datetime | None:
        return next_at(self.case, self.clock)

    @property
    def clock(self) -> Clock:
        return self.case.clocks.get(THE_CLOCK, Clock(MATCH))

    @property
    def what(self) -> list[object]:
        return [decision.what for decision in self.decided]

    @property
    def kinds(self) -> list[type]:
        return [type(decision.what) for decision in self.decided]

    @property
    def standing(self) -> Standing:
        return standing(self.case, self.clock)
