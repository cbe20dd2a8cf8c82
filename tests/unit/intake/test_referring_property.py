"""Whatever comes through whichever door, in whichever order and however often: one referral per incident and person."""

import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from intake.domain.book import Book, SourceTerms
from intake.domain.cases import FactKind, Standing, Withdrawal, withdraw_person
from intake.domain.incident import Identifier, IncidentReport, Involvement, Participant
from intake.domain.outcomes import note_step
from intake.domain.people import ContactData, Directory, Naming, Person
from intake.domain.referring import Arrival, look_again, take_report, tally_of
from intake.domain.requests import Request, take_request

NOON = datetime(2026, 6, 9, 12, tzinfo=UTC)
TERMS = SourceTerms("risk", "org", timedelta(days=14))
PEOPLE, INCIDENTS = range(3), range(2)
people = st.sampled_from(PEOPLE)
incidents = st.sampled_from(INCIDENTS)
involvements = st.sampled_from([*[Involvement.INVOLVED] * 4, *Involvement])
ways_of_naming = st.sampled_from(["npi", "reference", "both"])


@dataclass
class Programme:
    """A programme that serves physicians and reaches out after harm of any degree."""

    id: str = "p"
    digest: str = "0" * 16
    organisation: str = "org"
    doors: frozenset[str] = frozenset({"adverse-event", "phone"})
    trigger: Any = field(
        default_factory=lambda: SimpleNamespace(
            severity_at_least=1, unknown_severity=True, actuality=frozenset({"actual"})
        )
    )

    def serves(self, attributes: dict[str, str], /) -> bool:
        return attributes.get("role") == "physician"


def an_id(*parts: object) -> UUID:
    return uuid.uuid5(uuid.NAMESPACE_URL, "|".join(map(str, parts)))


def a_pseudonym(system: str, value: str) -> str:
    return f"{system}={value}"


def a_book() -> Book:
    return Book(naming=Naming(a_pseudonym), programmes=[Programme()], allot=an_id)


def a_person(number: int, role: str = "physician") -> Person:
    naming = Naming(a_pseudonym)
    return Person(
        person_id=an_id("person", number),
        identified=frozenset({a_pseudonym("npi", str(number))}),
        references=naming.references([f"Practitioner/{number}"], "risk"),
        attributes={"role": role},
        contact=ContactData(f"Person {number}"),
    )


def a_participant(number: int, way: str = "npi", involvement: Involvement = Involvement.INVOLVED) -> Participant:
    identifiers = (Identifier("npi", str(number)),) if way != "reference" else ()
    references = (f"Practitioner/{number}",) if way != "npi" else ()
    return Participant(identifiers, references, involvement)


def a_report(incident: int, *named: Participant, **said: Any) -> IncidentReport:
    values: dict[str, Any] = {
        "incident_id": f"EV-{incident}",
        "occurred_at": NOON - timedelta(hours=3),
        "detected_at": None,
        "recorded_at": NOON - timedelta(hours=1),
        "actuality": "actual",
        "severity": 3,
        "retracted": False,
        "participants": named,
        "reporter": None,
        "subject_digest": None,
        "dropped": (),
        "version": "R5",
    }
    return IncidentReport(**values | said)


def an_arrival(incident: int, report: IncidentReport, at: datetime = NOON) -> Arrival:
    return Arrival(an_id("incident", incident), an_id("report", incident, report), report, TERMS, at)


