"""
From reports to referrals: one per incident and person ever, whichever door a report comes through.

A decision is never taken back by a later report. Who has no referral yet is looked at again whenever a
report or the directory says something new.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

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
    retract,
    withdraw,
)
from intake.domain.incident import Change, IncidentReport, Participant, merge_people
from intake.domain.people import Names, Person

UNRESOLVED = "unresolved"
NOBODY_NAMED = "nobody-named"
DECIDE_INVOLVEMENT = "decide-involvement"
OLD_REPORT = "old-report"
CONFLICTING_REPORT = "conflicting-report"
PARTICIPANT_REMOVED = "participant-removed"
ABOUT_PEOPLE = (UNRESOLVED, NOBODY_NAMED, DECIDE_INVOLVEMENT, OLD_REPORT)


@dataclass(frozen=True)
class Arrival:
    """A report as it came through a door. `arrived_at` is aware."""

    incident: UUID
    report_key: UUID
    """The same for the same content, whichever door it came through."""
    report: IncidentReport
    source: SourceTerms
    arrived_at: datetime
    traceparent: str | None = None


@dataclass(frozen=True)
class Moment:
    """When something new became known of an incident, and what it means for those who are due by it."""

    received_at: datetime
    at: datetime
    terms: SourceTerms
    may_hold: bool = True
    """Whether the too old are held for a person's decision; a look back only passes them over."""
    traceparent: str | None = None


@dataclass(frozen=True)
class Tally:
    """What has become of the people of an incident."""

    offered: int = 0
    joined: int = 0
    unresolved: int = 0
    not_eligible: int = 0
    held: int = 0
    to_decide: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(mine + theirs for mine, theirs in zip(_counts(self), _counts(other), strict=True)))


def _counts(tally: Tally) -> tuple[int, ...]:
    return (tally.offered, tally.joined, tally.unresolved, tally.not_eligible, tally.held, tally.to_decide)


def take_report(book: Book, arrival: Arrival) -> bool:
    """Decide what a report leads to; False where it contradicts what is known and a person has to decide."""
    known = book.incidents.get(arrival.incident)
    if arrival.report_key in book.seen:
        return not book.seen[arrival.report_key]
    if known is None:
        _take_first(book, arrival)
        return True
    update = incidents.union(known.report, arrival.report)
    conflict = update.change == Change.CONFLICT
    book.remember_report(arrival.report_key, known.key, conflict=conflict)
    if conflict:
        book.item(CONFLICTING_REPORT, known.key, wanted=True, programme=_speaker(book, arrival.source))
        return False
    _take_further(book, replace(known, report=update.report), arrival, update)
    return True


def look_again(book: Book, key: UUID, terms: SourceTerms, at: datetime) -> None:
    """Decide again about the people of an incident, since the directory or a person said something new."""
    incident = book.incidents[key]
    if not incident.report.retracted:
        _settle(book, incident, Moment(at, at, terms, may_hold=False))


def offer_late(book: Book, key: UUID, terms: SourceTerms, at: datetime) -> None:
    """A coordinator lets an old report through: its people are offered support, due since they were first."""
    book.keep(replace(book.incidents[key], age_waived=True))
    look_again(book, key, terms, at)


def add_people(book: Book, key: UUID, people: tuple[Participant, ...], terms: SourceTerms, at: datetime) -> None:
    """A coordinator names people who were involved; their clocks start now."""
    incident = book.incidents[key]
    merged = merge_people([*incident.report.participants, *people])
    incident = replace(incident, report=replace(incident.report, participants=merged), age_waived=True)
    book.keep(incident)
    look_again(book, key, terms, at)


def dismiss(
    book: Book, key: UUID, terms: SourceTerms, at: datetime, chosen: AbstractSet[UUID] | None = None
) -> Names:
    """
    Those of an incident whom the directory does not know, or the chosen referrals' people, are no physicians.

    Returns their names, to be remembered: the next report of any of them is no longer put to a person.
    """
    unknown = [r for r in book.cases.of_incident(key) if r.standing == Standing.UNRESOLVED]
    unknown = [r for r in unknown if chosen is None or r.referral_id in chosen]
    names: Names = frozenset().union(*(referral.names for referral in unknown))
    book.strangers |= names
    for referral in unknown:
        withdraw(book.cases, referral, Withdrawal.NOT_ELIGIBLE)
    look_again(book, key, terms, at)
    return names


