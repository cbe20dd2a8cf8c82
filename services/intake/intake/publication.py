"""From what was decided to what is published: the public part, and one sealed compartment per audience."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from chassis import UnitOfWork
from peerline.compartments import ContactProfile, MatchingProfile, Origin, Recollection, WithdrawalKind
from peerline.compartments import Withdrawal as WithdrawalNotice
from peerline.events import (
    REPORTED_WITHIN,
    Audience,
    Event,
    ParticipantUnresolved,
    ProgrammeRef,
    ReferralAmended,
    ReferralCreated,
    ReferralJoined,
    ReferralWithdrawn,
    Sealed,
)

from intake.domain.cases import Fact, FactKind, Referral, Standing
from intake.domain.people import Person
from intake.repository.records import RecalledRecord

#: These name other people; what follows from them travels as pseudonyms.
NOT_FOR_MATCHING = frozenset({"supervisor", "team"})


def publish(work: UnitOfWork, facts: Iterable[tuple[Fact, RecalledRecord]]) -> None:
    """
    Leave the events of facts to the outbox, each on the trace that brought its referral.

    For a thread: 500 facts are 2,000 compartments, and a third of a second.
    """
    for fact, kept in facts:
        event = event_of(work, fact)
        recollection = Recollection(content=kept.model_dump_json())
        ours = work.seal(Audience.INTAKE, recollection, type(event), event.referral_id)
        sealed = (event.sealed or Sealed()).model_copy(update={"intake": ours})
        work.publish(event.model_copy(update={"sealed": sealed}), traceparent=fact.referral.traceparent)


def event_of(work: UnitOfWork, fact: Fact) -> Event:
    """The event that says a fact."""
    referral = fact.referral
    match fact.kind:
        case FactKind.CREATED:
            sealed = _about_person(work, fact, ReferralCreated)
            return ReferralCreated(**_head(work, ReferralCreated, referral), **_request(referral), sealed=sealed)
        case FactKind.JOINED:
            return _joined(work, fact)
        case FactKind.UNRESOLVED:
            desk = work.seal(Audience.DESK, origin_of(referral), ParticipantUnresolved, referral.referral_id)
            return ParticipantUnresolved(
                **_head(work, ParticipantUnresolved, referral), **_request(referral), sealed=Sealed(desk=desk)
            )
        case FactKind.AMENDED:
            return _amended(work, fact)
        case FactKind.WITHDRAWN:
            return _withdrawn(work, fact)


def _amended(work: UnitOfWork, fact: Fact) -> ReferralAmended:
    referral = fact.referral
    sealed = _about_person(work, fact, ReferralAmended)
    if referral.standing is Standing.JOINED:  # outreach has no case of its own for it
        sealed = sealed.model_copy(update={"notifier": None})
    return ReferralAmended(**_head(work, ReferralAmended, referral, referral.sequence), sealed=sealed)


def _joined(work: UnitOfWork, fact: Fact) -> ReferralJoined:
    referral = fact.referral
    if referral.into is None:
        raise LookupError("a joined referral without a case")
    return ReferralJoined(
        **_head(work, ReferralJoined, referral, referral.into),  # once refused, it may join another
        sealed=_about_person(work, fact, ReferralJoined),
        into=referral.into,
        **_request(referral),
    )


def _withdrawn(work: UnitOfWork, fact: Fact) -> ReferralWithdrawn:
    referral = fact.referral
    if fact.withdrawal is None:
        raise LookupError("a withdrawal without a reason")
    notice = WithdrawalNotice(kind=WithdrawalKind(fact.withdrawal.value))
    sealed = Sealed(notifier=work.seal(Audience.NOTIFIER, notice, ReferralWithdrawn, referral.referral_id))
    return ReferralWithdrawn(**_head(work, ReferralWithdrawn, referral, referral.sequence), sealed=sealed)


def _head(work: UnitOfWork, event: type[Event], referral: Referral, *parts: int | UUID) -> dict[str, Any]:
    return {
        "event_id": work.ids.event(event.name, referral.referral_id, *parts),
        "referral_id": referral.referral_id,
        "programme": ProgrammeRef(id=referral.programme, digest=referral.digest),
        "sequence": referral.sequence,
        "occurred_at": work.now,
    }


def _request(referral: Referral) -> dict[str, Any]:
    after = referral.inputs.reported_after
    return {"received_at": referral.received_at, "reported_within_hours": None if after is None else class_of(after)}


def class_of(after: timedelta) -> int | None:
    """The least class of hours that holds how long after it happened something was reported; None beyond them."""
    return next((hours for hours in REPORTED_WITHIN if after <= timedelta(hours=hours)), None)


def _about_person(work: UnitOfWork, fact: Fact, event: type[Event]) -> Sealed:
    if fact.person is None:
        raise LookupError("a referral without its person")
    referral = fact.referral
    return Sealed(
        matcher=work.seal(Audience.MATCHER, matching_of(referral, fact.person), event, referral.referral_id),
        notifier=work.seal(Audience.NOTIFIER, contact_of(referral, fact.person), event, referral.referral_id),
        desk=work.seal(Audience.DESK, origin_of(referral), event, referral.referral_id),
    )


def matching_of(referral: Referral, person: Person) -> MatchingProfile:
    """What matcher may know: attributes and pseudonyms."""
    kept = {name: text for name, text in person.attributes.items() if name not in NOT_FOR_MATCHING}
    return MatchingProfile(
        person=tuple(sorted(person.identified)),
        excluded=tuple(sorted(referral.excluded)),
        attributes=kept,
        preferences=dict(referral.inputs.preferences),
    )


def contact_of(referral: Referral, person: Person) -> ContactProfile:
    """Whom to contact; what a trusted source said goes before the directory."""
    stated, known = referral.inputs.contact, person.contact
    return ContactProfile(
        name=(stated and stated.name) or known.name,
        email=(stated and stated.email) or known.email,
        phone=(stated and stated.phone) or known.phone,
        zone=known.zone,
        language=known.language,
    )


def origin_of(referral: Referral) -> Origin:
    """Where a referral came from, for the coordinator's desk."""
    inputs = referral.inputs
    return Origin(door=inputs.door, source=inputs.source, incident=inputs.incident, reason=inputs.reason)
