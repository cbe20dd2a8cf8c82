"""Intake's part of the world: its real rules on a state that can be compared and told apart. No tests here."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

from intake.domain.book import Book, Incident, SourceTerms
from intake.domain.cases import Cases, Fact, FactKind, Referral, Standing, withdraw_person
from intake.domain.incident import Identifier, IncidentReport, Involvement, Participant
from intake.domain.outcomes import STEPS
from intake.domain.people import NOBODY, ContactData, Directory, Names, Naming, Person
from intake.domain.referring import Arrival, dismiss, look_again, take_report

from tests.unit.protocol.rules import Rules

AT = datetime(2026, 11, 18, 15, tzinfo=UTC)
TERMS = SourceTerms("risk", "org", timedelta(days=14))


class Said(NamedTuple):
    """What intake publishes about a referral; `into` is the number of the case it joined."""

    kind: str
    sequence: int
    withdrawal: str = ""
    into: int = -1


class Command(NamedTuple):
    """
    Something that comes to intake about one referral (by its incident's number): `verb` says what.

    `into` is the incident of the case that a join was refused into.
    """

    verb: str
    number: int = 0
    into: UUID | None = None


class Intake(NamedTuple):
    """All that intake knows."""

    referrals: tuple[Referral, ...] = ()
    incidents: tuple[Incident, ...] = ()
    seen: tuple[tuple[UUID, bool], ...] = ()
    knows_person: bool = True
    strangers: Names = NOBODY

    def standing(self, number: int) -> Standing | None:
        """Where the referral of an incident stands; None before there is one."""
        found = self.referral(number)
        return found.standing if found else None

    def referral(self, number: int) -> Referral | None:
        """The physician's referral for this incident."""
        return next((each for each in self.referrals if each.incident == incident_key(number)), None)

    def number_of(self, referral_id: UUID | None) -> int:
        """The number of the incident that a referral is for."""
        keys = {each.referral_id: each.incident for each in self.referrals}
        return next(number for number in range(10) if incident_key(number) == keys[referral_id])  # type: ignore[index]


@dataclass
class Programme:
    """A programme that reaches out to everybody involved."""

    id: str = "p"
    digest: str = "0" * 16
    organisation: str = "org"
    doors: frozenset[str] = frozenset({"adverse-event"})
    trigger: Any = field(
        default_factory=lambda: SimpleNamespace(
            severity_at_least=0, unknown_severity=True, actuality=frozenset({"actual"})
        )
    )

    def serves(self, _attributes: dict[str, str], /) -> bool:
        return True


def an_id(*parts: object) -> UUID:
    return uuid.uuid5(uuid.NAMESPACE_URL, "|".join(map(str, parts)))


@cache
def incident_key(number: int) -> UUID:
    return an_id("incident", number)


def _pseudonym(system: str, value: str) -> str:
    return f"{system}={value}"


PERSON = Person(
    person_id=an_id("person"),
    identified=frozenset({_pseudonym("npi", "1")}),
    references=NOBODY,
    attributes={},
    contact=ContactData("Somebody"),
)
INVOLVED = Participant((Identifier("npi", "1"),), (), Involvement.INVOLVED)
WITNESS = Participant((Identifier("npi", "9"),), (), Involvement.INFORMANT)


def obey(intake: Intake, command: Command, rules: Rules) -> tuple[Intake, tuple[tuple[int, Said], ...]]:
    """What intake is after a command, and what it publishes: (number of the referral, what), in order."""
    book = Book(Naming(_pseudonym), [Programme()], an_id)
    knows = intake.knows_person or command.verb == "load"
    book.directory = Directory([PERSON] if knows else [])
    book.cases = Cases(intake.referrals)
    book.incidents = {incident.key: incident for incident in intake.incidents}
    book.seen, book.strangers = dict(intake.seen), intake.strangers
    _act(book, command, rules)
    after = Intake(
        tuple(book.cases),
        tuple(book.incidents[key] for key in sorted(book.incidents)),
        tuple(sorted(book.seen.items())),
        knows,
        book.strangers,
    )
    return after, tuple(_published(after, fact) for fact in book.cases.facts)


def _act(book: Book, command: Command, rules: Rules) -> None:
    key = incident_key(command.number)
    if command.verb in ("report", "again", "retract"):
        take_report(book, _arrival(command))
    elif command.verb == "load":
        for incident in sorted(book.incidents):
            look_again(book, incident, TERMS, AT)
    elif command.verb == "dismiss":
        dismiss(book, key, TERMS, AT)
    elif command.verb == "wish":
        for referral in book.cases.of_incident(key):
            withdraw_person(book.cases, referral)
        look_again(book, key, TERMS, AT)
    else:
        assert command.verb in STEPS
        into = next((each.referral_id for each in book.cases if each.incident == command.into), None)
        for referral in book.cases.of_incident(key):
            rules.note_step(book.cases, book.directory, referral.referral_id, command.verb, into)


def _arrival(command: Command) -> Arrival:
    people = {"report": (INVOLVED,), "again": (INVOLVED, WITNESS), "retract": (INVOLVED,)}[command.verb]
    report = IncidentReport(
        incident_id=str(command.number),
        occurred_at=AT - timedelta(hours=3),
        detected_at=None,
        recorded_at=AT - timedelta(hours=1),
        actuality="actual",
        severity=3,
        retracted=command.verb == "retract",
        participants=people,
        reporter=None,
        subject_digest=None,
        dropped=(),
        version="R5",
    )
    return Arrival(incident_key(command.number), an_id(command.verb, command.number), report, TERMS, AT)


def _published(intake: Intake, fact: Fact) -> tuple[int, Said]:
    referral = fact.referral
    into = intake.number_of(referral.into) if fact.kind is FactKind.JOINED else -1
    return intake.number_of(referral.referral_id), Said(fact.kind.value, referral.sequence, fact.withdrawal or "", into)