def tally_of(book: Book, key: UUID) -> Tally:
    """What has become of an incident's people, each counted once."""
    incident = book.incidents[key]
    fates: dict[object, str] = {}
    for participant in incident.report.involved:
        names = book.names_of(participant, incident)
        person = book.directory.one_known_as(names)
        theirs = book.referrals_of(incident, names, person)
        one = theirs[0].referral_id if theirs else person.person_id if person else names
        fate = _fate(theirs[0]) if theirs else "held" if still_held(incident, names) else "not_eligible"
        fates[one] = "" if incident.report.retracted and not theirs else fate
    counted = [fate for fate in fates.values() if fate]
    return Tally(
        **{fate: counted.count(fate) for fate in set(counted)}, to_decide=len(incident.report.to_decide)
    )


def _fate(referral: Referral) -> str:
    if referral.opened:
        return "offered"
    if referral.into is not None:
        return "joined"
    if referral.standing == Standing.UNRESOLVED or referral.retracted:
        return "unresolved"
    return "not_eligible"


def _take_first(book: Book, arrival: Arrival) -> None:
    received_at = incidents.received_at(arrival.report, arrival.arrived_at)
    incident = Incident(arrival.incident, arrival.source.id, arrival.report, received_at)
    book.keep(incident)
    book.remember_report(arrival.report_key, incident.key, conflict=False)
    if arrival.report.retracted:
        return
    moment = Moment(received_at, arrival.arrived_at, arrival.source, traceparent=arrival.traceparent)
    _settle(book, incident, moment)


def _take_further(book: Book, incident: Incident, arrival: Arrival, update: incidents.Update) -> None:
    book.keep(incident)
    if update.change == Change.RETRACTION:
        _retract(book, incident)
    if incident.report.retracted or update.change == Change.REPEAT:
        return
    moment = Moment(arrival.arrived_at, arrival.arrived_at, arrival.source, traceparent=arrival.traceparent)
    _settle(book, incident, moment, added=update.added)
    if any(_has_referral(book, incident, missing) for missing in update.missing):
        book.item(PARTICIPANT_REMOVED, incident.key, wanted=True, programme=_speaker(book, arrival.source))


def _retract(book: Book, incident: Incident) -> None:
    for referral in book.cases.of_incident(incident.key):
        retract(book.cases, referral)
    for kind in ABOUT_PEOPLE:
        book.item(kind, incident.key, wanted=False)


def _has_referral(book: Book, incident: Incident, participant: Participant) -> bool:
    names = book.names_of(participant, incident)
    return bool(book.referrals_of(incident, names, book.directory.one_known_as(names)))


def _settle(book: Book, incident: Incident, moment: Moment, added: tuple[Participant, ...] = ()) -> None:
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
        inputs=Inputs(ADVERSE_EVENT, incident.source, incident.report.incident_id, contact=participant.contact),
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


def _ask(
    book: Book, incident: Incident, moment: Moment, added: tuple[Participant, ...], *, is_held: bool
) -> Incident:
    """Put on the worklist what only a person can answer, and take off what has been answered."""
    speaker = _speaker(book, moment.terms)
    unresolved = any(r.standing == Standing.UNRESOLVED for r in book.cases.of_incident(incident.key))
    book.item(UNRESOLVED, incident.key, wanted=unresolved, programme=speaker, reason="not-in-directory")
    if incident.report.involved:
        book.item(NOBODY_NAMED, incident.key, wanted=False)
    if _first_triggered(book, incident, moment.terms) is None:
        return incident
    report = incident.report
    if _is_too_late(incident, moment):
        if moment.may_hold and (is_held or (not incident.asked and report.names_nobody)):
            book.item(OLD_REPORT, incident.key, wanted=True, programme=speaker, reason="age-limit")
        return incident
    newly = [p for p in report.to_decide if not incident.asked or any(p.is_same_as(other) for other in added)]
    if newly:
        book.item(DECIDE_INVOLVEMENT, incident.key, wanted=True, programme=speaker)
    elif report.names_nobody and not incident.asked:
        book.item(NOBODY_NAMED, incident.key, wanted=True, programme=speaker)
    return replace(incident, asked=True)


def _speaker(book: Book, terms: SourceTerms) -> str | None:
    """The programme whose coordinator is asked about an organisation's incidents."""
    return next((programme.id for programme in book.offering(terms.organisation)), None)
