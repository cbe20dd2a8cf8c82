"""Facts about cases in; deadlines that were set, met, corrected or already past when they were entered out."""

from collections.abc import Sequence
from dataclasses import replace

from chassis import Consumer, Refused, UnitOfWork
from peerline.events import (
    Event,
    MatchConfirmed,
    MatchProposed,
    MatchReleased,
    MatchReleaseRequested,
    MatchUnavailable,
    OutreachLogged,
    ParticipantUnresolved,
    ReferralAmended,
    ReferralCreated,
    ReferralForgotten,
    ReferralJoined,
    ReferralWithdrawn,
)

from sla_monitor import metrics
from sla_monitor.domain.calendar import CalendarEnds
from sla_monitor.domain.case import Case
from sla_monitor.domain.decisions import earliest, settle
from sla_monitor.domain.facts import Fact, fold
from sla_monitor.domain.measures import waits_ended
from sla_monitor.moments import facts_of
from sla_monitor.publication import publish
from sla_monitor.repository import clocks

consumer = Consumer("sla-monitor")

WATCHED: tuple[type[Event], ...] = (
    ReferralCreated,
    ReferralJoined,
    ReferralAmended,
    ReferralWithdrawn,
    ParticipantUnresolved,
    ReferralForgotten,
    MatchProposed,
    MatchConfirmed,
    MatchReleased,
    MatchReleaseRequested,
    MatchUnavailable,
    OutreachLogged,
)
"""Whatever a programme file may name as the start or stop of a clock, and what ends a case or an attempt."""


async def follow(events: Sequence[Event], work: UnitOfWork) -> None:
    """
    Fold what these events say about clocks, and publish what that decides.

    The referrals of the whole batch are locked at once, not type by type: another replica that takes
    other topics of the same referrals would lock them in another order, and one of the two would die.
    """
    facts = [(event, fact) for event in events for fact in facts_of(event, work.programmes)]
    if not facts:
        return
    about = list(dict.fromkeys(fact.referral_id for _, fact in facts))
    cases = await clocks.open_cases(work.connection, {*about, *work.traceparents})
    before = dict(cases)
    for event, fact in facts:
        cases[fact.referral_id] = _with(cases[fact.referral_id], fact, event)
    for referral_id in about:
        metrics.count_waits(waits_ended(before[referral_id], cases[referral_id]))
        case, decisions = settle(cases[referral_id], work.now)
        case = replace(case, traceparent=case.traceparent or work.traceparent(referral_id))
        cases[referral_id] = publish(case, decisions, work)
    await clocks.save(work.connection, [cases[referral_id] for referral_id in about])
    await work.resolve_items("stuck", subjects=[str(referral_id) for referral_id in about])  # a fact may have mended it
    work.wake_by(earliest(cases[referral_id] for referral_id in about))


def _with(case: Case, fact: Fact, event: Event) -> Case:
    """The case with a fact that this event says; Refused where a pause moves what it starts beyond the calendar."""
    try:
        return fold(case, fact)
    except CalendarEnds:
        raise Refused(event.event_id, "calendar-without-the-year") from None


for watched in WATCHED:
    consumer.on(watched)(follow)
