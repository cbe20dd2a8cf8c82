from datetime import date
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matcher.domain import roster
from matcher.domain.roster import Fault, Reading

HEADER = "supporter_id,name,email,phone,zone,programme,active,trained_at,capacity,identifiers,attr_training_programme"
ZONES = available_timezones()


def read(*rows: str, header: str = HEADER) -> Reading:
    return roster.read("\n".join([header, *rows]) + "\n", programmes={"rcaps"}, is_zone=ZONES.__contains__)


def test_a_row_is_a_supporter_with_every_identifier() -> None:
    reading = read(
        's1,"Okafor, A.",a@example.org,+1 (555) 010-0001,America/Toronto,rcaps,yes,2025-03-01,3,'
        "npi|123;urn:oid:1.2|A-7,Surgery"
    )

    (entry,) = reading.entries
    assert (entry.name, entry.active, entry.trained_at, entry.capacity) == (
        "Okafor, A.",
        True,
        date(2025, 3, 1),
        3,
    )
    assert set(entry.people()) == {
        ("npi", "123"),
        ("urn:oid:1.2", "A-7"),
        ("email", "a@example.org"),
        ("phone", "+1 (555) 010-0001"),
    }
    assert entry.attributes == {"training_programme": "Surgery"}


def test_what_is_blank_is_unknown() -> None:
    (entry,) = read("s1,A,a@example.org,,,rcaps,no,,,,").entries

    assert (entry.phone, entry.zone, entry.trained_at, entry.capacity) == (None, None, None, None)
    assert (entry.active, dict(entry.attributes), entry.identifiers) == (False, {}, ())


@pytest.mark.parametrize(
    ("row", "column", "code"),
    [
        (",A,a@example.org,,,rcaps,yes,,,,", "supporter_id", "missing"),
        ("s1,,a@example.org,,,rcaps,yes,,,,", "name", "missing"),
        ("s1,A,nowhere,,,rcaps,yes,,,,", "email", "not-an-address"),
        ("s1,A,a@b@c,,,rcaps,yes,,,,", "email", "not-an-address"),
        ("s1,A,a@example.org,,Mars/Base,rcaps,yes,,,,", "zone", "unknown-zone"),
        ("s1,A,a@example.org,,,other,yes,,,,", "programme", "unknown-programme"),
        ("s1,A,a@example.org,,,rcaps,perhaps,,,,", "active", "not-yes-or-no"),
        ("s1,A,a@example.org,,,rcaps,yes,1.3.2025,,,", "trained_at", "not-a-date"),
        ("s1,A,a@example.org,,,rcaps,yes,,-1,,", "capacity", "not-a-number"),
        ("s1,A,a@example.org,,,rcaps,yes,,,npi:123,", "identifiers", "not-system-and-value"),
        ("s1,A,a@example.org,,,rcaps,yes", "row", "other-number-of-cells"),
        ('s1,"A\r\nBcc: x",a@example.org,,,rcaps,yes,,,,', "name", "not-a-short-text"),
    ],
)
def test_a_faulty_row_is_left_out_and_said_to_be_wrong_without_its_content(row: str, column: str, code: str) -> None:
    reading = read(row, "s2,B,b@example.org,,,rcaps,yes,,,,")

    assert [entry.supporter_id for entry in reading.entries] == ["s2"]
    assert reading.faults == (Fault(2, column, code),)


def test_a_supporter_with_a_faulty_row_is_still_named_so_that_nobody_takes_them_for_gone() -> None:
    reading = read("s1,A,nowhere,,,rcaps,yes,,,,", "s2,B,b@example.org,,,rcaps,yes,,,,")

    assert reading.named == frozenset({"s1", "s2"})


def test_where_a_row_does_not_say_whom_it_is_about_nobody_is_missing() -> None:
    reading = read(",A,a@example.org,,,rcaps,yes,,,,", "s2,B,b@example.org,,,rcaps,yes,,,,")

    assert reading.named is None


def test_a_supporter_who_stands_twice_is_taken_once_and_said() -> None:
    reading = read("s1,A,a@example.org,,,rcaps,yes,,,,", "", "s1,B,b@example.org,,,rcaps,yes,,,,")

    assert [entry.name for entry in reading.entries] == ["A"]
    assert reading.faults == (Fault(4, "supporter_id", "twice"),)


@pytest.mark.parametrize(
    ("header", "column", "code"),
    [
        ("supporter_id,name", "email", "missing-column"),
        (HEADER + ",diagnosis", "header", "unknown-column"),
        (HEADER + ",name", "name", "column-twice"),
        ("", "supporter_id", "missing-column"),
    ],
)
def test_a_faulty_header_leaves_out_everything(header: str, column: str, code: str) -> None:
    reading = read("s1,A,a@example.org,,,rcaps,yes,,,,", header=header)

    assert reading == Reading((), (Fault(1, column, code),), None)


def test_what_is_not_csv_is_said_to_be_so() -> None:
    reading = read('s1,"A"x,a@example.org,,,rcaps,yes,,,,')

    assert reading == Reading((), (Fault(2, "row", "not-csv"),), None)


@given(st.text())
def test_no_text_whatever_breaks_the_reader(text: str) -> None:
    reading = roster.read(text, programmes={"rcaps"}, is_zone=ZONES.__contains__)

    assert reading.entries or reading.faults or reading.named == frozenset()


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_no_row_whatever_breaks_the_reader(row: str) -> None:
    reading = read(row)

    assert all(fault.code for fault in reading.faults)
