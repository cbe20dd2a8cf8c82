"""D: each deadline is set, met and breached at most once, never before it is due, never against what could be known."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from peerline.events import (
    ClockPaused,
    ClockRecalculated,
    DeadlineAcknowledged,
    DeadlineBreached,
    DeadlineEscalated,
    DeadlineEvent,
    DeadlineMet,
    DeadlineSet,
    MatchConfirmed,
    OutreachLogged,
    ReferralCreated,
    ReferralJoined,
    ReferralWithdrawn,
)

from tests.faults.campaign.checks.found import Evidence, Finding, Is

D = TypeVar("D", bound=DeadlineEvent)
CLOCKS = ("match", "first-contact")
CONTACT = ("contact-attempted", "contact-made")
A_MOMENT = timedelta(seconds=0.5)
"""Between Kafka's clock, in whole milliseconds, and the database's."""


def check(evidence: Evidence) -> Iterator[Finding]:
    """Every clock of every referral, and what sla-monitor says of some."""
    joins = Counter(event.into for event in evidence.topics.all(ReferralJoined))
    for event in evidence.topics.all(ReferralCreated):
        for clock in CLOCKS:
            evidence.looked_at["D"] += 1
            yield from _clock(evidence, event.referral_id, clock, joins[event.referral_id])
        yield from _attempts(evidence, event.referral_id)


def _attempts(evidence: Evidence, referral_id: UUID) -> Iterator[Finding]:
    """Each clock of an attempt is told of once, and of every supporter who was asked an answer is awaited."""
    told = [event for event in evidence.topics.about(referral_id, DeadlineEvent) if event.attempt is not None]
    for (clock, attempt, name), count in Counter((each.clock, each.attempt, each.name) for each in told).items():
        evidence.looked_at["D"] += 1
        if count > 1:
            yield Finding("D", Is.DOUBLED, f"{referral_id} {clock} of attempt {attempt}", f"{name} {count} times")
    awaited = {event.attempt for event in told if event.clock == "answer" and isinstance(event, DeadlineSet)}
    for logged in evidence.topics.about(referral_id, OutreachLogged):
        if logged.step == "supporter-notified" and logged.attempt not in awaited:
            yield Finding("D", Is.MISSING, f"{referral_id} attempt {logged.attempt}", "no answer is awaited")


def _clock(evidence: Evidence, referral_id: UUID, clock: str, joins: int) -> Iterator[Finding]:
    about = f"{referral_id} {clock}"
    was_set = _of(evidence, referral_id, DeadlineSet, clock)
    met = _of(evidence, referral_id, DeadlineMet, clock)
    breached = _of(evidence, referral_id, DeadlineBreached, clock)
    closed = _first(evidence, referral_id, "closed")
    cut_short = closed and evidence.topics.about(referral_id, ReferralWithdrawn)
    if not was_set and not cut_short:
        yield Finding("D", Is.MISSING, about, "never set")
    dues = Counter(event.due_at for event in was_set)
    may_move = any(evidence.topics.about(referral_id, kind) for kind in (ClockPaused, ClockRecalculated))
    if not may_move and (len(was_set) > 1 + joins or max(dues.values(), default=0) > 1):
        yield Finding("D", Is.DOUBLED, about, f"set {len(was_set)} times")
    if len(met) > 1:
        yield Finding("D", Is.DOUBLED, about, f"met {len(met)} times")
    if len(breached) > 1:
        yield Finding("D", Is.DOUBLED, about, f"breached {len(breached)} times")
    if was_set and not (met or breached) and not cut_short and _stopped(evidence, referral_id, clock):
        yield Finding("D", Is.MISSING, about, "stopped, and neither met nor breached")
    for breach in breached:
        yield from _breach(evidence, about, breach, met)
    yield from _steps(evidence, about, referral_id, clock)


def _breach(evidence: Evidence, about: str, breach: DeadlineBreached, met: list[DeadlineMet]) -> Iterator[Finding]:
    if breach.occurred_at < breach.due_at:
        yield Finding("D", Is.UNHANDLED, about, "breached before it was due")
    known_at = _known_at(evidence, breach.referral_id, breach.clock)
    if known_at is not None and known_at < breach.due_at - A_MOMENT and not (breach.provisional or breach.late_entry):
        yield Finding("D", Is.UNHANDLED, about, "breached although the answer stood on its topic before it was due")
    if met and not any(event.corrects == breach.event_id for event in met):
        yield Finding("D", Is.UNHANDLED, about, "met and breached, and neither corrects the other")


def _steps(evidence: Evidence, about: str, referral_id: UUID, clock: str) -> Iterator[Finding]:
    """After a breach each step once, in its order, and none after somebody took note of it."""
    steps = _of(evidence, referral_id, DeadlineEscalated, clock)
    levels = [step.level for step in steps]
    if levels != list(range(1, len(levels) + 1)):
        yield Finding("D", Is.DOUBLED, about, f"steps were told as {levels}")
    breached = [event.sequence for event in _of(evidence, referral_id, DeadlineBreached, clock)]
    noted = [event.sequence for event in _of(evidence, referral_id, DeadlineAcknowledged, clock)]
    for step in steps:
        if step.sequence < min(breached, default=step.sequence + 1):
            yield Finding("D", Is.UNHANDLED, about, f"step {step.level} was told before a breach")
        if step.sequence > min(noted, default=step.sequence):
            yield Finding("D", Is.UNHANDLED, about, f"step {step.level} was told after it was acknowledged")


def _known_at(evidence: Evidence, referral_id: UUID, clock: str) -> datetime | None:
    """When the fact that stops a clock was appended to its topic; None while there is none."""
    stops = [
        logged.appended_at
        for logged in evidence.topics.by_referral[referral_id]
        if (clock == "match" and isinstance(logged.event, MatchConfirmed))
        or (clock == "first-contact" and isinstance(logged.event, OutreachLogged) and logged.event.step in CONTACT)
    ]
    return min(stops, default=None)


def _stopped(evidence: Evidence, referral_id: UUID, clock: str) -> bool:
    return _known_at(evidence, referral_id, clock) is not None


def _first(evidence: Evidence, referral_id: UUID, step: str) -> OutreachLogged | None:
    steps = evidence.topics.about(referral_id, OutreachLogged)
    return next((logged for logged in steps if logged.step == step), None)


def _of(evidence: Evidence, referral_id: UUID, kind: type[D], clock: str) -> list[D]:
    return [event for event in evidence.topics.about(referral_id, kind) if event.clock == clock]
