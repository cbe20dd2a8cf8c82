"""Reports that leave open whom they concern: what waits for a person, one by one."""

from datetime import timedelta

from intake.domain.cases import FactKind
from intake.domain.incident import Involvement
from intake.domain.people import Directory
from intake.domain.referring import (
    Tally,
    add_people,
    look_again,
    offer_late,
    tally_of,
)
from intake.domain.settling import (
    DECIDE_INVOLVEMENT,
    NOBODY_NAMED,
    OLD_REPORT,
)

from tests.unit.intake.test_referring import HOUR, a_book_that_knows, facts, last, take, wanted
from tests.unit.intake.test_referring_property import (
    NOON,
    TERMS,
    a_book,
    a_participant,
    a_person,
)


def test_a_late_report_is_held_for_a_person_and_keeps_its_clock_when_let_through() -> None:
    book = a_book_that_knows(1)
    arrival = take(book, 1, 1, occurred_at=NOON - timedelta(days=15))
    assert (facts(book), wanted(book)) == ([], {OLD_REPORT})
    assert tally_of(book, arrival.incident) == Tally(held=1)

    offer_late(book, arrival.incident, TERMS, NOON + timedelta(days=1))

    assert last(book, FactKind.CREATED).referral.received_at == NOON - HOUR


def test_the_directory_alone_never_reaches_out_after_an_old_incident() -> None:
    book = a_book()
    book.directory = Directory([a_person(1, "nurse")])
    arrival = take(book, 1, 1)

    book.directory = Directory([a_person(1)])
    look_again(book, arrival.incident, TERMS, NOON + timedelta(days=30))

    assert facts(book) == []
    assert tally_of(book, arrival.incident) == Tally(not_eligible=1)


def test_an_incident_that_names_nobody_is_asked_about_once() -> None:
    book = a_book_that_knows(1)
    arrival = take(book, 1)
    assert wanted(book) == {NOBODY_NAMED}
    book.items.clear()

    take(book, 1, severity=4)
    assert wanted(book) == set()
    add_people(book, arrival.incident, (a_participant(1),), TERMS, NOON + HOUR)

    assert last(book, FactKind.CREATED).referral.received_at == NOON + HOUR


def test_only_newly_named_authors_are_asked_about_again() -> None:
    book = a_book_that_knows(1)
    author, other = (a_participant(number, involvement=Involvement.AUTHOR) for number in (2, 3))
    take(book, 1, 1, author)
    assert wanted(book) == {DECIDE_INVOLVEMENT}
    book.items.clear()

    take(book, 1, 1, author, severity=4)
    assert wanted(book) == set()
    take(book, 1, 1, author, other)

    assert wanted(book) == {DECIDE_INVOLVEMENT}


def test_an_incident_that_was_retracted_before_anything_else_came_refers_nobody() -> None:
    book = a_book_that_knows(1)

    arrival = take(book, 1, 1, retracted=True)

    assert (facts(book), wanted(book), tally_of(book, arrival.incident)) == ([], set(), Tally())
