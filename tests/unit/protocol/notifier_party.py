"""
Notifier's part of the world: its real fold, and beside it what its tables keep of messages and items. No tests here.

Of messages only those to supporters and physicians stand here; what a coordinator is mailed moves no case.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from notifier.domain import facts
from notifier.domain.decisions import Decisions, Log, Moot, Open, Plan, Resolve
from notifier.domain.facts import Fact, Message
from notifier.domain.hours import ContactHours
from notifier.domain.state import Case, Page
from notifier.domain.timing import Waits, appointments

from tests.unit.protocol.rules import Rules

AT = datetime(2026, 11, 18, 15, tzinfo=UTC)
WAITS = Waits(window=timedelta(days=1), silence=timedelta(days=7))
ALL_DAY = ContactHours(time(), time(), frozenset(range(1, 8)), ZoneInfo("UTC"))
DELIVERIES = {"delivery-unknown", "delivery-failed"}
ARRIVABLE = frozenset({"sending", "sent", "unknown", "overruled"})
"""States of a message in which its link may be in somebody's hands."""


class Send(NamedTuple):
    """One message; `attempt` is 0 where it is about none. `overruled`: a coordinator has said what became of it."""

    message: Message
    attempt: int
    state: str = "planned"


class Item(NamedTuple):
    """One open item of the worklist; `about` is the message whose delivery is in question."""

    kind: str
    about: tuple[Message, int] | None = None


class Desk(NamedTuple):
    """One case as notifier keeps it."""

    case: Case = Case()
    sends: tuple[Send, ...] = ()
    items: frozenset[Item] = frozenset()

    def state_of(self, message: Message, attempt: int) -> str:
        """Where a message stands; "" before it is planned."""
        return next((send.state for send in self.sends if send[:2] == (message, attempt)), "")

    def setting(self, message: Message, attempt: int, state: str) -> "Desk":
        """The desk with this message in another state."""
        others = [send for send in self.sends if send[:2] != (message, attempt)]
        return self._replace(sends=tuple(sorted([*others, Send(message, attempt, state)])))

    def without(self, item: Item) -> "Desk":
        """The desk with an item resolved."""
        return self._replace(items=self.items - {item})


class Step(NamedTuple):
    """A step that is logged; `attempt` is 0 where it is about none, `into` the case that a join was refused into."""

    name: str
    attempt: int = 0
    into: UUID | None = None


Steps = tuple[Step, ...]


def fold_in(desk: Desk, fact: Fact, rules: Rules) -> tuple[Desk, Steps]:
    """The desk after a fact, and the steps that are logged; as the service's `settle` does it."""
    case, decisions = rules.reach_out(desk.case, fact)
    desk = desk._replace(case=case)
    for decision in decisions:
        desk = _carried_out(desk, decision)
    return dropping_unwanted(desk), _logged(decisions)


def dropping_unwanted(desk: Desk) -> Desk:
    """The desk without the planned messages that are no longer to go."""
    for send in desk.sends:
        if send.state == "planned" and not is_wanted(desk.case, send):
            desk = desk.setting(send.message, send.attempt, "dropped")
    return desk


def _carried_out(desk: Desk, decision: object) -> Desk:
    match decision:
        case Plan(message, _, attempt):
            known = desk.state_of(message, attempt or 0)
            return desk if known else desk.setting(message, attempt or 0, "planned")
        case Open(kind, subject):
            about = desk_subject(subject) if kind in DELIVERIES else None
            return desk._replace(items=desk.items | {Item(kind, about)})
        case Resolve(kind):
            return desk._replace(items=frozenset(item for item in desk.items if item.kind != kind))
        case Moot(message, attempt):
            about = (message, attempt or 0)
            return desk._replace(items=frozenset(item for item in desk.items if item.about != about))
    return desk


def _logged(decisions: Decisions) -> Steps:
    return tuple(Step(each.step, each.attempt or 0, each.into) for each in decisions if isinstance(each, Log))


def desk_subject(subject: str) -> tuple[Message, int]:
    """Which message an item's subject names, here where a message has no id of its own."""
    message, _, attempt = subject.rpartition("/")
    return Message(message), int(attempt)


def is_wanted(case: Case, send: Send) -> bool:
    """Whether a message is still to go, as the view `wanted_send` says it."""
    match send.message:
        case Message.SUPPORTER_ASKED:
            return case.readable and case.page(send.attempt) is Page.ASKED
        case Message.SUPPORTER_REMINDED:
            return case.closed_at is None and case.page(send.attempt) is Page.CONTACT
        case Message.PHYSICIAN_INVITED:
            return case.readable and case.closed_at is None
    return True


def may_be_claimed(desk: Desk, send: Send, rules: Rules) -> bool:
    """Whether a planned message may go now: nobody is asked while another has yet to be told to stop."""
    if send.state != "planned" or not is_wanted(desk.case, send):
        return False
    if send.message is not Message.SUPPORTER_ASKED:
        return True
    stops = [each.state for each in desk.sends if each.message is Message.SUPPORTER_STOPPED]
    return not any(state in rules.waits_for_stop for state in stops)


def in_time(desk: Desk) -> Iterator[Fact]:
    """What time alone will bring to the case if nothing else happens."""
    for _, fact in appointments(desk.case, WAITS, lambda _attempt: ALL_DAY):
        yield fact(AT)


def undelivered(send: Send, *, unknown: bool) -> Fact:
    """That a message failed, or that nobody knows."""
    return facts.Undelivered(AT, send.message, f"{send.message}/{send.attempt}", unknown, send.attempt or None)
