"""Whom a message of an incident names: who is involved, who is left to a person, and who is nobody."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from intake.domain.incident import Identifier, Involvement

from tests.unit.intake.test_adverse_event import BACKPORT, CROSS_VERSION, function, references


def test_an_r4_message_names_its_contributors(read: Callable[..., Any], r4_message: Callable[..., Any]) -> None:
    contributors = [
        {"reference": "Practitioner/dr-77"},
        {"identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"}},
    ]

    [report] = read(r4_message(contributor=contributors))

    assert report.version == "R4"
    assert references(report.involved) == ["Practitioner/dr-77"]
    assert report.involved[1].identifiers == (Identifier("npi", "1234567893"),)


def test_an_r5_message_names_its_participants(read: Callable[..., Any], message: Callable[..., Any]) -> None:
    [report] = read(message())

    assert report.version == "R5"
    assert references(report.involved) == ["Practitioner/dr-77"]
    assert report.occurred_at == datetime(2026, 6, 9, 6, 40, tzinfo=UTC)


@pytest.mark.parametrize("code", ["PART", "WIT", "PPRF", "SPRF", "XYZ"])
def test_a_participant_of_any_other_function_is_involved(
    read: Callable[..., Any], message: Callable[..., Any], code: Any
) -> None:
    actor = {"function": function(code), "actor": {"reference": "Practitioner/1"}}

    [report] = read(message(participant=[actor]))

    assert references(report.involved) == ["Practitioner/1"]


def test_a_participant_without_a_function_is_involved(read: Callable[..., Any], message: Callable[..., Any]) -> None:
    [report] = read(message(participant=[{"actor": {"reference": "Practitioner/1"}}]))

    assert references(report.involved) == ["Practitioner/1"]


@pytest.mark.parametrize(
    "said",
    [function("INF", system="https://local.example/functions"), function("INF", system=None), {"text": "informant"}],
)
def test_an_informant_who_is_not_coded_by_hl7_is_involved(
    read: Callable[..., Any], message: Callable[..., Any], said: Any
) -> None:
    [report] = read(message(participant=[{"function": said, "actor": {"reference": "Practitioner/1"}}]))

    assert references(report.involved) == ["Practitioner/1"]


def test_a_coded_informant_is_not_contacted(read: Callable[..., Any], message: Callable[..., Any]) -> None:
    actor = {"function": function("INF"), "actor": {"reference": "Practitioner/1"}}

    [report] = read(message(participant=[actor]))

    assert report.people(Involvement.INFORMANT)
    assert report.names_nobody


@pytest.mark.parametrize("code", ["AUT", "AUTHEN"])
def test_an_author_is_left_to_a_person(read: Callable[..., Any], message: Callable[..., Any], code: Any) -> None:
    actor = {"function": function(code), "actor": {"reference": "Practitioner/1"}}

    [report] = read(message(participant=[actor]))

    assert report.names_nobody
    assert references(report.to_decide) == ["Practitioner/1"]


@pytest.mark.parametrize("kind", ["CareTeam", "Organization"])
def test_a_team_is_left_to_a_person(read: Callable[..., Any], message: Callable[..., Any], kind: Any) -> None:
    [report] = read(message(participant=[{"actor": {"reference": f"{kind}/nights"}}]))

    assert references(report.people(Involvement.TEAM)) == [f"{kind}/nights"]
    assert report.to_decide == report.people(Involvement.TEAM)
    assert report.names_nobody


@pytest.mark.parametrize("kind", ["Device", "Patient", "RelatedPerson", "ResearchSubject"])
def test_devices_and_patients_and_relatives_are_nobody(
    read: Callable[..., Any], message: Callable[..., Any], kind: Any
) -> None:
    [report] = read(message(participant=[{"actor": {"reference": f"{kind}/1"}}]))

    assert report.participants == ()


def test_a_logical_reference_to_a_device_is_nobody(read: Callable[..., Any], message: Callable[..., Any]) -> None:
    actor = {"type": "Device", "identifier": {"system": "serial", "value": "7"}}

    [report] = read(message(participant=[{"actor": actor}]))

    assert report.participants == ()


def test_a_recorder_alone_is_not_contacted(read: Callable[..., Any], message: Callable[..., Any]) -> None:
    [report] = read(message(participant=None))

    assert references([report.reporter]) == ["Practitioner/nurse-12"]
    assert report.names_nobody


def test_a_recorder_who_also_took_part_is_involved(read: Callable[..., Any], message: Callable[..., Any]) -> None:
    [report] = read(message(participant=[{"actor": {"reference": "Practitioner/nurse-12"}}]))

    assert references(report.involved) == ["Practitioner/nurse-12"]


@pytest.mark.parametrize(("code", "is_involved"), [("4", True), ("1", True), ("2", False), ("3", False)])
def test_a_reporter_who_was_providing_the_care_is_involved(
    read: Callable[..., Any], r4_message: Callable[..., Any], code: Any, is_involved: Any
) -> None:
    details = {
        "url": "https://taxonomy.example/StructureDefinition/practitioner-details-5",
        "extension": [{"url": "ReporterType", "valueCode": "3"}, {"url": "ReporterInvolvement", "valueCode": code}],
    }
    recorder = {
        "resourceType": "Practitioner",
        "id": "practitioner1",
        "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1"}],
        "extension": [details],
    }

    [report] = read(r4_message(contributor=None, contained=[recorder], recorder={"reference": "#practitioner1"}))

    assert [p.identifiers for p in report.involved] == ([(Identifier("npi", "1"),)] if is_involved else [])


def test_a_physician_who_was_harmed_is_involved(read: Callable[..., Any], message: Callable[..., Any]) -> None:
    [report] = read(message(subject={"reference": "Practitioner/victim"}, participant=None))

    assert references(report.involved) == ["Practitioner/victim"]


@pytest.mark.parametrize("prefix", [f"{BACKPORT}/", f"{CROSS_VERSION}."])
def test_r5_participants_in_an_r4_extension_are_read(
    read: Callable[..., Any], r4_message: Callable[..., Any], prefix: Any
) -> None:
    extension = {
        "url": f"{prefix}participant",
        "extension": [
            {"url": "function", "valueCodeableConcept": function("AUTHEN")},
            {"url": "actor", "valueReference": {"reference": "Practitioner/signed"}},
        ],
    }

    [report] = read(r4_message(contributor=None, extension=[extension]))

    assert references(report.people(Involvement.AUTHOR)) == ["Practitioner/signed"]


def test_a_person_whose_identifier_is_a_null_flavour_is_mentioned_and_not_named(
    read: Callable[..., Any], message: Callable[..., Any]
) -> None:
    [report] = read(message(participant=[{"actor": {"identifier": {"system": "npi", "value": "UNK"}}}]))

    assert report.names_nobody
    assert [person.named for person in report.to_decide] == [False]


def test_a_role_is_followed_to_its_practitioner(read: Callable[..., Any], message: Callable[..., Any]) -> None:
    role = {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "#p"}}
    person = {"resourceType": "Practitioner", "id": "p", "identifier": [{"system": "staff", "value": "77"}]}

    [report] = read(message(contained=[role, person], participant=[{"actor": {"reference": "#r"}}]))

    assert report.involved[0].identifiers == (Identifier("staff", "77"),)


def test_a_role_that_is_not_in_the_message_is_kept_for_the_directory(
    read: Callable[..., Any], message: Callable[..., Any]
) -> None:
    [report] = read(message(participant=[{"actor": {"reference": "PractitionerRole/anaes-5"}}]))

    assert references(report.involved) == ["PractitionerRole/anaes-5"]


def test_roles_that_point_in_a_circle_name_nobody(read: Callable[..., Any], message: Callable[..., Any]) -> None:
    roles = [
        {"resourceType": "PractitionerRole", "id": "a", "practitioner": {"reference": "#b"}},
        {"resourceType": "PractitionerRole", "id": "b", "practitioner": {"reference": "#a"}},
    ]

    [report] = read(message(contained=roles, participant=[{"actor": {"reference": "#a"}}]))

    assert [person.named for person in report.to_decide] == [False]


def test_a_missing_contained_resource_leaves_the_others_in(
    read: Callable[..., Any], message: Callable[..., Any]
) -> None:
    actors = [{"actor": {"reference": "#gone"}}, {"actor": {"reference": "Practitioner/1"}}]

    [report] = read(message(participant=actors))

    assert references(report.involved) == ["Practitioner/1"]
    assert len(report.to_decide) == 1


def test_a_foreign_address_never_becomes_a_local_reference(
    read: Callable[..., Any], message: Callable[..., Any]
) -> None:
    actors = [
        {"actor": {"reference": "https://elsewhere.example/fhir/Practitioner/1"}},
        {"actor": {"reference": "https://risk.example.org/fhir/Practitioner/2/_history/3"}},
    ]

    [report] = read(message(participant=actors))

    assert references(report.involved) == ["https://elsewhere.example/fhir/Practitioner/1", "Practitioner/2"]


def test_a_conditional_reference_is_an_identifier(read: Callable[..., Any], message: Callable[..., Any]) -> None:
    actor = {"reference": "Practitioner?identifier=http%3A//hl7.org/fhir/sid/us-npi|99"}

    [report] = read(message(participant=[{"actor": actor}]))

    assert report.involved[0].identifiers == (Identifier("npi", "99"),)


def test_names_are_kept_only_from_a_trusted_source(read: Callable[..., Any], message: Callable[..., Any]) -> None:
    person = {
        "resourceType": "Practitioner",
        "id": "p",
        "identifier": [{"system": "staff", "value": "77"}],
        "name": [{"family": "Zyx", "given": ["Wvu"]}],
        "telecom": [{"system": "email", "value": "zyx@example.org"}],
    }
    named = message(
        contained=[person], participant=[{"actor": {"reference": "#p", "display": "Dr Zyx"}}], note=[{"text": "Zyx"}]
    )

    [untrusted] = read(named)
    [trusted] = read(named, trusted_directory=True)

    assert "zyx" not in repr(vars(untrusted)).casefold()
    assert untrusted.involved[0].contact is None
    assert trusted.involved[0].contact.name == "Wvu Zyx"
    assert trusted.involved[0].contact.email == "zyx@example.org"


def test_one_person_under_two_references_is_one_participant(
    read: Callable[..., Any], message: Callable[..., Any]
) -> None:
    identifier = {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1"}
    actors = [
        {"actor": {"reference": "Practitioner/1"}},
        {"function": function("INF"), "actor": {"identifier": identifier}},
        {"actor": {"reference": "Practitioner/1", "identifier": identifier}},
    ]

    [report] = read(message(participant=actors))

    assert len(report.participants) == 1
    assert report.participants[0].involvement == Involvement.INVOLVED
