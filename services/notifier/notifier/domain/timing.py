"""What time alone brings to a case: silence before and after the contact was shown, a referral that never came."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from notifier.domain.facts import Fact, Overdue, Quiet, WindowPassed
from notifier.domain.hours import ContactHours
from notifier.domain.state import Case, Page

UNREAD = timedelta(minutes=10)
"""How long a proposed match may wait for a referral that can be read (design, who moves the case)."""

Appointment = tuple[datetime, Callable[[datetime], Fact]]


@dataclass(frozen=True)
class Waits:
    """A programme's patience: `window` in contact hours of the supporter, `silence` in elapsed time."""

    window: timedelta
    silence: timedelta


def appointments(case: Case, waits: Waits, hours_of: Callable[[int], ContactHours]) -> Iterator[Appointment]:
    """When to look at the case again, and the fact that holds then if nothing else has happened."""
    if case.closed_at:
        return
    if since := case.quiet_since:
        yield since + waits.silence, Quiet
    for attempt in case.attempts:
        page = case.page(attempt.number)
        if page is Page.NAME and attempt.confirmed_at and attempt.accepted_at:
            since = max(attempt.confirmed_at, attempt.accepted_at)
            yield hours_of(attempt.number).after(since, waits.window), _window_passed(attempt.number)
        if page is Page.ASKED and attempt.proposed_at and not (case.readable or case.unread_at):
            yield attempt.proposed_at + UNREAD, Overdue


def next_look(case: Case, waits: Waits, hours_of: Callable[[int], ContactHours]) -> datetime | None:
    """When time alone may next change the case, or None."""
    return min((when for when, _ in appointments(case, waits, hours_of)), default=None)


def due_facts(case: Case, waits: Waits, hours_of: Callable[[int], ContactHours], now: datetime) -> list[Fact]:
    """What time has brought by `now`."""
    return [fact(now) for when, fact in appointments(case, waits, hours_of) if when <= now]


def _window_passed(number: int) -> Callable[[datetime], Fact]:
    return lambda at: WindowPassed(at, number)
