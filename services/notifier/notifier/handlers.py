"""Events in: each is read, folded into its case, and what is decided is written."""

from collections.abc import Callable, Sequence
from uuid import UUID

from chassis import Consumer, UnitOfWork
from peerline.compartments import ContactProfile, SupporterContact, Withdrawal
from peerline.events import (
    WORKLIST_CHANGED,
    Audience,
    DeadlineAcknowledged,
    DeadlineApproaching,
    DeadlineBreached,
    DeadlineEscalated,
    Event,
    MatchConfirmed,
    MatchProposed,
    MatchReleased,
    MatchReleaseRequested,
    ReferralAmended,
    ReferralCreated,
    ReferralForgotten,
    ReferralJoined,
    ReferralWithdrawn,
    WorklistChanged,
)
from peerline.events.matches import MatchEvent
from peerline.sealing import Unreadable

from notifier import attention, contacts
from notifier.casework import Cases, unreadable
from notifier.domain import facts
from notifier.repository import cases as stored
from notifier.repository.cases import CaseRow, MatchRow

consumer = Consumer("notifier")


@consumer.on(ReferralCreated)
async def open_cases(referrals: Sequence[ReferralCreated], work: UnitOfWork) -> None:
    """Keep whom each offer is for; what was waiting for the referral is planned."""
    cases = await Cases.of_events(work, referrals)
    for referral in referrals:
        row = cases.rows[referral.referral_id]
        row.received_at, row.occurred_at = referral.received_at, referral.occurred_at
        row.traceparent = work.traceparent(referral.referral_id) or row.traceparent
        invites = work.programmes[referral.programme.id].first_contact == "programme"
        cases.take(referral.referral_id, facts.Created(work.now, invites))
    await _keep_contacts(cases, referrals, work)
    await cases.settle()


@consumer.on(ReferralAmended)
async def amend_cases(amendments: Sequence[ReferralAmended], work: UnitOfWork) -> None:
    """Replace the contact where the amendment brings one."""
    cases = await Cases.of_events(work, amendments)
    await _keep_contacts(cases, [each for each in amendments if each.sealed and each.sealed.notifier], work)
    await cases.settle()


@consumer.on(ReferralWithdrawn)
async def end_withdrawn_cases(withdrawals: Sequence[ReferralWithdrawn], work: UnitOfWork) -> None:
    """Close each at once, or let the offer stand where its source retracts too late."""
    cases = await Cases.of_events(work, withdrawals)
    for event in withdrawals:
        try:
            withdrawal = work.open(event, Audience.NOTIFIER, Withdrawal)
        except Unreadable as fault:
            await _set_unreadable(cases.rows[event.referral_id], event, fault, work, ReferralWithdrawn)
            continue
        cases.take(event.referral_id, facts.Withdrawn(work.now, facts.Withdrawal(withdrawal.kind.value)))
        await work.resolve_item("unreadable", subject=unreadable(ReferralWithdrawn, event.referral_id))
    await cases.settle()


@consumer.on(ReferralJoined)
async def take_joined(triggers: Sequence[ReferralJoined], work: UnitOfWork) -> None:
    """Take a further trigger into its case, in silence; into a closed one it is refused."""
    cases = await Cases.of_events(work, triggers, [trigger.into for trigger in triggers])
    for trigger in triggers:
        if cases.rows[trigger.into].case.closed_at:
            cases.take(trigger.referral_id, facts.JoinCameLate(work.now, trigger.into))
    await cases.settle()


@consumer.on(ReferralForgotten)
async def forget_cases(referrals: Sequence[ReferralForgotten], work: UnitOfWork) -> None:
    """Close what is open and delete what is held."""
    await _take_each(referrals, work, lambda _event: facts.Forgotten(work.now))
    await stored.forget(work.connection, [referral.referral_id for referral in referrals])


@consumer.on(MatchProposed)
async def ask_supporters(proposals: Sequence[MatchProposed], work: UnitOfWork) -> None:
    """Plan to ask each supporter whether they have room."""
    cases = await Cases.of_events(work, proposals)
    for proposal in proposals:
        row = _with_match(cases, proposal)
        try:
            supporter = work.open(proposal, Audience.NOTIFIER, SupporterContact)
        except Unreadable as fault:
            await _set_unreadable(row, proposal, fault, work, MatchProposed)
            continue
        contacts.keep_supporter(work, row, proposal.attempt, supporter)
        cases.take(proposal.referral_id, facts.Proposed(work.now, proposal.attempt))
    await cases.settle()


