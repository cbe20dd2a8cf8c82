"""From a door to the outbox: load what a decision rests on, let the domain decide, write and publish the result.

A batch of reports costs the same handful of statements as one report.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis import UnitOfWork

from intake import keys, publication
from intake.domain import referring
from intake.domain.book import Book, Incident, SourceTerms
from intake.domain.cases import Cases, Fact
from intake.domain.incident import IncidentReport, Participant
from intake.domain.people import NOBODY, Directory, Names, Naming
from intake.domain.referring import Arrival, Tally
from intake.domain.settling import UNRESOLVED
from intake.repository import incidents, people, referrals
from intake.repository.records import RecalledRecord
from intake.sources import Source, SourceRules, Sources

#: Stands for a referral where there is none yet: its trace is that of the span under way.
NO_REFERRAL = UUID(int=0)


@dataclass(frozen=True)
class Verdict:
    """What became of one report. `taken` is False where it contradicts its incident."""

    report: IncidentReport
    incident: UUID
    taken: bool
    received_at: datetime
    tally: Tally


def terms_of(work: UnitOfWork, source_id: str) -> SourceTerms:
    """What decisions need of a source; LookupError where it is configured no more."""
    source = work.get(Sources).get(source_id)
    if source is None:
        raise LookupError("source")
    return SourceTerms(source.id, source.organisation, source.age_limit)


def rules_of(work: UnitOfWork, source: Source) -> SourceRules:
    """How to read a source's messages; its subjects are digested under a key that only holders of ours can derive."""
    return source.rules(work.pseudonyms.of("intake/subject-key", source.id).encode())


def arrival_of(
    work: UnitOfWork,
    source: Source,
    report: IncidentReport,
    arrived_at: datetime,
    traceparent: str | None = None,
) -> Arrival:
    """A report with the keys by which it is recognised."""
    incident = keys.incident_key(work.ids, source.id, report.incident_id)
    return Arrival(
        incident=incident,
        report_key=keys.report_key(work.ids, incident, report),
        report=report,
        source=SourceTerms(source.id, source.organisation, source.age_limit),
        arrived_at=arrived_at,
        traceparent=traceparent,
    )


async def decide(work: UnitOfWork, arrivals: Sequence[Arrival]) -> list[Verdict]:
    """Take reports in their order, and say what became of the people of each. Takes every lock it needs."""
    await incidents.hold_directory(work.connection)
    claimed = {arrival.incident: arrival.source.id for arrival in arrivals}
    known = await incidents.claim_incidents(work.connection, work.vault, claimed)
    book = await _book(work, claimed, known, arrivals)
    taken = [referring.take_report(book, arrival) for arrival in arrivals]
    await save(work, book, new=claimed.keys() - known.keys())
    return [
        Verdict(
            report=arrival.report,
            incident=arrival.incident,
            taken=accepted,
            received_at=book.incidents[arrival.incident].received_at,
            tally=referring.tally_of(book, arrival.incident),
        )
        for arrival, accepted in zip(arrivals, taken, strict=True)
    ]


async def book_of_incident(work: UnitOfWork, key: UUID, source: str, added: Sequence[Participant] = ()) -> Book:
    """What is known of one incident and of people to be added, locked; the directory is held by the caller."""
    known = await incidents.claim_incidents(work.connection, work.vault, {key: source})
    naming = Naming(work.pseudonyms.of)
    return await _book(work, {key: source}, known, (), NOBODY.union(*(naming.of(p, source) for p in added)))


async def book_of_referrals(work: UnitOfWork, referral_ids: Iterable[UUID]) -> Book:
    """These referrals with all of their people's living ones, locked."""
    wanted = list(referral_ids)
    person_ids = await referrals.people_of(work.connection, referral_ids=wanted)
    book = empty_book(work)
    found = await people.people_known_as(work.connection, work.vault, (), person_ids)
    book.directory = Directory(found)
    locked = await referrals.lock_referrals(work.connection, work.vault, people=person_ids, referral_ids=wanted)
    book.cases = Cases(locked)
    return book


