"""Events in: facts of intake and notifier, told to the case under its row lock."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from uuid import UUID
from zoneinfo import ZoneInfo

from chassis import Consumer, Refused, UnitOfWork
from peerline.compartments import MatchingProfile, StepDetail
from peerline.events import (
    Audience,
    Event,
    OutreachLogged,
    ReferralAmended,
    ReferralCreated,
    ReferralForgotten,
    ReferralJoined,
    ReferralWithdrawn,
)
from peerline.sealing import Unreadable

from matcher import casework
from matcher.domain import facts
from matcher.domain.facts import Fact
from matcher.domain.hours import answer_by
from matcher.domain.rules import Rules
from matcher.repository import cases, rules, supporters
from matcher.repository.cases import Record

consumer = Consumer("matcher")


@consumer.on(ReferralCreated)
async def open_cases(referrals: Sequence[ReferralCreated], work: UnitOfWork) -> None:
    """Record each referral as waiting, and wake the matching round."""
    versions = await _kept_rules(referrals, work)
    records = await casework.take(work, referrals)
    for referral in referrals:
        record = records[referral.referral_id]
        record.programme = referral.programme
        record.rules = began_with = versions[referral.programme.id, referral.programme.digest]
        record.received_at, record.traceparent = referral.received_at, work.traceparent(referral.referral_id)
        readable = _read_profile(work, record, referral)
        created = facts.Created(referral.sequence, readable, began_with.invites_first, began_with.attempts)
        casework.tell(work, record, created)
    await casework.put(work, records.values())


@consumer.on(ReferralJoined)
async def take_in(joins: Sequence[ReferralJoined], work: UnitOfWork) -> None:
    """Exclude from a case whoever is excluded from a referral that joined it; the case may not be known yet."""
    named = {join.into: join.programme for join in joins} | {join.referral_id: join.programme for join in joins}
    records = await casework.take_named(work, named)
    for join in joins:
        record = records[join.referral_id]
        before = _excluded_by(record)
        readable = _read_profile(work, record, join)
        casework.tell(work, record, facts.Joined(join.sequence, readable))
        record.joined_into, record.touched = join.into, True
        _exclude_too(work, records[join.into], record, before)
    await casework.put(work, records.values())


@consumer.on(ReferralAmended)
async def amend(amendments: Sequence[ReferralAmended], work: UnitOfWork) -> None:
    """Replace the profile of a case, or of what joined it; an open attempt is then checked again."""
    amendments = [each for each in amendments if each.sealed is not None and each.sealed.matcher is not None]
    records = await casework.take(work, amendments)
    into = {record.joined_into: record.programme for record in records.values() if record.joined_into is not None}
    hosts = {**await casework.take_named(work, into), **records} if into else records
    for amendment in amendments:
        record = records[amendment.referral_id]
        before = _excluded_by(record)
        readable = _read_profile(work, record, amendment)
        casework.tell(work, record, facts.Amended(amendment.sequence, readable))
        if record.joined_into is not None:
            _exclude_too(work, hosts[record.joined_into], record, before)
    await casework.put(work, hosts.values())


@consumer.on(ReferralWithdrawn)
async def hold(withdrawals: Sequence[ReferralWithdrawn], work: UnitOfWork) -> None:
    """Hold each case until notifier has closed it or said that the offer stands."""
    records = await casework.take(work, withdrawals)
    for withdrawal in withdrawals:
        casework.tell(work, records[withdrawal.referral_id], facts.Withdrawn())
    await casework.put(work, records.values())


@consumer.on(ReferralForgotten)
async def forget(forgotten: Sequence[ReferralForgotten], work: UnitOfWork) -> None:
    """Delete what is held of each referral; a bare row stays, so that a late fact opens nothing again."""
    records = await casework.take(work, forgotten)
    for each in forgotten:
        record = records[each.referral_id]
        casework.tell(work, record, facts.Closed(each.occurred_at))
        casework.forget(record)
    await casework.put(work, records.values())
    await cases.forget(work.connection, [each.referral_id for each in forgotten])


@consumer.on(OutreachLogged)
async def follow(logged: Sequence[OutreachLogged], work: UnitOfWork) -> None:
    """Tell each case the steps on which a match depends; the rest is notifier's own."""
    steps = [(event, step) for event in logged if (step := await _step(event, work)) in FACTS]
    records = await casework.take(work, [event for event, _ in steps])
    for record in records.values():
        record.rules = record.rules or _present_rules(record, work)
    zones = await _zones(work, records.values())
    for event, step in steps:
        if step == "delivery-failed" and event.attempt is None:
            continue  # a message that is not about a match
        if step in ABOUT_AN_ATTEMPT and event.attempt is None:
            raise Refused(event.event_id, "no-attempt")
        casework.tell(work, records[event.referral_id], FACTS[step](event, records[event.referral_id], zones))
    await casework.put(work, records.values())


