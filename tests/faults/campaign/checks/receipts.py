"""M: everybody who was named in an accepted report has one referral of their own, or is part of one, or is asked for."""

from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

from peerline.events import OutreachLogged, ParticipantUnresolved, ReferralCreated, ReferralJoined, ReferralWithdrawn

from tests.faults.campaign.checks.found import Evidence, Finding, Is
from tests.faults.campaign.reports import address_of

Key = tuple[str, str]


def check(evidence: Evidence) -> Iterator[Finding]:
    """One created or one accepted joined for each incident and person; an unknown one waits on the worklist."""
    found = _by_key(evidence)
    unresolved = _unresolved(evidence)
    for incident, accepted in evidence.accepted.items():
        for number in accepted.report.people:
            evidence.looked_at["M"] += 1
            about, ids = f"{incident}/{number}", found.get((incident, address_of(number)), set())
            own = number == accepted.report.number
            if not ids and own and not accepted.report.known:
                yield from _waits(evidence, about, unresolved.get(incident, set()))
            elif not ids and not accepted.retracted:
                yield Finding("M", Is.MISSING, about, "no referral")
            if len(ids) > 1:
                yield Finding("M", Is.DOUBLED, about, f"{len(ids)} referrals")
            for referral_id in ids:
                yield from _once(evidence, about, referral_id)
    for incident, _ in found.keys() - _expected(evidence):
        yield Finding("M", Is.UNHANDLED, incident, "a referral of somebody whom no accepted report names")
    for text in evidence.wrong:
        yield Finding("M", Is.UNHANDLED, "answer", text)


def _expected(evidence: Evidence) -> set[Key]:
    return {
        (incident, address_of(number))
        for incident, accepted in evidence.accepted.items()
        for number in accepted.report.people
    }


def _by_key(evidence: Evidence) -> dict[Key, set[UUID]]:
    """Referrals by incident and the person's address, which stand in sealed compartments."""
    found: dict[Key, set[UUID]] = defaultdict(set)
    for kind in (ReferralCreated, ReferralJoined):
        for event in evidence.topics.all(kind):
            origin, person = evidence.seals.origin(event), evidence.seals.person(event)
            if origin and person:
                found[(origin.incident or "", person.email or "")].add(event.referral_id)
    return found


def _unresolved(evidence: Evidence) -> dict[str, set[UUID]]:
    found: dict[str, set[UUID]] = defaultdict(set)
    for event in evidence.topics.all(ParticipantUnresolved):
        origin = evidence.seals.origin(event)
        found[(origin.incident if origin else None) or ""].add(event.referral_id)
    return found


def _waits(evidence: Evidence, about: str, ids: set[UUID]) -> Iterator[Finding]:
    """Somebody whom no directory knows: one event, and an item."""
    if len(ids) != 1:
        yield Finding("M", Is.DOUBLED if ids else Is.MISSING, about, f"{len(ids)} unresolved")
    if ids and not any(item.kind == "unresolved" for item in evidence.open_items):
        yield Finding("M", Is.MISSING, about, "unresolved, and on no worklist")


def _once(evidence: Evidence, about: str, referral_id: UUID) -> Iterator[Finding]:
    """Exactly one created, or one joined that was accepted."""
    topics = evidence.topics
    created = len(topics.about(referral_id, ReferralCreated))
    joined = topics.about(referral_id, ReferralJoined)
    refused = any(logged.step == "join-refused" for logged in topics.about(referral_id, OutreachLogged))
    if created > 1 or len(joined) > 1:
        yield Finding("M", Is.DOUBLED, about, "the same referral more than once")
    if created and joined and not refused:
        yield Finding("M", Is.DOUBLED, about, "both a case of its own and part of another")
    withdrawn = topics.about(referral_id, ReferralWithdrawn)  # then it needs no case any more
    if joined and refused and not created and not withdrawn:
        yield Finding("M", Is.MISSING, about, "its case was closed, and it has none of its own")
    for event in joined:
        if not refused and not topics.about(event.into, ReferralCreated):
            yield Finding("M", Is.MISSING, about, "joined into a case that is not there")
