"""Whom a report refers: the directory, the programme, who is excluded, and what a physician wishes."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from intake.domain.book import is_triggered
from intake.domain.cases import FactKind, Standing, Withdrawal, withdraw_person
from intake.domain.incident import Contact, Identifier, Involvement, Participant
from intake.domain.outcomes import note_step
from intake.domain.people import ContactData, Directory, Person
from intake.domain.referring import (
    Tally,
    dismiss,
    look_again,
    tally_of,
)
from intake.domain.settling import (
    UNRESOLVED,
)

from tests.unit.intake.test_referring import HOUR, a_book_that_knows, facts, last, take, wanted
from tests.unit.intake.test_referring_property import (
    NOON,
    TERMS,
    Programme,
    a_book,
    a_participant,
    a_person,
    a_report,
    an_id,
)


def test_who_was_named_in_two_ways_before_anybody_knew_them_is_referred_once() -> None:
    book = a_book_that_knows()
    take(book, 1, a_participant(1, "npi"))
    take(book, 1, a_participant(1, "reference"))
    assert facts(book) == ["unresolved", "unresolved"]

    book.directory = Directory([a_person(1)])
    look_again(book, an_id("incident", 1), TERMS, NOON + HOUR)

    assert sorted(facts(book)[2:]) == ["created", "withdrawn"]
    assert last(book, FactKind.WITHDRAWN).withdrawal == Withdrawal.NOT_ELIGIBLE
    assert tally_of(book, an_id("incident", 1)) == Tally(offered=1)


def test_who_was_unknown_keeps_id_and_clock_once_known() -> None:
    book = a_book_that_knows()
    take(book, 1, 1)
    unresolved = last(book, FactKind.UNRESOLVED).referral

    book.directory = Directory([a_person(1)])
    look_again(book, an_id("incident", 1), TERMS, NOON + timedelta(days=20))

    created = last(book, FactKind.CREATED).referral
    assert (created.referral_id, created.received_at) == (unresolved.referral_id, unresolved.received_at)
    assert UNRESOLVED not in wanted(book)


def test_whoever_could_be_two_people_is_put_to_a_person() -> None:
    book = a_book_that_knows(1, 2)
    both = Participant((Identifier("npi", "1"),), ("Practitioner/2",), Involvement.INVOLVED)

    take(book, 1, both)

    assert facts(book) == ["unresolved"]
    assert wanted(book) == {UNRESOLVED}


def test_a_nurse_whom_the_directory_knows_is_a_count_and_no_item() -> None:
    book = a_book()
    book.directory = Directory([a_person(1, "nurse")])

    arrival = take(book, 1, 1)

    assert tally_of(book, arrival.incident) == Tally(not_eligible=1)
    assert (facts(book), wanted(book)) == ([], set())


def test_no_physician_is_remembered_until_the_directory_says_otherwise() -> None:
    book = a_book_that_knows()
    first = take(book, 1, 1)

    names = dismiss(book, first.incident, TERMS, NOON)
    second = tally_of(book, take(book, 2, 1).incident)
    book.directory = Directory([a_person(1)])
    take(book, 3, 1)

    assert (names, second) == (frozenset({"npi=1"}), Tally(not_eligible=1))
    assert facts(book) == ["unresolved", "withdrawn", "created"]


def test_an_informant_is_not_contacted_and_not_asked_to_support() -> None:
    book = a_book_that_knows(1, 2)

    take(book, 1, 1, a_participant(2, involvement=Involvement.INFORMANT), reporter=a_participant(3))

    assert facts(book) == ["created"]
    assert last(book, FactKind.CREATED).referral.excluded == a_person(2).identified | {"npi=3"}


def test_nobody_is_excluded_from_their_own_matching_by_an_identifier_or_address_of_theirs() -> None:
    book = a_book()
    one, other = (replace(a_person(n), identified=a_person(n).identified | {"email=ward"}) for n in (1, 2))
    book.directory = Directory([one, other])
    badge = Participant((Identifier("npi", "1"), Identifier("badge", "7")), (), Involvement.INVOLVED)

    take(book, 1, badge, 2)

    created = [fact.referral for fact in book.cases.facts]
    assert [referral.excluded for referral in created] == [{"npi=2"}, {"npi=1", "badge=7"}]


def test_supervisors_and_team_are_never_asked() -> None:
    def person(number: int, supervisors: set[str], teams: set[str]) -> Person:
        plain = a_person(number)
        return Person(
            plain.person_id, plain.identified | {f"staff={number}"}, plain.references, plain.attributes,
            ContactData("N"), frozenset(supervisors), frozenset(teams),
        )  # fmt: skip

    book = a_book()
    book.directory = Directory(
        [person(1, {"npi=2"}, {"team=a"}), person(2, set(), set()), person(3, set(), {"team=a"})]
    )

    take(book, 1, 1)

    excluded = last(book, FactKind.CREATED).referral.excluded
    assert {"npi=2", "staff=2", "npi=3", "staff=3"} <= excluded
    assert not excluded & {"npi=1", "staff=1"}


@pytest.mark.parametrize(
    ("severity", "actuality", "triggered"),
    [(0, "actual", False), (1, "actual", True), (5, "potential", False), (None, "actual", True)],
)
def test_a_trigger_looks_at_gravity_and_at_whether_it_happened(
    severity: int | None, actuality: Any, triggered: bool
) -> None:
    assert is_triggered(Programme().trigger, a_report(1, severity=severity, actuality=actuality)) is triggered


def test_a_programme_may_leave_out_what_states_no_gravity() -> None:
    trigger = SimpleNamespace(severity_at_least=0, unknown_severity=False, actuality=frozenset({"actual"}))

    assert not is_triggered(trigger, a_report(1, severity=None))


def test_the_first_programme_that_serves_the_person_takes_them() -> None:
    book = a_book_that_knows(1)
    residents = Programme(id="residents")
    residents.serves = lambda _attributes: False  # type: ignore[method-assign]  # an audience of nobody
    book.programmes = [residents, Programme(id="elsewhere", organisation="other"), Programme(id="all")]

    take(book, 1, 1, 2)

    assert [fact.referral.programme for fact in book.cases.facts] == ["all", "residents"]


def test_an_organisation_without_that_door_refers_nobody() -> None:
    book = a_book_that_knows(1)
    book.programmes = [Programme(doors=frozenset({"self"}))]

    arrival = take(book, 1, 1, 2)

    assert tally_of(book, arrival.incident) == Tally(not_eligible=2)
    assert wanted(book) == set()


def test_a_trusted_source_s_contact_data_travels_with_the_referral() -> None:
    book = a_book_that_knows(1)
    contact = Contact(email="new@example.org")

    take(book, 1, Participant((Identifier("npi", "1"),), (), Involvement.INVOLVED, contact))

    assert last(book, FactKind.CREATED).referral.inputs.contact == contact


def test_the_physicians_wish_ends_a_case_even_when_asked_through_a_joined_referral() -> None:
    book = a_book_that_knows(1)
    take(book, 1, 1)
    take(book, 2, 1)

    withdraw_person(book.cases, last(book, FactKind.JOINED).referral)
    note_step(book.cases, book.directory, last(book, FactKind.JOINED).referral.referral_id, "join-refused")

    assert facts(book) == ["created", "joined", "withdrawn", "withdrawn"]
    assert all(referral.standing == Standing.WITHDRAWN for referral in book.cases)


def test_the_physicians_wish_ends_the_case_that_a_retracted_referral_had_joined() -> None:
    book = a_book_that_knows(1)
    take(book, 1, 1)
    take(book, 2, 1)
    joined = last(book, FactKind.JOINED).referral.referral_id
    take(book, 2, 1, retracted=True)
    retracted = book.cases.get(joined)
    assert retracted is not None

    assert withdraw_person(book.cases, retracted)

    case = last(book, FactKind.CREATED).referral.referral_id
    wishes = [fact.referral.referral_id for fact in book.cases.facts if fact.withdrawal is Withdrawal.WITHDRAWN]
    assert wishes == [case]
    assert not withdraw_person(book.cases, retracted)


def test_the_physicians_wish_outweighs_a_retraction_that_outreach_declines() -> None:
    book = a_book_that_knows(1)
    take(book, 1, 1)
    case = last(book, FactKind.CREATED).referral.referral_id
    take(book, 1, 1, retracted=True)
    taken_back = book.cases.get(case)
    assert taken_back is not None

    assert withdraw_person(book.cases, taken_back)
    note_step(book.cases, book.directory, case, "retraction-declined")

    after = book.cases.get(case)
    assert after is not None
    assert after.standing == Standing.WITHDRAWN
    assert last(book, FactKind.WITHDRAWN).withdrawal is Withdrawal.WITHDRAWN
