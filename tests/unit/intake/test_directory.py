"""The directory of physicians, from FHIR and from CSV."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from intake.domain.incident import Identifier
from intake.readers.directory import read_directory
from intake.readers.faults import RowFault, UnreadableReport
from intake.sources import DirectoryTable, SourceRules

NPI = "http://hl7.org/fhir/sid/us-npi"


def practitioner(**changes: Any) -> Any:
    return {
        "resourceType": "Practitioner",
        "id": "dr-77",
        "identifier": [{"system": NPI, "value": "1"}, {"system": NPI, "value": "0", "use": "old"}],
        "name": [{"use": "nickname", "text": "Doc"}, {"family": "Okafor", "given": ["Ada", "N."]}],
        "telecom": [
            {"system": "email", "value": "home@example.org", "use": "home"},
            {"system": "email", "value": "work@example.org", "use": "work"},
            {"system": "phone", "value": "+1 207 555 0100"},
        ],
        "communication": [{"coding": [{"code": "en"}]}],
        **changes,
    }


def role(**changes: Any) -> Any:
    return {
        "resourceType": "PractitionerRole",
        "id": "r-1",
        "practitioner": {"reference": "Practitioner/dr-77"},
        "code": [{"text": "attending"}],
        "specialty": [{"coding": [{"code": "394609007", "display": "Surgery"}]}],
        "organization": {"display": "North Hospital"},
        **changes,
    }


@pytest.fixture
def fhir(source: SourceRules) -> Any:
    def reading(*resources: Any) -> Any:
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]}
        return read_directory(json.dumps(bundle).encode(), source=source)

    return reading


@pytest.fixture
def rows(source: SourceRules) -> Any:
    def reading(*lines: Any, **layout: Any) -> Any:
        table = DirectoryTable.model_validate(layout)
        return read_directory("\n".join(lines).encode(), source=source, layout=table)

    return reading


def test_a_physician_and_their_role_are_one_entry(fhir: Callable[..., Any]) -> None:
    entries, faults = fhir(role(), practitioner())

    assert faults == []
    [entry] = entries
    assert entry.identifiers == (Identifier("npi", "1"),)
    assert entry.references == ("Practitioner/dr-77", "PractitionerRole/r-1")
    assert (entry.name, entry.email, entry.phone) == ("Ada N. Okafor", "work@example.org", "+1 207 555 0100")
    assert entry.attributes == {
        "active": "true",
        "language": "en",
        "role": "attending",
        "specialty": "Surgery",
        "hospital": "North Hospital",
    }


def test_a_bad_entry_does_not_lose_its_neighbours(fhir: Callable[..., Any]) -> None:
    entries, faults = fhir(
        practitioner(),
        practitioner(id="x", name=[]),
        practitioner(id=None, identifier=[{"value": "UNK"}]),
        practitioner(id="y", telecom=[{"system": "email", "value": "not an address"}]),
        practitioner(id="z", modifierExtension=[{"url": "https://x.example/not"}]),
        role(practitioner={"reference": "Practitioner/elsewhere"}),
    )

    assert len(entries) == 1
    assert faults == [
        RowFault(2, "Practitioner.name", "missing-field"),
        RowFault(3, "Practitioner.identifier", "missing-field"),
        RowFault(4, "Practitioner.telecom", "wrong-value"),
        RowFault(5, "Practitioner.modifierExtension", "refused-extension"),
        RowFault(6, "PractitionerRole.practitioner", "missing-field"),
    ]


def test_a_physician_who_left_is_not_active(fhir: Callable[..., Any]) -> None:
    entries, _ = fhir(practitioner(active=False))

    assert entries[0].attributes["active"] == "false"


def test_names_and_addresses_stay_out_of_logs(fhir: Callable[..., Any]) -> None:
    entries, _ = fhir(practitioner())

    assert "Okafor" not in repr(entries[0])
    assert "example.org" not in repr(entries[0])


def test_a_csv_file_in_our_own_names_needs_no_mapping(rows: Callable[..., Any]) -> None:
    entries, faults = rows(
        "name,email,identifier,identifier_system,department,supervisor,active,time_zone,shoe size",
        "Ada Okafor,ada@example.org,1,npi,Surgery,npi|2;npi|3,yes,America/New_York,38",
    )

    assert faults == []
    assert entries[0].identifiers == (Identifier("npi", "1"),)
    assert entries[0].attributes == {
        "department": "Surgery",
        "supervisor": "npi|2;npi|3",
        "active": "true",
        "time_zone": "America/New_York",
    }


def test_a_csv_file_in_its_own_names_is_mapped(rows: Callable[..., Any]) -> None:
    entries, _ = rows(
        "Full name;NPI;Badge;Division",
        "Ada Okafor;1;B7;Trauma",
        delimiter=";",
        columns={"name": "Full name", f"identifier:{NPI}": "NPI", "identifier": "Badge", "department": "Division"},
        identifier_system="badge",
    )

    assert set(entries[0].identifiers) == {Identifier("npi", "1"), Identifier("badge", "B7")}
    assert entries[0].attributes == {"department": "Trauma"}


def test_a_bad_row_does_not_lose_its_neighbours(rows: Callable[..., Any]) -> None:
    entries, faults = rows(
        "name,email,identifier,time_zone",
        ",a@example.org,1,",
        "Ada,a@example.org,,",
        "Ada,nowhere,1,",
        "Ada,a@example.org,1,Mars/Olympus",
        "Ada,a@example.org,1,",
    )

    assert len(entries) == 1
    assert faults == [
        RowFault(2, "name", "missing-field"),
        RowFault(3, "identifier", "missing-field"),
        RowFault(4, "email", "wrong-value"),
        RowFault(5, "time_zone", "wrong-value"),
    ]


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"", "not-text"), (b"email\na@b.c", "missing-column"), (b"{}", "wrong-resource"), (b"{", "not-json")],
)
def test_a_body_that_is_no_directory_is_refused(source: SourceRules, body: Any, code: Any) -> None:
    with pytest.raises(UnreadableReport) as caught:
        read_directory(body, source=source)

    assert caught.value.code == code
