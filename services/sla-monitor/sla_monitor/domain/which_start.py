"""Which of several reasons to run counts for a clock, once each is put under the clock's pauses."""

import json
from collections.abc import Collection, Iterable
from dataclasses import replace

from sla_monitor.domain.case import Clock, Pinned, Start
from sla_monitor.domain.due import Due, Suspended, with_pauses
from sla_monitor.domain.pauses import Pause


def under(pauses: Collection[Pause], start: Start, unpaused: Due) -> Start:
    """A start with these pauses, by the rule that made it due without them; raises CalendarEnds."""
    if not pauses:
        return start
    found = with_pauses(unpaused, pauses)
    due = found if isinstance(found, Due) else with_pauses(unpaused, [pause for pause in pauses if pause.ends])
    assert isinstance(due, Due)  # no pause of those is open
    return replace(
        start,
        due_at=due.instant,
        warn_at=due.instant - (start.due_at - start.warn_at),
        explanation=found.explanation,
        pinned=start.pinned and _pinned(start.pinned, found),
        suspended=isinstance(found, Suspended),
    )


def with_starts(clock: Clock, starts: Iterable[Start], paused: Iterable[Start]) -> Clock:
    """The clock with these reasons to run, and the one that counts of them as its pauses leave them."""
    counts, kept = _soonest(paused), tuple(sorted(starts))
    is_plain = len(kept) == 1 and counts == kept[0] and kept[0].recalculated is None
    return replace(clock, start=counts, started=() if is_plain else kept)


def _soonest(starts: Iterable[Start]) -> Start:
    """A due time that an open pause leaves undecided comes after all others."""
    return min(starts, key=lambda start: (start.suspended, start))


def _pinned(pinned: Pinned, due: Due | Suspended) -> Pinned:
    """Pauses change neither the zone nor the calendar, but the steps."""
    due_local = due.instant.astimezone(due.terms.zone).isoformat() if isinstance(due, Due) else None
    return replace(pinned, due_local=due_local, steps=json.dumps(due.steps_as_json()))
