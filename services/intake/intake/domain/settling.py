"""
Giving everybody involved in an incident their place, and asking people what no rule can answer.

A decision that was taken stands. Who has no referral yet is looked at anew each time.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from intake.domain import incident as incidents
from intake.domain.book import (
    ADVERSE_EVENT,
    Book,
    Incident,
    ProgrammeRules,
    SourceTerms,
    excluded_from,
    hold,
    is_triggered,
    still_held,
)
from intake.domain.cases import (
    Cases,
    FactKind,
    Inputs,
    Referral,
    Standing,
    Withdrawal,
    open_or_join,
    withdraw,
)
from intake.domain.incident import Participant
from intake.domain.people import Names, Person

UNRESOLVED = "unresolved"
NOBODY_NAMED = "nobody-named"
DECIDE_INVOLVEMENT = "decide-involvement"
OLD_REPORT = "old-report"
CONFLICTING_REPORT = "conflicting-report"
PARTICIPANT_REMOVED = "participant-removed"
ABOUT_PEOPLE = (UNRESOLVED, NOBODY_NAMED, DECIDE_INVOLVEMENT, OLD_REPORT)


@dataclass(frozen=True)
class Moment:
    """When something new became known of an incident, and what it means for those who are due by it."""

    received_at: datetime
    at: datetime
    terms: SourceTerms
    may_hold: bool = True
    """Whether the too old are held for a person's decision; a look back only passes them over."""
    traceparent: str | None = None


def settle(book: Book, incident: Incident, moment: Moment, added: tuple[Participant, ...] = ()) -> None:
    """Give everybody involved their place, tell the others' referrals of them, and ask people what is open."""
    held_before = len(incident.held)
    for participant in incident.report.involved:
        incident = _settle_person(book, incident, participant, moment)
    _amend(book, incident)
    incident = _ask(book, incident, moment, added, is_held=len(incident.held) > held_before)
    book.keep(incident)


def _settle_person(book: Book, incident: Incident, participant: Participant, moment: Moment) -> Incident:
    names = book.names_of(participant, incident)
    person = book.directory.one_known_as(names)
    theirs = book.referrals_of(incident, names, person)
    if theirs:
        _pursue(book, incident, theirs, names=names, person=person, terms=moment.terms)
        return incident
    programme = _programme_for(book, incident, names, person, moment.terms)
    if programme is None:
        return incident
    if _is_too_late(incident, moment):
        return hold(incident, names, moment.received_at) if moment.may_hold else incident
    sighting = still_held(incident, names)
    _refer(
        book,
        incident,
        participant,
        person=person,
        programme=programme,
        received_at=sighting.at if sighting else moment.received_at,
        traceparent=moment.traceparent,
    )
    return incident


def _is_too_late(incident: Incident, moment: Moment) -> bool:
    return not incident.age_waived and incidents.is_too_old(incident.report, moment.at, moment.terms.age_limit)


def _programme_for(
    book: Book, incident: Incident, names: Names, person: Person | None, terms: SourceTerms
) -> ProgrammeRules | None:
    """The programme that reaches out to somebody after this incident; for somebody unknown, the first that would."""
    if person is not None:
        programme = book.serving(terms.organisation, person)
        return programme if programme and is_triggered(programme.trigger, incident.report) else None
    if names & book.strangers:
        return None
    return _first_triggered(book, incident, terms)


def _first_triggered(book: Book, incident: Incident, terms: SourceTerms) -> ProgrammeRules | None:
    offering = book.offering(terms.organisation)
    return next((p for p in offering if is_triggered(p.trigger, incident.report)), None)


def _refer(
    book: Book,
    incident: Incident,
    participant: Participant,
    *,
    person: Person | None,
    programme: ProgrammeRules,
    received_at: datetime,
    traceparent: str | None,
) -> None:
    """Give somebody who is due their referral."""
    names = book.names_of(participant, incident)
    referral = Referral(
        referral_id=book.allot(programme.id, incident.source, incident.report.incident_id, min(names)),
        programme=programme.id,
        digest=programme.digest,
        incident=incident.key,
        person=person.person_id if person else None,
        names=names,
        standing=Standing.UNRESOLVED,
        received_at=received_at,
        inputs=Inputs(
            ADVERSE_EVENT,
            incident.source,
            incident.report.incident_id,
            contact=participant.contact,
            reported_after=incidents.reported_after(incident.report, incident.received_at),
        ),
        excluded=excluded_from(book, incident, person) if person else frozenset(),
        traceparent=traceparent,
    )
    if person is None:
        book.cases.state(FactKind.UNRESOLVED, referral)
    else:
        open_or_join(book.cases, referral, person)