async def book_of_people(work: UnitOfWork, names: Names, others: Names = NOBODY) -> Book:
    """People who bear these names, who is close to them, and their living referrals, locked, with some others."""
    book = empty_book(work)
    found = await people.people_known_as(work.connection, work.vault, names | others)
    close = await people.people_close_to(work.connection, work.vault, found)
    book.directory = Directory([*found, *close])
    locked = await referrals.lock_referrals(work.connection, work.vault, people=[person.person_id for person in found])
    book.cases = Cases(locked)
    return book


def empty_book(work: UnitOfWork) -> Book:
    """A book with nothing in it but the rules."""
    return Book(naming=Naming(work.pseudonyms.of), programmes=list(work.programmes.values()), allot=work.ids.referral)


async def save(work: UnitOfWork, book: Book, *, new: Iterable[UUID] = ()) -> None:
    """Write what was decided and publish it. `new` are incidents that nothing can be on the worklist for yet."""
    changed = {key: (book.incidents[key], names_in(book, book.incidents[key])) for key in sorted(book.changed)}
    await incidents.save_incidents(work.connection, work.vault, changed)
    await incidents.save_reports(work.connection, book.new_reports)
    await referrals.save_referrals(work.connection, work.vault, book.cases.changed)
    await _save_items(work, book, {str(key) for key in new})
    if book.cases.facts:
        await asyncio.to_thread(publication.publish, work, _kept(book))


def _kept(book: Book) -> list[tuple[Fact, RecalledRecord]]:
    """
    The facts, each with what has to be known again of it should this database be set back.

    An incident goes with its first fact only: it names everybody, and may have as many referrals.
    """
    kept, told = [], set()
    for fact in book.cases.facts:
        referral = fact.referral
        is_first = referral.incident is not None and referral.incident not in told
        record = RecalledRecord(
            referral=referral,
            into=book.cases.get(referral.into),
            person=fact.person or book.directory.get(referral.person),
            incident=book.incidents.get(referral.incident) if referral.incident and is_first else None,
        )
        told.add(referral.incident)
        kept.append((fact, record))
    return kept


async def _book(
    work: UnitOfWork,
    claimed: Mapping[UUID, str],
    known: Mapping[UUID, Incident],
    arrivals: Sequence[Arrival],
    names: Names = NOBODY,
) -> Book:
    book = empty_book(work)
    book.incidents = dict(known)
    names = names.union(
        *(names_in(book, incident) for incident in known.values()),
        *(_names_of(book, arrival.report, arrival.source.id) for arrival in arrivals),
    )
    book.seen = await incidents.seen_reports(work.connection, [arrival.report_key for arrival in arrivals])
    person_ids = await referrals.people_of(work.connection, known)
    found = await people.people_known_as(work.connection, work.vault, names, person_ids)
    close = await people.people_close_to(work.connection, work.vault, found)
    book.directory = Directory([*found, *close])
    locked = await referrals.lock_referrals(
        work.connection, work.vault, incidents=claimed, people=[person.person_id for person in found]
    )
    book.cases = Cases(locked)
    book.strangers = await people.strangers(work.connection, names)
    return book


async def _save_items(work: UnitOfWork, book: Book, new: set[str]) -> None:
    for change in book.items.values():
        if change.wanted:
            await work.open_item(
                change.kind,
                subject=change.subject,
                programme=change.programme,
                reason=change.reason,
                urgent=change.kind == UNRESOLVED,  # somebody waits while a clock runs
            )
        elif change.subject not in new:
            await work.resolve_item(change.kind, subject=change.subject)


def names_in(book: Book, incident: Incident) -> Names:
    """Everything that the people of an incident are called."""
    return _names_of(book, incident.report, incident.source)


def _names_of(book: Book, report: IncidentReport, source_id: str) -> Names:
    reporter = (report.reporter,) if report.reporter else ()
    return NOBODY.union(*(book.naming.of(person, source_id) for person in (*report.participants, *reporter)))