@consumer.on(MatchConfirmed)
async def confirm_matches(matches: Sequence[MatchConfirmed], work: UnitOfWork) -> None:
    """From now on the supporter's page shows the name."""
    await _take_each_match(matches, work, lambda match: facts.Confirmed(work.now, match.attempt))


@consumer.on(MatchReleased)
async def release_matches(matches: Sequence[MatchReleased], work: UnitOfWork) -> None:
    """The supporter's page is void, unless the contact was shown."""
    await _take_each_match(matches, work, lambda match: facts.Released(work.now, match.attempt))
    # Whether or not the proposals could be read does not matter any more.
    subjects = [unreadable(MatchProposed, match.referral_id) for match in matches]
    await work.resolve_items("unreadable", subjects=subjects)


@consumer.on(MatchReleaseRequested)
async def end_matches_on_request(matches: Sequence[MatchReleaseRequested], work: UnitOfWork) -> None:
    """Revoke the link, or tell the coordinator where the contact was shown."""
    await _take_each_match(
        matches, work, lambda match: facts.ReleaseRequested(work.now, match.attempt, str(match.event_id))
    )


@consumer.on(DeadlineApproaching)
async def tell_of_approaching(deadlines: Sequence[DeadlineApproaching], work: UnitOfWork) -> None:
    """Tell the coordinator that a promised time comes near."""
    await attention.note_news(work, deadlines)


@consumer.on(DeadlineBreached)
async def tell_of_breaches(breaches: Sequence[DeadlineBreached], work: UnitOfWork) -> None:
    """Tell the coordinator that a promised time has passed."""
    await attention.note_news(work, breaches)


@consumer.on(DeadlineEscalated)
async def tell_of_escalations(steps: Sequence[DeadlineEscalated], work: UnitOfWork) -> None:
    """Tell whoever is next that a promised time has passed and nobody has taken note of it."""
    await attention.note_escalations(work, steps)


@consumer.on(DeadlineAcknowledged)
async def end_escalations(acknowledgements: Sequence[DeadlineAcknowledged], work: UnitOfWork) -> None:
    """Somebody has taken note: nobody else needs to be told."""
    await attention.drop_acknowledged(work, acknowledgements)


async def tell_of_items(changes: Sequence[WorklistChanged], work: UnitOfWork) -> None:
    """Tell the coordinator what waits in the other services, for as long as it does."""
    await attention.note(work, changes)


for _changed in WORKLIST_CHANGED.values():
    consumer.on(_changed)(tell_of_items)


async def _take_each(events: Sequence[Event], work: UnitOfWork, fact_of: Callable[[Event], facts.Fact]) -> None:
    cases = await Cases.of_events(work, events)
    for event in events:
        cases.take(event.referral_id, fact_of(event))
    await cases.settle()


async def _take_each_match(
    events: Sequence[MatchEvent], work: UnitOfWork, fact_of: Callable[[MatchEvent], facts.Fact]
) -> None:
    cases = await Cases.of_events(work, events)
    for event in events:
        _with_match(cases, event)
        cases.take(event.referral_id, fact_of(event))
    await cases.settle()


def _with_match(cases: Cases, event: MatchEvent) -> CaseRow:
    """The case of a match event, knowing which match the attempt is."""
    row = cases.rows[event.referral_id]
    row.matches.setdefault(event.attempt, MatchRow(event.match_id))
    return row


async def _keep_contacts(cases: Cases, events: Sequence[Event], work: UnitOfWork) -> None:
    """Keep each physician's contact from the latest event that brought one; unreadable, it is for a human."""
    kept: set[UUID] = set()
    for event in events:
        row = cases.rows[event.referral_id]
        if row.case.closed_at or (row.contact_sequence or 0) >= event.sequence:
            continue
        try:
            contact = work.open(event, Audience.NOTIFIER, ContactProfile)
        except Unreadable as fault:
            await _set_unreadable(row, event, fault, work, ReferralCreated)
            kept.discard(event.referral_id)
            continue
        contacts.keep_physician(work, row, contact)
        row.contact_sequence = event.sequence
        cases.take(row.referral_id, facts.BecameReadable(work.now))
        kept.add(event.referral_id)
    await work.resolve_items("unreadable", subjects=[unreadable(ReferralCreated, each) for each in kept])


async def _set_unreadable(
    row: CaseRow, event: Event, fault: Unreadable, work: UnitOfWork, lacking: type[Event]
) -> None:
    """A compartment that cannot be opened is for a human, unless the case is over: then it was forgotten."""
    if row.case.closed_at:
        return
    await work.open_item(
        "unreadable",
        subject=unreadable(lacking, event.referral_id),
        referral_id=event.referral_id,
        programme=event.programme.id,
        reason=fault.reason,
        urgent=True,
    )