def _pursue(
    book: Book,
    incident: Incident,
    theirs: list[Referral],
    *,
    names: Names,
    person: Person | None,
    terms: SourceTerms,
) -> None:
    """Go on with somebody who has a referral: take up new names, and resolve it once they are known."""
    first, *others = theirs
    if not names <= first.names:
        first = book.cases.keep(replace(first, names=first.names | names))
    if first.standing == Standing.UNRESOLVED and person is not None:
        _release(book, incident, first, person, terms)
    for other in others:
        # One person was named in two ways and has been allotted two referrals; one of them counts.
        if other.standing == Standing.UNRESOLVED:
            withdraw(book.cases, other, Withdrawal.NOT_ELIGIBLE)


def _release(book: Book, incident: Incident, referral: Referral, person: Person, terms: SourceTerms) -> None:
    """The directory now knows somebody: their referral goes on as if it always had, or ends."""
    programme = book.serving(terms.organisation, person)
    if programme is None:
        withdraw(book.cases, replace(referral, person=person.person_id), Withdrawal.NOT_ELIGIBLE)
        return
    resolved = replace(
        referral,
        programme=programme.id,
        digest=programme.digest,
        excluded=excluded_from(book, incident, person),
    )
    open_or_join(book.cases, resolved, person)


def _amend(book: Book, incident: Incident) -> None:
    """Tell every living referral of the incident whom else it must not ask; exclusion only grows."""
    for referral in book.cases.of_incident(incident.key):
        person = book.directory.get(referral.person)
        if person is None or referral.standing not in (Standing.OPEN, Standing.JOINED, Standing.WAITING):
            continue
        grown = replace(referral, excluded=referral.excluded | excluded_from(book, incident, person))
        if grown == referral:
            continue
        if referral.standing == Standing.OPEN:
            book.cases.state(FactKind.AMENDED, grown, person=person)
        else:
            book.cases.keep(grown)
            _amend_case(book.cases, grown, person)


def _amend_case(cases: Cases, joined: Referral, person: Person) -> None:
    """What a referral learns that joined a case, the case has to know."""
    case = cases.get(joined.into)
    if case is not None and case.standing == Standing.OPEN and not joined.excluded <= case.excluded:
        both = replace(case, excluded=case.excluded | joined.excluded)
        cases.state(FactKind.AMENDED, both, person=person)


def _ask(book: Book, incident: Incident, moment: Moment, added: tuple[Participant, ...], *, is_held: bool) -> Incident:
    """Put on the worklist what only a person can answer, and take off what has been answered."""
    asking = speaker(book, moment.terms)
    unresolved = any(r.standing == Standing.UNRESOLVED for r in book.cases.of_incident(incident.key))
    book.item(UNRESOLVED, incident.key, wanted=unresolved, programme=asking, reason="not-in-directory")
    if incident.report.involved:
        book.item(NOBODY_NAMED, incident.key, wanted=False)
    if _first_triggered(book, incident, moment.terms) is None:
        return incident
    report = incident.report
    if _is_too_late(incident, moment):
        if moment.may_hold and (is_held or (not incident.asked and report.names_nobody)):
            book.item(OLD_REPORT, incident.key, wanted=True, programme=asking, reason="age-limit")
        return incident
    newly = [p for p in report.to_decide if not incident.asked or any(p.is_same_as(other) for other in added)]
    if newly:
        book.item(DECIDE_INVOLVEMENT, incident.key, wanted=True, programme=asking)
    elif report.names_nobody and not incident.asked:
        book.item(NOBODY_NAMED, incident.key, wanted=True, programme=asking)
    return replace(incident, asked=True)


def speaker(book: Book, terms: SourceTerms) -> str | None:
    """The programme whose coordinator is asked about an organisation's incidents."""
    return next((programme.id for programme in book.offering(terms.organisation)), None)
