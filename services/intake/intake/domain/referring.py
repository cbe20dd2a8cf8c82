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
from intake.domain.book import Book, Incident, SourceTerms, still_held
from intake.domain.cases import Referral, Standing, Withdrawal, retract, withdraw
from intake.domain.incident import Change, IncidentReport, Participant, merge_people
from intake.domain.people import Names
from intake.domain.settling import (
    ABOUT_PEOPLE,
    CONFLICTING_REPORT,
    PARTICIPANT_REMOVED,
    Moment,
    settle,
    speaker,
)


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
        book.item(CONFLICTING_REPORT, known.key, wanted=True, programme=speaker(book, arrival.source))
        return False
    _take_further(book, replace(known, report=update.report), arrival, update)
    return True


def look_again(book: Book, key: UUID, terms: SourceTerms, at: datetime) -> None:
    """Decide again about the people of an incident, since the directory or a person said something new."""
    incident = book.incidents[key]
    if not incident.report.retracted:
        settle(book, incident, Moment(at, at, terms, may_hold=False))


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


def dismiss(book: Book, key: UUID, terms: SourceTerms, at: datetime, chosen: AbstractSet[UUID] | None = None) -> Names:
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
    return Tally(**{fate: counted.count(fate) for fate in set(counted)}, to_decide=len(incident.report.to_decide))


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
    settle(book, incident, moment)


def _take_further(book: Book, incident: Incident, arrival: Arrival, update: incidents.Update) -> None:
    book.keep(incident)
    if update.change == Change.RETRACTION:
        _retract(book, incident)
    if incident.report.retracted or update.change == Change.REPEAT:
        return
    moment = Moment(arrival.arrived_at, arrival.arrived_at, arrival.source, traceparent=arrival.traceparent)
    settle(book, incident, moment, added=update.added)
    if any(_has_referral(book, incident, missing) for missing in update.missing):
        book.item(PARTICIPANT_REMOVED, incident.key, wanted=True, programme=speaker(book, arrival.source))


def _retract(book: Book, incident: Incident) -> None:
    for referral in book.cases.of_incident(incident.key):
        retract(book.cases, referral)
    for kind in ABOUT_PEOPLE:
        book.item(kind, incident.key, wanted=False)


def _has_referral(book: Book, incident: Incident, participant: Participant) -> bool:
    names = book.names_of(participant, incident)
    return bool(book.referrals_of(incident, names, book.directory.one_known_as(names)))
