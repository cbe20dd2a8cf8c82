"""
What handlers, rounds and the coordinator's acts have in common: take cases, tell them facts, put them back.

The fold decides; this publishes the decisions, keeps the worklist in step with the case, and tells the round
when somebody may have become free.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from chassis import UnitOfWork
from chassis.log import logger
from peerline.compartments import AskedSupporter, MatchingProfile, SupporterContact
from peerline.events import (
    Audience,
    Event,
    MatchConfirmed,
    MatchEvent,
    MatchProposed,
    MatchReleased,
    MatchReleaseRequested,
    MatchUnavailable,
    ProgrammeRef,
    Sealed,
)
from peerline.programme import Programme

from matcher import metrics
from matcher.domain import facts
from matcher.domain.facts import Decision, Fact
from matcher.domain.fold import apply
from matcher.domain.rules import Hours, Rules
from matcher.domain.state import Kind, Stage
from matcher.repository import cases, queue, supporters
from matcher.repository.cases import Record

log = logger("matcher")
ONCE_PER_ATTEMPT: dict[type[Decision], type[MatchEvent]] = {
    facts.Propose: MatchProposed,
    facts.Confirm: MatchConfirmed,
    facts.Release: MatchReleased,
}
REPEATABLE: dict[type[Decision], type[MatchEvent]] = {
    facts.RequestRelease: MatchReleaseRequested,
    facts.Unavailable: MatchUnavailable,
}


async def take(work: UnitOfWork, events: Iterable[Event]) -> dict[UUID, Record]:
    """Lock the cases that these events are about."""
    return await take_named(work, {event.referral_id: event.programme for event in events})


async def take_named(work: UnitOfWork, named: Mapping[UUID, ProgrammeRef]) -> dict[UUID, Record]:
    """Lock these cases; one that is not known yet is begun as a tombstone."""
    return await cases.lock(work.connection, named)


def tell(work: UnitOfWork, record: Record, fact: Fact, contact: SupporterContact | None = None) -> bool:
    """
    Tell a locked case a fact and publish what it decides; gives whether it decided or changed anything.

    `contact` is the supporter's, for facts that may lead to a proposal.
    """
    outcome = apply(record.case, fact)
    changed = outcome.case != record.case
    record.case = outcome.case
    for decision in outcome.decisions:
        _publish(work, record, decision, contact)
    return changed


async def put(work: UnitOfWork, records: Iterable[Record]) -> None:
    """Write the cases that have changed, and what follows from the change."""
    changed = [record for record in records if record.changed]
    if not changed:
        return
    for record in changed:
        _settle(record)
        await _keep_worklist(work, record)
    await cases.save(work.connection, changed)
    if to_check := [record.referral_id for record in changed if record.to_check and record.case.current]:
        await queue.check(work.connection, to_check)
    freed = {record.programme.id for record in changed if _freed_a_seat(record)}
    if freed:
        await supporters.pool_changed(work.connection, freed)
    if freed or any(_concerns_rounds(record) for record in changed):
        work.wake()
    work.wake_by(min((each for record in changed if (each := _window_end(record))), default=None))


def _settle(record: Record) -> None:
    """Bring what stands beside the fold's state into line with it."""
    case = record.case
    if case.closed_at is not None:
        record.profile = None  # nothing is matched any more, so nothing need be known
    if case.seeking and (not record.before.seeking or case.unavailable_for < record.before.unavailable_for):
        record.tried_version, record.try_at = None, None
    for attempt in case.attempts:
        rest_from = case.rest_from(attempt)
        if record.rules is not None:
            record.rests[attempt.number] = rest_from and rest_from + record.rules.cool_off


async def _keep_worklist(work: UnitOfWork, record: Record) -> None:
    before, after = record.before.items(), record.case.items()
    for item in sorted(before - after):
        await work.resolve_item(item.kind, subject=str(item.join or record.referral_id))
    for item in sorted(after - before):
        exhausted = item.kind is Kind.UNMATCHED and record.case.exhausted
        await work.open_item(
            item.kind,
            subject=str(item.join or record.referral_id),
            referral_id=item.join or record.referral_id,
            programme=record.programme.id,
            reason="attempts-used-up" if exhausted else "",
            urgent=item.kind is not Kind.SUPPORTER_LEFT,  # the others keep somebody waiting while a clock runs
        )
    if record.stuck:
        record.stuck = False
        await work.resolve_item("stuck", subject=str(record.referral_id))


def _freed_a_seat(record: Record) -> bool:
    held = {attempt.number for attempt in record.before.attempts if attempt.stage is not Stage.ENDED}
    holds = {attempt.number for attempt in record.case.attempts if attempt.stage is not Stage.ENDED}
    return bool(held - holds)


def _concerns_rounds(record: Record) -> bool:
    """Whether the round has something to do now."""
    is_due = record.case.seeking and record.tried_version is None
    return is_due or (record.case.current is not None and record.to_check)


def _window_end(record: Record) -> datetime | None:
    """When the open attempt is over unless it is answered, where that is newly known."""
    current, before = record.case.current, record.before.current
    if current is None or current.answer_by == (before.answer_by if before else None):
        return None
    return current.answer_by


