"""How a further report changes the record of an incident."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intake.domain.incident import (
    Change,
    Identifier,
    IncidentReport,
    Involvement,
    Participant,
    ReportKey,
    is_too_old,
    key_of,
    merge_people,
    received_at,
    union,
)

OCCURRED = datetime(2026, 6, 9, 6, 40, tzinfo=UTC)
FIRST_PATIENT, SECOND_PATIENT = b"1" * 32, b"2" * 32


def person(name: Any, involvement: Any = Involvement.INVOLVED) -> Any:
    return Participant((), (f"Practitioner/{name}",), involvement)


def report(*people: Any, **changes: Any) -> Any:
    plain = IncidentReport(
        incident_id="EV-1",
        occurred_at=OCCURRED,
        detected_at=None,
        recorded_at=None,
        actuality="actual",
        severity=3,
        retracted=False,
        participants=people,
        reporter=None,
        subject_digest=FIRST_PATIENT,
        dropped=(),
        version="R5",
    )
    return replace(plain, **changes)


def test_a_report_is_keyed_by_its_source_and_incident() -> None:
    assert key_of(report(), "risk") == ReportKey("risk", "EV-1")


def test_the_same_report_again_is_a_repeat() -> None:
    update = union(report(person("a")), report(person("a"), dropped=("AdverseEvent.note",)))

    assert update.change == Change.REPEAT
    assert update.added == ()


def test_a_correction_adds_people() -> None:
    update = union(report(person("a")), report(person("a"), person("b")))

    assert update.change == Change.CORRECTION
    assert update.added == (person("b"),)
    assert update.report.participants == (person("a"), person("b"))


def test_a_correction_removes_nobody_and_says_who_is_missing() -> None:
    update = union(report(person("a"), person("b")), report(person("b"), person("c")))

    assert update.report.participants == (person("a"), person("b"), person("c"))
    assert update.missing == (person("a"),)


def test_another_subject_is_the_same_incident_and_a_union() -> None:
    first = report(person("a"), severity=4, actuality="actual")
    second = report(person("b"), severity=1, actuality="potential", subject_digest=SECOND_PATIENT)

    update = union(first, second)

    assert update.change == Change.ANOTHER_SUBJECT
    assert update.report.participants == (person("a"), person("b"))
    assert (update.report.severity, update.report.actuality) == (4, "actual")
    assert (update.added, update.missing) == ((person("b"),), ())


@pytest.mark.parametrize("subject", [FIRST_PATIENT, SECOND_PATIENT])
def test_another_date_and_other_people_are_a_conflict_for_a_person(subject: Any) -> None:
    previous = report(person("a"))
    reused = report(person("z"), occurred_at=OCCURRED + timedelta(days=90), subject_digest=subject)

    update = union(previous, reused)

    assert update.change == Change.CONFLICT
    assert update.report == previous


def test_another_date_with_a_person_in_common_is_a_correction() -> None:
    update = union(report(person("a")), report(person("a"), occurred_at=OCCURRED + timedelta(days=90)))

    assert update.change == Change.CORRECTION
    assert update.report.occurred_at == OCCURRED + timedelta(days=90)


def test_a_date_corrected_by_hours_is_no_conflict() -> None:
    update = union(report(person("a")), report(person("b"), occurred_at=OCCURRED + timedelta(hours=23)))

    assert update.change == Change.CORRECTION


def test_a_retraction_keeps_the_people_who_may_have_been_contacted() -> None:
    update = union(report(person("a")), report(retracted=True, severity=None))

    assert update.change == Change.RETRACTION
    assert update.report == report(person("a"), retracted=True)


def test_a_second_retraction_changes_nothing() -> None:
    retracted = report(person("a"), retracted=True)

    update = union(retracted, report(retracted=True, severity=None))

    assert update.change == Change.REPEAT
    assert update.report == retracted


def test_a_report_after_its_retraction_is_for_a_person() -> None:
    retracted = report(person("a"), retracted=True)

    update = union(retracted, report(person("a"), person("b")))

    assert update.change == Change.CONFLICT
    assert update.report == retracted


def test_an_informant_who_turns_out_to_be_involved_is_added() -> None:
    update = union(report(person("a", Involvement.INFORMANT)), report(person("a")))

    assert update.added == (person("a"),)


def test_an_involved_person_does_not_become_less_so() -> None:
    update = union(report(person("a")), report(person("a", Involvement.INFORMANT)))

    assert update.added == ()
    assert update.report.participants == (person("a"),)


def test_a_silent_correction_takes_nothing_back() -> None:
    update = union(report(person("a")), report(person("a"), severity=None, occurred_at=None))

    assert (update.report.severity, update.report.occurred_at) == (3, OCCURRED)


def test_an_entry_that_shares_something_with_two_others_makes_them_one() -> None:
    one, two = Identifier("npi", "1"), Identifier("staff", "2")
    people = [Participant((i,), (f"Practitioner/{i.value}",), Involvement.AUTHOR) for i in (one, two)]

    merged = merge_people([*people, Participant((one, two), (), Involvement.INVOLVED)])

    assert merged == (Participant((one, two), ("Practitioner/1", "Practitioner/2"), Involvement.INVOLVED),)


@given(st.lists(st.sets(st.sampled_from("abcdef"), min_size=1), max_size=8))
def test_merging_neither_loses_nor_doubles_anybody(groups: Any) -> None:
    people = [
        Participant((), tuple(f"Practitioner/{name}" for name in sorted(group)), Involvement.INVOLVED)
        for group in groups
    ]

    merged = merge_people(people)

    names = [reference for person in merged for reference in person.references]
    assert len(names) == len(set(names))
    assert set(names) == {f"Practitioner/{name}" for group in groups for name in group}


def test_a_report_counts_from_its_recording_but_never_from_the_future() -> None:
    arrived = OCCURRED + timedelta(hours=5)
    recorded = OCCURRED + timedelta(hours=1)

    assert received_at(report(recorded_at=recorded), arrived) == recorded
    assert received_at(report(recorded_at=arrived + timedelta(hours=1)), arrived) == arrived
    assert received_at(report(), arrived) == arrived


def test_an_incident_is_too_old_only_beyond_the_limit() -> None:
    limit = timedelta(days=14)

    assert not is_too_old(report(), OCCURRED + limit, limit)
    assert is_too_old(report(), OCCURRED + limit + timedelta(seconds=1), limit)
    assert not is_too_old(report(occurred_at=None), OCCURRED + timedelta(days=400), limit)
