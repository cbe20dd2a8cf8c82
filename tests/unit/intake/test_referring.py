"""The rules by which reports become referrals, one by one."""

from datetime import timedelta
from typing import Any

import pytest
from intake.domain.book import Book, Incident, SourceTerms
from intake.domain.cases import Fact, FactKind, Withdrawal
from intake.domain.incident import Participant
from intake.domain.outcomes import note_step
from intake.domain.people import Directory
from intake.domain.referring import (
    Arrival,
    take_report,
)
from intake.domain.settling import (
    CONFLICTING_REPORT,
    PARTICIPANT_REMOVED,
)

from tests.unit.intake.test_referring_property import (
    NOON,
    TERMS,
    a_book,
    a_participant,
    a_person,
    a_report,
    an_arrival,
    an_id,
)

HOUR = timedelta(hours=1)


def a_book_that_knows(*numbers: int) -> Book:
    book = a_book()
    book.directory = Directory([a_person(number) for number in numbers])
    return book


def take(book: Book, incident: int, *people: Participant | int, at: Any = NOON, **said: Any) -> Arrival:
    named = (a_participant(person) if isinstance(person, int) else person for person in people)
    arrival = an_arrival(incident, a_report(incident, *named, **said), at)
    take_report(book, arrival)
    return arrival


def facts(book: Book) -> list[str]:
    return [fact.kind.value for fact in book.cases.facts]


def last(book: Book, kind: FactKind) -> Fact:
    return [fact for fact in book.cases.facts if fact.kind == kind][-1]


def wanted(book: Book) -> set[str]:
    return {item.kind for item in book.items.values() if item.wanted}


def test_the_clock_starts_when_the_report_was_recorded_never_at_the_event() -> None:
    book = a_book_that_knows(1)

    take(book, 1, 1)

    assert last(book, FactKind.CREATED).referral.received_at == NOON - HOUR


def test_the_clock_starts_at_arrival_where_the_record_is_dated_later() -> None:
    book = a_book_that_knows(1)

    take(book, 1, 1, recorded_at=NOON + HOUR)

    assert last(book, FactKind.CREATED).referral.received_at == NOON


def test_whoever_a_correction_adds_is_received_when_it_arrives() -> None:
    book = a_book_that_knows(1, 2)
    take(book, 1, 1)

    take(book, 1, 1, 2, at=NOON + 5 * HOUR, recorded_at=NOON)

    assert last(book, FactKind.CREATED).referral.received_at == NOON + 5 * HOUR
    assert facts(book) == ["created", "created", "amended"]


def test_a_correction_tells_the_others_referrals_of_whom_it_adds() -> None:
    book = a_book_that_knows(1, 2)
    take(book, 1, 1)

    take(book, 1, 1, 2)

    assert last(book, FactKind.AMENDED).referral.excluded >= a_person(2).identified


def test_what_a_joined_referral_learns_is_told_to_the_case_that_took_it() -> None:
    book = a_book_that_knows(1, 2)
    take(book, 1, 1)
    take(book, 2, 1)

    take(book, 2, 1, 2)

    amended = last(book, FactKind.AMENDED).referral
    assert amended.incident == an_id("incident", 1)
    assert amended.excluded >= a_person(2).identified


def test_an_original_that_comes_again_after_its_correction_changes_nothing() -> None:
    book = a_book_that_knows(1, 2)
    original = take(book, 1, 1, 2)
    take(book, 1, 1)
    book.items.clear()
    before = book.incidents[original.incident]

    assert take_report(book, original)

    assert (book.incidents[original.incident], wanted(book)) == (before, set())


def test_an_original_that_comes_again_after_its_retraction_is_no_conflict() -> None:
    book = a_book_that_knows(1)
    original = take(book, 1, 1)
    take(book, 1, 1, retracted=True)

    assert take_report(book, original)
    assert wanted(book) == set()


def test_a_conflict_stays_a_conflict_however_often_it_comes() -> None:
    book = a_book_that_knows(1, 2)
    take(book, 1, 1)
    other = an_arrival(1, a_report(1, a_participant(2), occurred_at=NOON - timedelta(days=3)))

    answers = [take_report(book, other) for _ in range(3)]

    assert answers == [False, False, False]
    assert wanted(book) == {CONFLICTING_REPORT}
    assert facts(book) == ["created"]


