"""D: each deadline is set, met and breached at most once, never before it is due, never against what could be known."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from peerline.events import (
    DeadlineBreached,
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
    if len(was_set) > 1 + joins or max(dues.values(), default=0) > 1:
        yield Finding("D", Is.DOUBLED, about, f"set {len(was_set)} times")
    if len(met) > 1:
        yield Finding("D", Is.DOUBLED, about, f"met {len(met)} times")
    if len(breached) > 1:
        yield Finding("D", Is.DOUBLED, about, f"breached {len(breached)} times")
    if was_set and not (met or breached) and not cut_short and _stopped(evidence, referral_id, clock):
        yield Finding("D", Is.MISSING, about, "stopped, and neither met nor breached")
    for breach in breached:
        yield from _breach(evidence, about, breach, met)


def _breach(evidence: Evidence, about: str, breach: DeadlineBreached, met: list[DeadlineMet]) -> Iterator[Finding]:
    if breach.occurred_at < breach.due_at:
        yield Finding("D", Is.UNHANDLED, about, "breached before it was due")
    known_at = _known_at(evidence, breach.referral_id, breach.clock)
    if known_at is not None and known_at < breach.due_at - A_MOMENT and not (breach.provisional or breach.late_entry):
        yield Finding("D", Is.UNHANDLED, about, "breached although the answer stood on its topic before it was due")
    if met and not any(event.corrects == breach.event_id for event in met):
        yield Finding("D", Is.UNHANDLED, about, "met and breached, and neither corrects the other")


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
