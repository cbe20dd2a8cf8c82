"""F: what services say is what their events say; each writer counts every referral's events without a gap."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from peerline.events import DeadlineBreached, DeadlineEvent, DeadlineMet, DeadlineSet

from tests.faults.campaign.checks.found import Clocks, Evidence, Finding, Is
from tests.faults.campaign.topics import Logged

JUST_THEN = timedelta(seconds=10)
"""A decision so near to the question may be in the answer or not; the sweep decides once a second."""


def check(evidence: Evidence) -> Iterator[Finding]:
    """Counts, repeats, and the clocks that were asked for."""
    for referral_id, logged in evidence.topics.by_referral.items():
        evidence.looked_at["F"] += 1
        yield from _counted(referral_id, logged)
    for again in evidence.topics.repeated:
        about = f"{again.place[0]}/{again.place[1]}/{again.place[2]}"
        yield Finding("F", Is.DOUBLED, about, f"{again.event.name} {again.event.event_id} stands there again")
    for place in evidence.topics.unreadable:
        yield Finding("F", Is.UNHANDLED, f"{place[0]}/{place[1]}/{place[2]}", "no event of Peerline")
    for referral_id, clocks in evidence.clocks.items():
        yield from _clocks(evidence, referral_id, clocks)
    yield from _set_aside(evidence)


def _counted(referral_id: UUID, logged: list[Logged]) -> Iterator[Finding]:
    """Each writer's count of a referral runs 1, 2, 3 …, in the order of the topic."""
    by_topic: dict[str, list[Logged]] = {}
    for each in logged:
        by_topic.setdefault(each.event.topic, []).append(each)
    for topic, events in by_topic.items():
        numbers = [each.event.sequence for each in events]
        about = f"{topic} {referral_id}"
        if len(set(numbers)) < len(numbers):
            yield Finding("F", Is.DOUBLED, about, f"a number was given twice: {numbers}")
        if gaps := set(range(1, max(numbers) + 1)) - set(numbers):
            yield Finding("F", Is.MISSING, about, f"events {sorted(gaps)} are not there")
        offsets = [each.place[2] for each in events]
        if offsets != sorted(offsets):
            yield Finding("F", Is.UNHANDLED, about, f"stand in another order than they were decided: {numbers}")


def _clocks(evidence: Evidence, referral_id: UUID, answer: Clocks) -> Iterator[Finding]:
    """What sla-monitor answers about a referral is what its topic says; it may have been deciding just then."""
    logged = evidence.topics.about(referral_id, DeadlineEvent)
    for (clock, attempt), state in answer.states.items():
        of_clock = [event for event in logged if (event.clock, event.attempt) == (clock, attempt)]
        said = [_said(of_clock, answer.asked_at + about) for about in (-JUST_THEN, JUST_THEN)]
        if state in ("met", "breached", "running") and state not in said:
            yield Finding("F", Is.UNHANDLED, f"{referral_id} {clock}", f"is {state}, and its topic says {said[-1]}")


def _said(events: Sequence[DeadlineEvent], at: datetime) -> str:
    """The state of a clock by what had been said of it at an instant."""
    kinds = {type(event) for event in events if event.occurred_at <= at}
    states = {DeadlineMet: "met", DeadlineBreached: "breached", DeadlineSet: "running"}
    return next((state for kind, state in states.items() if kind in kinds), "none")


def _set_aside(evidence: Evidence) -> Iterator[Finding]:
    """Each record of ours that must be set aside is, by every service that reads it, once; nothing else is."""
    ours = {f"{place[0]}/{place[1]}/{place[2]}" for place in evidence.set_aside_by}
    for place, services in evidence.set_aside_by.items():
        subject = f"{place[0]}/{place[1]}/{place[2]}"
        for service in services:
            evidence.looked_at["F"] += 1
            if (service, "quarantined", subject) not in evidence.seen_items:
                what = f"{evidence.topics.ours[place][0]} was not set aside by {service}"
                yield Finding("F", Is.UNHANDLED, subject, what)
    for (service, kind, subject), ids in evidence.seen_items.items():
        if kind == "quarantined" and len(ids) > 1:
            yield Finding("F", Is.DOUBLED, subject, f"set aside by {service} again, after it was decided")
        if kind == "quarantined" and subject not in ours:
            yield Finding("F", Is.UNHANDLED, subject, f"set aside by {service}, and nothing was wrong with it")
        if kind in ("halted", "stuck", "unreadable", "unreadable-step", "two-supporters", "no-referral", "restored"):
            yield Finding("F", Is.UNHANDLED, f"{service} {subject}", f"on the worklist as {kind}")