def test_a_removed_participant_is_put_to_a_person_if_they_have_a_referral() -> None:
    book = a_book_that_knows(1, 2)
    take(book, 1, 1, 2)

    take(book, 1, 1)

    assert PARTICIPANT_REMOVED in wanted(book)
    assert "withdrawn" not in facts(book)


def test_a_case_stands_on_for_another_incident_when_its_own_is_retracted() -> None:
    book = a_book_that_knows(1)
    take(book, 1, 1)
    take(book, 2, 1)

    take(book, 1, 1, retracted=True)
    assert facts(book) == ["created", "joined"]
    take(book, 2, 1, retracted=True)

    assert facts(book) == ["created", "joined", "withdrawn", "withdrawn"]
    assert {fact.withdrawal for fact in book.cases.facts[2:]} == {Withdrawal.RETRACTED}


@pytest.mark.parametrize(("step", "becomes"), [("closed", "created"), ("retraction-declined", "joined")])
def test_a_trigger_during_a_retraction_waits_for_outreach_to_say_whether_the_case_ends(step: str, becomes: str) -> None:
    book = a_book_that_knows(1)
    take(book, 1, 1)
    case = last(book, FactKind.CREATED).referral.referral_id
    take(book, 1, 1, retracted=True)

    take(book, 2, 1)
    assert facts(book) == ["created", "withdrawn"]
    note_step(book.cases, book.directory, case, step)

    assert facts(book) == ["created", "withdrawn", becomes]


def test_several_who_waited_become_one_case() -> None:
    book = a_book_that_knows(1)
    take(book, 1, 1)
    case = last(book, FactKind.CREATED).referral.referral_id
    take(book, 1, 1, retracted=True)
    take(book, 2, 1)
    take(book, 3, 1)

    note_step(book.cases, book.directory, case, "closed")

    assert facts(book) == ["created", "withdrawn", "created", "joined"]


def test_a_case_that_closes_leaves_its_joined_referrals_refusable_once() -> None:
    book = a_book_that_knows(1)
    take(book, 1, 1)
    take(book, 2, 1)
    joined = last(book, FactKind.JOINED).referral

    for step in ("closed", "join-refused", "join-refused"):
        note_step(book.cases, book.directory, joined.referral_id, step)

    assert facts(book) == ["created", "joined", "created"]
    assert last(book, FactKind.CREATED).referral.received_at == joined.received_at


def test_a_refused_join_proves_that_the_case_is_closed() -> None:
    book = a_book_that_knows(1)
    take(book, 1, 1)
    take(book, 2, 1)
    joined = last(book, FactKind.JOINED).referral

    note_step(book.cases, book.directory, joined.referral_id, "join-refused")
    take(book, 3, 1)

    assert last(book, FactKind.JOINED).referral.into == joined.referral_id


def test_a_case_that_outreach_let_stand_is_not_taken_back_by_a_further_retraction() -> None:
    book = a_book_that_knows(1)
    take(book, 1, 1)
    case = last(book, FactKind.CREATED).referral.referral_id
    take(book, 1, 1, retracted=True)
    note_step(book.cases, book.directory, case, "retraction-declined")
    take(book, 2, 1)

    take(book, 2, 1, retracted=True)
    take(book, 3, 1)

    assert facts(book) == ["created", "withdrawn", "joined", "withdrawn", "joined"]
    assert last(book, FactKind.WITHDRAWN).referral.into == case


def test_a_join_is_refused_only_where_it_stands_now() -> None:
    book = a_book_that_knows(1)
    take(book, 1, 1)
    take(book, 2, 1)
    joined = last(book, FactKind.JOINED).referral
    assert joined.into
    note_step(book.cases, book.directory, joined.into, "closed")
    take(book, 3, 1)
    note_step(book.cases, book.directory, joined.referral_id, "join-refused", joined.into)
    into_the_third = last(book, FactKind.JOINED).referral

    note_step(book.cases, book.directory, joined.referral_id, "join-refused", joined.into)

    assert book.cases.get(joined.referral_id) == into_the_third
    assert facts(book) == ["created", "joined", "created", "joined"]


def test_an_incident_is_kept_with_its_first_receipt() -> None:
    book = a_book_that_knows(1)
    arrival = take(book, 1, 1)
    take(book, 1, 1, 2, at=NOON + HOUR)

    kept = book.incidents[arrival.incident]

    assert isinstance(kept, Incident)
    assert kept.received_at == NOON - HOUR
    assert SourceTerms(kept.source, TERMS.organisation, TERMS.age_limit) == TERMS
