"""Facts about cases in; deadlines that were set, met, corrected or already past when they were entered out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from chassis import Consumer, Refused, UnitOfWork
from peerline.events import (
    MatchConfirmed,
    OutreachLogged,
    ParticipantUnresolved,
    ReferralCreated,
    ReferralForgotten,
    ReferralJoined,
    ReferralWithdrawn,
)
from peerline.programme import Clock, Programme
from tzdata import IANA_VERSION  # type: ignore[import-untyped]  # two words of text; has no stubs

from sla_monitor import repository
from sla_monitor.domain.decisions import settle
from sla_monitor.domain.due import Due, Elapsed, due_at
from sla_monitor.domain.facts import (
    FIRST_CONTACT,
    KINDS,
    MATCH,
    Closed,
    Fact,
    Forgotten,
    Joined,
    Requested,
    RetractionDeclined,
    Start,
    Stopped,
    Withdrawn,
    fold,
)
from sla_monitor.publication import publish

consumer = Consumer("sla-monitor")

Received = ReferralCreated | ParticipantUnresolved | ReferralJoined


@consumer.on(ReferralCreated)
async def start_clocks(referrals: Sequence[ReferralCreated], work: UnitOfWork) -> None:
    """Start every clock of each referral."""
    await _take([Requested(event.referral_id, _starts(event, KINDS, work)) for event in referrals], work)


@consumer.on(ParticipantUnresolved)
async def start_match_clocks(participants: Sequence[ParticipantUnresolved], work: UnitOfWork) -> None:
    """Start the match clock: it does not wait for somebody to find out who the person is."""
    await _take([Requested(event.referral_id, _starts(event, (MATCH,), work)) for event in participants], work)


@consumer.on(ReferralJoined)
async def hasten_clocks(joined: Sequence[ReferralJoined], work: UnitOfWork) -> None:
    """Let a further trigger move the clocks of the case it joined, where that makes them due earlier."""
    await _take([Joined(event.into, _starts(event, KINDS, work)) for event in joined], work)


@consumer.on(ReferralWithdrawn)
async def note_withdrawals(withdrawals: Sequence[ReferralWithdrawn], work: UnitOfWork) -> None:
    """Remember when it was withdrawn; the clocks stop for it once the case is closed."""
    await _take([Withdrawn(event.referral_id, event.occurred_at) for event in withdrawals], work)


@consumer.on(ReferralForgotten)
async def forget_cases(forgotten: Sequence[ReferralForgotten], work: UnitOfWork) -> None:
    """Delete the clocks, and keep only that the case was forgotten."""
    await _take([Forgotten(event.referral_id) for event in forgotten], work)


@consumer.on(MatchConfirmed)
async def stop_match_clocks(matches: Sequence[MatchConfirmed], work: UnitOfWork) -> None:
    """Stop the match clock at the first confirmed match."""
    await _take([Stopped(event.referral_id, MATCH, event.occurred_at) for event in matches], work)


@consumer.on(OutreachLogged)
async def follow_outreach(steps: Sequence[OutreachLogged], work: UnitOfWork) -> None:
    """Stop the first-contact clock, or all clocks with the case; other steps say nothing to a clock."""
    await _take([fact for event in steps if (fact := _outreach_fact(event)) is not None], work)


def _outreach_fact(event: OutreachLogged) -> Fact | None:
    match event.step:
        case "contact-attempted" | "contact-made":
            return Stopped(event.referral_id, FIRST_CONTACT, event.occurred_at)
        case "closed":
            return Closed(event.referral_id, event.occurred_at)
        case "retraction-declined":
            return RetractionDeclined(event.referral_id)
        case _:
            return None


async def _take(facts: Sequence[Fact], work: UnitOfWork) -> None:
    """
    Fold these facts and publish what they decide.

    The referrals of the whole batch are locked at once, not type by type: another replica that takes
    other topics of the same referrals would lock them in another order, and one of the two would die.
    """
    if not facts:
        return
    about = list(dict.fromkeys(fact.referral_id for fact in facts))
    cases = await repository.open_cases(work.connection, {*about, *work.traceparents})
    for fact in facts:
        cases[fact.referral_id] = fold(cases[fact.referral_id], fact)
    for referral_id in about:
        case, decisions = settle(cases[referral_id], work.now)
        case = replace(case, traceparent=case.traceparent or work.traceparent(referral_id))
        cases[referral_id] = publish(case, decisions, work)
    await repository.save(work.connection, [cases[referral_id] for referral_id in about])
    await work.resolve_items("stuck", subjects=[str(referral_id) for referral_id in about])  # a fact may have mended it
    work.wake()


def _starts(event: Received, kinds: Iterable[str], work: UnitOfWork) -> Mapping[str, Start]:
    """What this request makes due, by kind of clock; raises Refused for a programme not known here."""
    programme = work.programmes.get(event.programme.id)
    if programme is None:
        raise Refused(event.event_id, "unknown-programme")
    clocks = [clock for clock in programme.clocks if clock.kind in kinds]
    return {clock.kind: _start(event, clock, programme) for clock in clocks}


def _start(event: Received, clock: Clock, programme: Programme) -> Start:
    due = _due(clock, event.received_at, programme)
    return Start(
        due_at=due.instant,
        starts_at=event.received_at,
        entered_at=event.occurred_at,
        warn_at=due.instant - clock.warn_before,
        firmness=clock.firmness,
        programme_id=event.programme.id,
        programme_digest=event.programme.digest,
        explanation=due.explanation,
    )


def _due(clock: Clock, received_at: datetime, programme: Programme) -> Due:
    rule = Elapsed(weekday=clock.due.weekday, weekend=clock.due.weekend)
    due = due_at(rule, received_at, programme.zone)
    return replace(due, steps=(*due.steps, f"time zones as of {IANA_VERSION}"))
