"""One clock of each kind, as sla-monitor shows it to whoever asks about a case."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from peerline.events import DeadlineSet
from peerline.programme import Programmes

from peerline_local.demo.ledger import Ledger
from peerline_local.demo.reach import Reach

Shown = dict[str, Any]
"""What is shown of a clock; nothing that says whose it is."""

_FIELDS = ("clock", "programme", "firmness", "state", "due_local", "explanation")


def kinds_of(programmes: Programmes) -> list[str]:
    """Every kind of clock that a programme has, in the order of the files."""
    return list(dict.fromkeys(clock.kind for programme in programmes.values() for clock in programme.clocks))


async def one_of_each(reach: Reach, ledger: Ledger, programmes: Programmes) -> list[Shown]:
    """
    Ask about as few of this run's cases as have a clock of each kind; raises StackError where no answer comes.

    A kind of which none was started is left out.
    """
    kinds: dict[UUID, set[str]] = defaultdict(set)
    for event in ledger.new(DeadlineSet):
        kinds[event.referral_id].add(event.clock)
    shown: dict[str, Shown] = {}
    for kind in kinds_of(programmes):
        cases = [referral_id for referral_id, started in kinds.items() if kind in started]
        if cases and kind not in shown:
            fullest = max(cases, key=lambda referral_id: len(kinds[referral_id]))
            said = await reach.ask("sla-monitor", "GET", f"/v1/cases/{fullest}/clocks")
            for clock in said["clocks"]:
                shown.setdefault(clock["clock"], {field: clock[field] for field in _FIELDS})
    return [shown[kind] for kind in kinds_of(programmes) if kind in shown]


def in_lines(shown: Sequence[Shown]) -> Iterator[tuple[int, str]]:
    """The clocks as a coordinator would read them, a line and how far it is indented."""
    for clock in shown:
        due = f", due {datetime.fromisoformat(clock['due_local']):%a %-d %b %H:%M}" if clock["due_local"] else ""
        yield 2, f"{clock['clock']} ({clock['firmness']}): {clock['state']}{due}"
        yield 4, clock["explanation"]
