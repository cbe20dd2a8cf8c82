"""Clocks that the steps of supporters start and stop, of one attempt or of the whole case: these, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from peerline.clocks import Clock
from peerline.events import (
    DeadlineBreached,
    DeadlineEvent,
    DeadlineMet,
    DeadlineSet,
    OutreachLogged,
    ReferralCreated,
)
from peerline.programme import Programmes

from peerline_local.demo.comparison.findings import Finding, exactly, wrong
from peerline_local.demo.comparison.referrals import Attribution
from peerline_local.demo.ledger import Ledger

_OF_AN_ATTEMPT = {"supporter-notified", "supporter-accepted", "contact-shown", "contact-attempted", "contact-made"}
"""Steps in the life of one attempt; a clock that nothing else starts is that attempt's own."""
_OF_THE_CASE = {"resources-permitted"}
"""Steps with which something is owed to the physician, whoever does it in the end."""


def compare_attempts(ledger: Ledger, whose: Attribution, programmes: Programmes) -> Iterator[Finding]:
    """For each case of this run, compare what its steps start and stop with the deadlines that were told."""
    for event in ledger.new(ReferralCreated):
        programme = programmes.get(event.programme.id)
        if programme is not None:
            label = whose.label(event.referral_id)
            own = [clock for clock in programme.clocks if clock.starts <= _OF_AN_ATTEMPT]
            yield from _case(label, event.referral_id, own, ledger)
            for clock in programme.clocks:
                if clock.starts <= _OF_THE_CASE:
                    yield from _whole(label, event.referral_id, clock, ledger)


def _case(label: str, referral_id: UUID, clocks: list[Clock], ledger: Ledger) -> Iterator[Finding]:
    steps = ledger.about(referral_id, OutreachLogged)
    told = ledger.about(referral_id, DeadlineEvent)
    started = {(clock.kind, logged.attempt) for clock in clocks for logged in steps if logged.step in clock.starts}
    for clock in clocks:
        for attempt in sorted(attempt for kind, attempt in started if kind == clock.kind and attempt):
            stops = [logged for logged in steps if logged.step in clock.stops and logged.attempt in (attempt, None)]
            own = [event for event in told if (event.clock, event.attempt) == (clock.kind, attempt)]
            yield from _clock(f"{label}: {clock.kind} of attempt {attempt}", own, is_stopped=bool(stops))
    for event in told:
        if event.attempt is not None and (event.clock, event.attempt) not in started:
            yield wrong(label, f"{event.name} of {event.clock}, which nothing has started in attempt {event.attempt}")


def _whole(label: str, referral_id: UUID, clock: Clock, ledger: Ledger) -> Iterator[Finding]:
    steps = {logged.step for logged in ledger.about(referral_id, OutreachLogged)}
    told = [event for event in ledger.about(referral_id, DeadlineEvent) if event.clock == clock.kind]
    if steps & clock.starts:
        yield from _clock(f"{label}: {clock.kind}", told, is_stopped=bool(steps & clock.stops))
    elif told:
        yield wrong(label, f"{told[0].name} of {clock.kind}, which nothing has started")


def _clock(place: str, told: list[DeadlineEvent], *, is_stopped: bool) -> Iterator[Finding]:
    """Set once, met once if what it waits for has happened, and not breached: none is due within a day."""
    for kind, wanted in ((DeadlineSet, 1), (DeadlineMet, int(is_stopped)), (DeadlineBreached, 0)):
        yield from exactly(wanted, sum(isinstance(event, kind) for event in told), place, kind.name)