async def _kept_rules(referrals: Sequence[ReferralCreated], work: UnitOfWork) -> Mapping[tuple[str, str], Rules]:
    """
    The rules that each case begins with, by id and digest of its programme.

    Where a case names another version of a programme than this service holds, ours is the nearest there is.
    """
    said = {}
    for referral in referrals:
        programme = work.programmes.get(referral.programme.id)
        if programme is None:
            raise Refused(referral.event_id, "unknown-programme")
        said[referral.programme.id, referral.programme.digest] = casework.rules_of(programme)
    return await rules.keep(work.connection, said)


def _present_rules(record: Record, work: UnitOfWork) -> Rules | None:
    """The rules of a case whose referral is yet to come: after a restore its match, recalled, may be known first."""
    programme = work.programmes.get(record.programme.id)
    return casework.rules_of(programme) if programme else None


def _read_profile(work: UnitOfWork, record: Record, event: Event) -> bool:
    """Keep the matching profile of an event; gives whether it could be opened."""
    try:
        profile = work.open(event, Audience.MATCHER, MatchingProfile)
    except Unreadable:
        return False
    casework.merge_profile(work, record, profile, event.sequence)
    return True


def _excluded_by(join: Record) -> tuple[UUID | None, int]:
    """Whom a joined referral excludes, and from which case, as a value to compare."""
    return join.joined_into, join.profile_version


def _exclude_too(work: UnitOfWork, host: Record, join: Record, before: tuple[UUID | None, int]) -> None:
    """Exclude from a case whom a join excludes, of which `before` was known; a blind check is made again."""
    profile, was_readable = join.case.profile, host.case.readable
    if profile is None:
        return
    casework.tell(work, host, facts.JoinTaken(join.referral_id, profile.sequence, profile.readable))
    if _excluded_by(join) != before or not was_readable:
        casework.profile_changed(host)


async def _step(event: OutreachLogged, work: UnitOfWork) -> str | None:
    """The step of an event, public or sealed for us; one sealed for us that cannot be opened needs a human."""
    if event.step is not None or event.sealed is None or event.sealed.matcher is None:
        return event.step
    try:
        return work.open(event, Audience.MATCHER, StepDetail).step
    except Unreadable as error:
        await work.open_item(
            "unreadable-step",
            subject=str(event.event_id),
            referral_id=event.referral_id,
            programme=event.programme.id,
            reason=error.reason,
            urgent=True,
        )
        return None


Zones = Mapping[str, str]


async def _zones(work: UnitOfWork, records: Iterable[Record]) -> Zones:
    """The zones of the supporters who are asked in these cases."""
    asked = {
        attempt.supporter for record in records for attempt in record.case.attempts if attempt.supporter is not None
    }
    return await supporters.zones(work.connection, asked) if asked else {}


def _attempt(event: OutreachLogged) -> int:
    assert event.attempt is not None
    return event.attempt


def _notified(event: OutreachLogged, record: Record, zones: Zones) -> Fact:
    """The window runs from when the supporter was asked, in the contact hours of their own zone."""
    attempt = record.case.attempt(_attempt(event))
    if attempt is None or attempt.supporter is None or record.rules is None:
        return facts.Notified(_attempt(event), event.occurred_at)
    window, hours = record.rules.answer_window, record.rules.hours
    zone = ZoneInfo(zones.get(attempt.supporter, record.rules.zone))
    return facts.Notified(attempt.number, answer_by(event.occurred_at, window, hours, zone))


FACTS: Mapping[str | None, Callable[[OutreachLogged, Record, Zones], Fact]] = {
    "supporter-notified": _notified,
    "supporter-accepted": lambda event, _record, _zones: facts.Accepted(_attempt(event)),
    "supporter-declined": lambda event, _record, _zones: facts.Declined(_attempt(event)),
    "other-supporter-requested": lambda event, _record, _zones: facts.OtherRequested(
        _attempt(event), event.occurred_at
    ),
    "delivery-failed": lambda event, _record, _zones: facts.Undelivered(_attempt(event)),
    "retraction-declined": lambda _event, _record, _zones: facts.Stands(),
    "closed": lambda event, _record, _zones: facts.Closed(event.occurred_at),
    "wants-to-talk": lambda event, _record, _zones: facts.Wish(event.occurred_at, wants=True),
    "not-now": lambda event, _record, _zones: facts.Wish(event.occurred_at, wants=False),
    "does-not-want": lambda event, _record, _zones: facts.Wish(event.occurred_at, wants=False),
}
"""The steps on which a match depends, and what each tells the case."""

ABOUT_AN_ATTEMPT = frozenset(
    {"supporter-notified", "supporter-accepted", "supporter-declined", "other-supporter-requested"}
)
