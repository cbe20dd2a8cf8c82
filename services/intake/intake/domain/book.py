"""Everything that a decision rests on, loaded before it and read off after it."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from intake.domain.cases import Cases, Referral, Standing
from intake.domain.incident import IncidentReport, Participant
from intake.domain.people import NOBODY, Directory, Names, Naming, Person

ADVERSE_EVENT = "adverse-event"


class TriggerRules(Protocol):
    """Which reports lead to outreach."""

    @property
    def severity_at_least(self) -> int:
        """The least gravity, 0-5."""

    @property
    def unknown_severity(self) -> bool:
        """Whether a report that states no gravity counts."""

    @property
    def actuality(self) -> AbstractSet[str]:
        """Which of actual and potential count."""


class ProgrammeRules(Protocol):
    """What intake needs of a programme."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def digest(self) -> str:
        """The version of its file."""

    @property
    def organisation(self) -> str:
        """Whose programme it is."""

    @property
    def doors(self) -> AbstractSet[str]:
        """The doors that it has."""

    @property
    def trigger(self) -> TriggerRules:
        """Which incidents it reaches out after."""

    def serves(self, attributes: dict[str, str], /) -> bool:
        """Whether a person with these attributes belongs to its audience."""


@dataclass(frozen=True)
class SourceTerms:
    """What the decisions need of an incident system."""

    id: str
    organisation: str
    age_limit: timedelta


@dataclass(frozen=True)
class Sighting:
    """Somebody who is held for a person's decision, and when they were first due."""

    names: Names
    at: datetime


@dataclass(frozen=True)
class Incident:
    """What all reports of an incident say together, and what was asked about it."""

    key: UUID
    source: str
    report: IncidentReport
    received_at: datetime
    held: tuple[Sighting, ...] = ()
    age_waived: bool = False
    """A coordinator has said that it is not too late."""
    asked: bool = False
    """Whether a person was asked whom the report means; asked once."""


@dataclass(frozen=True)
class ItemChange:
    """An item to be put on, or taken off, the worklist of an incident."""

    kind: str
    subject: str
    wanted: bool
    reason: str = ""
    programme: str | None = None


@dataclass
class Book:
    """The working set of a transaction: decisions read it and write their results into it."""

    naming: Naming
    programmes: Sequence[ProgrammeRules]
    allot: Callable[[str, str, str, str], UUID]
    """Gives the referral id of (programme, source or door, incident or request, person)."""
    directory: Directory = field(default_factory=Directory)
    cases: Cases = field(default_factory=Cases)
    incidents: dict[UUID, Incident] = field(default_factory=dict)
    seen: dict[UUID, bool] = field(default_factory=dict)
    """Reports taken before, and whether each contradicted its incident."""
    strangers: Names = NOBODY
    """Names of people of whom somebody said that they are no physicians."""
    changed: set[UUID] = field(default_factory=set)
    new_reports: dict[UUID, tuple[UUID, bool]] = field(default_factory=dict)
    items: dict[tuple[str, str], ItemChange] = field(default_factory=dict)

    def keep(self, incident: Incident) -> None:
        """Remember an incident as it now is."""
        if self.incidents.get(incident.key) != incident:
            self.incidents[incident.key] = incident
            self.changed.add(incident.key)

    def remember_report(self, report_key: UUID, incident: UUID, *, conflict: bool) -> None:
        """Remember that this very report was taken, so that it is taken once however often it comes."""
        self.seen[report_key] = conflict
        self.new_reports[report_key] = (incident, conflict)

    def item(self, kind: str, incident: UUID, *, wanted: bool, reason: str = "", programme: str | None = None) -> None:
        """Put an item about an incident on the worklist, or take it off."""
        subject = str(incident)
        self.items[(kind, subject)] = ItemChange(kind, subject, wanted, reason, programme)

    def offering(self, organisation: str) -> list[ProgrammeRules]:
        """The organisation's programmes that reach out after incidents."""
        return [p for p in self.programmes if p.organisation == organisation and ADVERSE_EVENT in p.doors]

    def serving(self, organisation: str, person: Person) -> ProgrammeRules | None:
        """The first of them whose audience holds this person."""
        offering = self.offering(organisation)
        return next((p for p in offering if p.serves(dict(person.attributes))), None)

    def names_of(self, participant: Participant, incident: Incident) -> Names:
        """Everything that an incident's source calls a person."""
        return self.naming.of(participant, incident.source)

    def referrals_of(self, incident: Incident, names: Names, person: Person | None) -> list[Referral]:
        """One person's referrals for an incident, the one that counts first: several if named apart at first."""
        person_id = person.person_id if person else None

        def is_theirs(referral: Referral) -> bool:
            if person_id is not None and referral.person is not None:
                return referral.person == person_id
            return bool(referral.names & names)

        theirs = [referral for referral in self.cases.of_incident(incident.key) if is_theirs(referral)]
        return sorted(theirs, key=lambda r: (r.person is None, r.standing == Standing.WITHDRAWN))


def is_triggered(trigger: TriggerRules, report: IncidentReport) -> bool:
    """Whether a programme reaches out after such a report; unknown gravity is the programme's choice."""
    if report.actuality not in trigger.actuality:
        return False
    if report.severity is None:
        return trigger.unknown_severity
    return report.severity >= trigger.severity_at_least


def excluded_from(book: Book, incident: Incident, person: Person) -> Names:
    """Names of everybody who must not be asked to support this person after this incident."""
    reporter = (incident.report.reporter,) if incident.report.reporter else ()
    found = book.directory.close_to(person)
    for other in (*incident.report.participants, *reporter):
        names = book.names_of(other, incident)
        if not names & person.names:
            found |= book.naming.identified(other) | book.directory.identified(names)
    return found - person.identified


def still_held(incident: Incident, names: Names) -> Sighting | None:
    """The note that somebody is held, if they are."""
    return next((sighting for sighting in incident.held if sighting.names & names), None)


def hold(incident: Incident, names: Names, at: datetime) -> Incident:
    """Note that somebody is due but held since `at`."""
    if still_held(incident, names):
        return incident
    return replace(incident, held=(*incident.held, Sighting(names, at)))