def _publish(work: UnitOfWork, record: Record, decision: Decision, contact: SupporterContact | None) -> None:
    record.sequence += 1
    kind = type(decision)
    event_type = ONCE_PER_ATTEMPT.get(kind) or REPEATABLE[kind]
    parts = (decision.attempt,) if kind in ONCE_PER_ATTEMPT else (decision.attempt, record.sequence)
    sealed = None
    if isinstance(decision, facts.Propose):
        if contact is None:
            raise LookupError("a proposal needs the supporter's contact")
        sealed = _sealed(work, record.referral_id, contact)
    event = event_type(
        event_id=work.ids.event(event_type.name, record.referral_id, *parts),
        referral_id=record.referral_id,
        programme=record.programme,
        sequence=record.sequence,
        occurred_at=work.now,
        match_id=work.ids.match(record.referral_id, decision.attempt),
        attempt=decision.attempt,
        sealed=sealed,
    )
    work.publish(event, traceparent=record.traceparent)
    metrics.DECISIONS.labels(event_type.name).inc()
    log.info(
        event_type.name.replace("-", "_"),
        referral_id=str(record.referral_id),
        attempt=decision.attempt,
        programme=record.programme.id,
    )


def _sealed(work: UnitOfWork, referral_id: UUID, contact: SupporterContact) -> Sealed:
    """Whom to ask, for notifier; and for ourselves, should this database be set back."""
    asked = AskedSupporter(supporter_id=contact.supporter_id)
    return Sealed(
        notifier=work.seal(Audience.NOTIFIER, contact, MatchProposed, referral_id),
        matcher=work.seal(Audience.MATCHER, asked, MatchProposed, referral_id),
    )


def merge_profile(work: UnitOfWork, record: Record, profile: MatchingProfile, sequence: int) -> None:
    """
    Keep a matching profile: attributes and preferences of the latest, people of all that were ever said.

    Somebody once named as involved stays excluded, also where a correction no longer names them. What says the same
    as what is kept changes nothing, unless the case was not readable: what was checked meanwhile was checked blindly.
    """
    if record.case.closed_at is not None:
        return
    known = opened_profile(work, record.referral_id, record.profile) if record.profile else None
    merged = _merged(record, known or profile, profile, sequence)
    if merged == known and record.case.readable:
        return
    about = f"referral.profile/{record.referral_id}"
    record.profile = work.vault.lock(merged.model_dump_json().encode(), about)
    profile_changed(record)


def _merged(record: Record, known: MatchingProfile, profile: MatchingProfile, sequence: int) -> MatchingProfile:
    latest = record.case.profile is None or sequence >= record.case.profile.sequence
    return (profile if latest else known).model_copy(
        update={
            "person": tuple(sorted({*known.person, *profile.person})),
            "excluded": tuple(sorted({*known.excluded, *profile.excluded})),
        }
    )


def profile_changed(record: Record) -> None:
    """Note that who is excluded has changed: an open attempt is checked again, a waiting case tried again."""
    record.profile_version += 1
    record.tried_version, record.try_at, record.touched, record.to_check = None, None, True, True


def opened_profile(work: UnitOfWork, referral_id: UUID, locked: bytes) -> MatchingProfile:
    """A stored profile."""
    return MatchingProfile.model_validate_json(work.vault.unlock(locked, f"referral.profile/{referral_id}"))


def locked_contact(work: UnitOfWork, supporter_id: str, *, name: str, email: str, phone: str | None) -> bytes:
    """A supporter's contact as it may be stored."""
    contact = json.dumps({"name": name, "email": email, "phone": phone}).encode()
    return work.vault.lock(contact, f"supporter.contact/{supporter_id}")


async def contacts_of(work: UnitOfWork, ids: Iterable[str]) -> dict[str, SupporterContact]:
    """The contacts of these supporters, for notifier's eyes."""
    rows = await supporters.contacts(work.connection, list(ids))
    return {
        supporter_id: SupporterContact(
            supporter_id=supporter_id,
            zone=zone,
            **json.loads(work.vault.unlock(locked, f"supporter.contact/{supporter_id}")),
        )
        for supporter_id, (locked, zone) in rows.items()
    }


def rules_of(programme: Programme) -> Rules:
    """What a programme says about matching."""
    matching, hours = programme.matching, programme.contact.hours
    return Rules(
        needs_approval=matching.approval == "coordinator",
        invites_first=programme.first_contact == "programme",
        different=matching.different,
        same=matching.same,
        capacity=matching.capacity,
        answer_window=matching.answer_window,
        attempts=matching.attempts,
        cool_off=matching.cool_off,
        hours=Hours(opens=hours.from_, closes=hours.to, days=hours.days),
        zone=programme.time_zone,
    )


def forget(record: Record) -> None:
    """Take out of a case what is to be forgotten."""
    record.case = replace(record.case, attempts=(), wish=None)
    record.profile, record.traceparent, record.received_at, record.touched = None, None, None, True