class Doors(RuleBasedStateMachine):
    """Sources, coordinators, the directory and outreach, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.book = a_book()
        self.known = {0: a_person(0)}
        self.book.directory = Directory(self.known.values())
        self.sent: list[Arrival] = []
        self.refused: set[tuple[UUID, UUID | None]] = set()
        self.requests = 0
        self.closed_by_outreach: set[UUID] = set()

    @rule(
        incident=incidents,
        named=st.lists(st.tuples(people, ways_of_naming, involvements), min_size=1, max_size=3),
        harmful=st.sampled_from([True, True, True, False]),
    )
    def report(self, incident: int, named: list[tuple[int, str, Involvement]], harmful: bool) -> None:
        participants = tuple(a_participant(*each) for each in named)
        self._take(an_arrival(incident, a_report(incident, *participants, severity=3 if harmful else 0)))

    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        if self.sent:
            before = len(self.book.cases.facts)
            self._take(data.draw(st.sampled_from(self.sent)))
            assert len(self.book.cases.facts) == before

    @rule(incident=incidents)
    def retract(self, incident: int) -> None:
        self._take(an_arrival(incident, a_report(incident, retracted=True)))

    @rule(number=people, role=st.sampled_from(["physician", "physician", "nurse"]))
    def load_directory(self, number: int, role: str) -> None:
        if number not in self.known:
            self.known[number] = a_person(number, role)
        self.book.directory = Directory(self.known.values())
        for key in sorted(self.book.incidents):
            look_again(self.book, key, TERMS, NOON)

    @rule(number=people)
    def enter_request(self, number: int) -> None:
        if number in self.known and self.known[number].attributes["role"] == "physician":
            self.requests += 1
            request = Request(f"r-{self.requests}", "phone", NOON)
            take_request(self.book, request, self.known[number], Programme())

    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        alive = [
            r.referral_id for r in self.book.cases if r.opened and r.standing in (Standing.OPEN, Standing.WITHDRAWN)
        ]
        if alive:
            case = data.draw(st.sampled_from(alive))
            self.closed_by_outreach.add(case)
            note_step(self.book.cases, self.book.directory, case, "closed")

    @rule(data=st.data())
    def refuse_join(self, data: st.DataObject) -> None:
        """As notifier does: only into a case that it has closed, whether intake has read of that or not."""
        joined = [r for r in self.book.cases if r.standing == Standing.JOINED and r.into in self.closed_by_outreach]
        if joined:
            referral = data.draw(st.sampled_from(joined))
            self.refused.add((referral.referral_id, referral.into))
            note_step(self.book.cases, self.book.directory, referral.referral_id, "join-refused")

    @rule(data=st.data())
    def decline_retraction(self, data: st.DataObject) -> None:
        back = [r.referral_id for r in self.book.cases if r.opened and r.retracted and r.standing == Standing.WITHDRAWN]
        if back:
            note_step(self.book.cases, self.book.directory, data.draw(st.sampled_from(back)), "retraction-declined")

    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        open_ = [r for r in self.book.cases if r.standing == Standing.OPEN]
        if open_:
            withdraw_person(self.book.cases, data.draw(st.sampled_from(open_)))

    def _take(self, arrival: Arrival) -> None:
        self.sent.append(arrival)
        take_report(self.book, arrival)

    @invariant()
    def each_incident_and_person_is_offered_once(self) -> None:
        offered: Counter[tuple[UUID, UUID]] = Counter()
        for fact in self.book.cases.facts:
            accepted_join = (fact.kind == FactKind.JOINED) and (
                (fact.referral.referral_id, fact.referral.into) not in self.refused
            )
            if (fact.kind == FactKind.CREATED or accepted_join) and fact.referral.incident and fact.referral.person:
                offered[(fact.referral.incident, fact.referral.person)] += 1
        assert all(times == 1 for times in offered.values())

    @invariant()
    def nobody_who_is_due_is_missed(self) -> None:
        for key, incident in self.book.incidents.items():
            if incident.report.retracted or incident.report.severity != 3:
                continue
            for participant in incident.report.involved:
                names = self.book.names_of(participant, incident)
                person = self.book.directory.one_known_as(names)
                theirs = self.book.referrals_of(incident, names, person)
                if person is None or person.attributes["role"] == "physician":
                    assert theirs, "somebody involved has no referral"
                    assert person is None or theirs[0].standing != Standing.UNRESOLVED
                else:
                    assert all(r.standing in (Standing.WITHDRAWN, Standing.CLOSED) for r in theirs)
            assert tally_of(self.book, key).to_decide == len(incident.report.to_decide)

    @invariant()
    def whoever_waits_waits_for_a_case_that_is_not_settled(self) -> None:
        for referral in self.book.cases:
            if referral.standing == Standing.WAITING:
                case = self.book.cases.get(referral.into)
                assert case is not None
                assert case.standing == Standing.WITHDRAWN

    @invariant()
    def a_referral_is_created_once_and_joins_each_case_once_and_numbers_have_no_gap(self) -> None:
        kinds = Counter((fact.kind, fact.referral.referral_id, fact.referral.into) for fact in self.book.cases.facts)
        once = (FactKind.CREATED, FactKind.JOINED, FactKind.UNRESOLVED)
        assert all(times == 1 for (kind, _, _), times in kinds.items() if kind in once)
        numbers: dict[UUID, list[int]] = {}
        for fact in self.book.cases.facts:
            numbers.setdefault(fact.referral.referral_id, []).append(fact.referral.sequence)
        assert all(found == list(range(1, len(found) + 1)) for found in numbers.values())

    @invariant()
    def nobody_has_two_open_cases_in_a_programme(self) -> None:
        cases = Counter((r.programme, r.person) for r in self.book.cases if r.standing == Standing.OPEN)
        assert all(count == 1 for count in cases.values())

    @invariant()
    def nobody_of_the_incident_may_be_asked_to_support(self) -> None:
        for referral in self.book.cases:
            if referral.standing != Standing.OPEN or referral.incident is None or referral.person is None:
                continue
            incident = self.book.incidents[referral.incident]
            person = self.book.directory.get(referral.person)
            assert person is not None
            assert not referral.excluded & person.identified
            if incident.report.retracted:
                continue
            for participant in incident.report.participants:
                names = self.book.names_of(participant, incident)
                if not names & person.names:
                    others = self.book.naming.identified(participant) | self.book.directory.identified(names)
                    assert others <= referral.excluded


Doors.TestCase.settings = settings(max_examples=150, stateful_step_count=20)
TestDoors = Doors.TestCase


def test_a_withdrawal_names_its_reason() -> None:
    book = a_book()
    book.directory = Directory([a_person(1)])
    take_report(book, an_arrival(1, a_report(1, a_participant(1))))

    take_report(book, an_arrival(1, a_report(1, retracted=True)))

    assert [fact.withdrawal for fact in book.cases.facts] == [None, Withdrawal.RETRACTED]
