"""Which entries of a Bundle are reports, and what the others are used for."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from intake.domain.incident import Identifier
from intake.readers.fhir import read_reports
from intake.sources import SourceRules

BASE = "https://risk.example.org/fhir"


def bundle(kind: Any, *entries: Any) -> Any:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def entry(resource: Any, url: Any = None, **more: Any) -> Any:
    return {"resource": resource, **({"fullUrl": url} if url else {}), **more}


def practitioner(own_id: Any, value: Any = "1") -> Any:
    identifier = [{"system": "http://hl7.org/fhir/sid/us-npi", "value": value}]
    return {"resourceType": "Practitioner", "id": own_id, "identifier": identifier}


@pytest.fixture
def named(message: Callable[..., Any]) -> Any:
    """An event of this number whose one participant is this reference."""

    def event(number: Any, reference: Any = "Practitioner/1") -> Any:
        return message(identifier=[{"value": number}], participant=[{"actor": {"reference": reference}}])

    return event


def identifiers(report: Any) -> Any:
    return [identifier for person in report.participants for identifier in person.identifiers]


@pytest.mark.parametrize("kind", ["message", "collection", "batch", "transaction", "searchset"])
def test_every_event_of_a_bundle_is_a_report(read: Callable[..., Any], named: Callable[..., Any], kind: Any) -> None:
    reports = read(bundle(kind, entry(named("1")), entry(practitioner("1")), entry(named("2"))))

    assert [report.incident_id for report in reports] == ["1", "2"]


@pytest.mark.parametrize("kind", ["history", "document", "batch-response", "transaction-response", "x", 5])
def test_bundles_that_are_not_sent_to_be_acted_on_are_refused(
    refusal: Callable[..., Any], named: Callable[..., Any], kind: Any
) -> None:
    assert refusal(bundle(kind, entry(named("1")))) == ("refused-bundle", "Bundle.type")


def test_a_message_reports_what_its_focus_names(read: Callable[..., Any], named: Callable[..., Any]) -> None:
    header = {"resourceType": "MessageHeader", "focus": [{"reference": "urn:uuid:b"}]}
    events = [entry(named("1"), "urn:uuid:a"), entry(named("2"), "urn:uuid:b")]

    reports = read(bundle("message", entry(header), *events))

    assert [report.incident_id for report in reports] == ["2"]


def test_a_message_whose_focus_is_something_else_reports_all_events(
    read: Callable[..., Any], named: Callable[..., Any]
) -> None:
    header = {"resourceType": "MessageHeader", "focus": [{"reference": "Patient/1"}]}

    reports = read(bundle("message", entry(header), entry(named("1"))))

    assert [report.incident_id for report in reports] == ["1"]


@pytest.mark.parametrize("kind", ["collection", "batch", "searchset"])
def test_a_wrong_event_leaves_its_neighbours_unharmed(
    source: SourceRules, arrived_at: datetime, named: Callable[..., Any], kind: Any
) -> None:
    content = bundle(kind, entry(named("1")), entry(named("2") | {"actuality": "x"}), 7, entry(named("3")))

    reading = read_reports(as_body(content), source=source, arrived_at=arrived_at)

    assert [report.incident_id for report in reading.reports] == ["1", "3"]
    assert {(fault.code, fault.path) for fault in reading.faults} == {
        ("wrong-value", "Bundle.entry[1].resource.actuality"),
        ("wrong-value", "Bundle.entry[2]"),
    }


@pytest.mark.parametrize("kind", ["transaction", "message"])
def test_a_transaction_is_all_or_nothing(refusal: Callable[..., Any], named: Callable[..., Any], kind: Any) -> None:
    content = bundle(kind, entry(named("1")), entry(named("2") | {"actuality": "x"}))

    assert refusal(content) == ("wrong-value", "Bundle.entry[1].resource.actuality")


def test_a_sender_who_waits_for_an_answer_hears_of_any_fault(
    refusal: Callable[..., Any], named: Callable[..., Any]
) -> None:
    content = bundle("batch", entry(named("1")), entry(named("2") | {"actuality": "x"}))

    assert refusal(content) == ("wrong-value", "Bundle.entry[1].resource.actuality")


def test_a_reference_is_resolved_by_full_address(read: Callable[..., Any], named: Callable[..., Any]) -> None:
    content = bundle("collection", entry(named("1", "urn:uuid:p")), entry(practitioner("9"), "urn:uuid:p"))

    [report] = read(content)

    assert identifiers(report) == [Identifier("npi", "1")]
    assert "Practitioner/9" in report.participants[0].references


def test_a_relative_reference_means_the_server_of_its_own_entry(
    read: Callable[..., Any], named: Callable[..., Any]
) -> None:
    content = bundle(
        "collection",
        entry(named("1", "Practitioner/1"), f"{BASE}/AdverseEvent/5"),
        entry(practitioner("1", "ours"), f"{BASE}/Practitioner/1"),
        entry(practitioner("1", "theirs"), "https://elsewhere.example/Practitioner/1"),
    )

    [report] = read(content)

    assert identifiers(report) == [Identifier("npi", "ours")]
    assert report.participants[0].references == ("Practitioner/1",)


def test_a_foreign_address_never_matches_a_local_resource(read: Callable[..., Any], named: Callable[..., Any]) -> None:
    foreign = named("1", "https://elsewhere.example/Practitioner/1")

    [report] = read(bundle("collection", entry(foreign), entry(practitioner("1"))))

    assert identifiers(report) == []
    assert report.participants[0].references == ("https://elsewhere.example/Practitioner/1",)


def test_a_resource_of_another_server_is_not_taken_for_a_missing_one_of_ours(
    read: Callable[..., Any], named: Callable[..., Any]
) -> None:
    content = bundle(
        "collection",
        entry(named("1", "Practitioner/1"), f"{BASE}/AdverseEvent/5"),
        entry(practitioner("1", "theirs"), "https://elsewhere.example/Practitioner/1"),
    )

    [report] = read(content)

    assert identifiers(report) == []
    assert report.participants[0].references == ("Practitioner/1",)


def test_a_role_in_the_bundle_leads_to_its_practitioner(read: Callable[..., Any], named: Callable[..., Any]) -> None:
    role = {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "Practitioner/1"}}
    content = bundle("collection", entry(named("1", "PractitionerRole/r")), entry(role), entry(practitioner("1")))

    [report] = read(content)

    assert identifiers(report) == [Identifier("npi", "1")]
    assert set(report.participants[0].references) == {"Practitioner/1", "PractitionerRole/r"}


def test_two_resources_at_one_address_are_refused(refusal: Callable[..., Any], named: Callable[..., Any]) -> None:
    content = bundle(
        "collection",
        entry(named("1", "urn:uuid:p")),
        entry(practitioner("1", "a"), "urn:uuid:p"),
        entry(practitioner("2", "b"), "urn:uuid:p"),
    )

    assert refusal(content) == ("wrong-value", "Bundle.entry[2].fullUrl")


def test_a_deletion_is_refused_since_it_is_no_retraction(
    refusal: Callable[..., Any], named: Callable[..., Any]
) -> None:
    deletion = {"request": {"method": "DELETE", "url": "AdverseEvent/1"}}

    refused = refusal(bundle("transaction", entry(named("1")), deletion))

    assert refused == ("refused-request", "Bundle.entry[1].request.method")


def test_a_bundle_in_a_bundle_is_refused(refusal: Callable[..., Any], named: Callable[..., Any]) -> None:
    nested = bundle("collection", entry(bundle("collection", entry(named("1")))))

    assert refusal(nested) == ("refused-bundle", "Bundle.entry[0].resource")


def test_events_that_a_search_only_included_are_no_reports(read: Callable[..., Any], named: Callable[..., Any]) -> None:
    included = entry(named("2"), search={"mode": "include"})

    reports = read(bundle("searchset", entry(named("1"), search={"mode": "match"}), included))

    assert [report.incident_id for report in reports] == ["1"]


def test_a_bundle_without_events_is_refused(refusal: Callable[..., Any]) -> None:
    assert refusal(bundle("collection", entry(practitioner("1")))) == ("no-report", "Bundle.entry")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"implicitRules": "x"}, ("refused-rules", "Bundle.implicitRules")),
        ({"entry": "x"}, ("wrong-value", "Bundle.entry")),
        ({"type": None}, ("missing-field", "Bundle.type")),
    ],
)
def test_a_wrong_bundle_is_refused_as_a_whole(
    refusal: Callable[..., Any], named: Callable[..., Any], change: Any, expected: Any
) -> None:
    assert refusal(bundle("batch", entry(named("1"))) | change) == expected


def test_a_modifier_in_a_practitioner_who_is_used_is_refused(
    refusal: Callable[..., Any], named: Callable[..., Any]
) -> None:
    changed = practitioner("1") | {"modifierExtension": [{"url": "https://x.example/not"}]}

    refused = refusal(bundle("collection", entry(named("1")), entry(changed)))

    assert refused == ("refused-extension", "Bundle.entry[0].resource.participant.actor.modifierExtension")


def test_relative_references_of_a_foreign_bundle_do_not_become_ours(
    source: SourceRules, arrived_at: datetime, named: Callable[..., Any]
) -> None:
    content = bundle("collection", entry(named("1"), "https://elsewhere.example/fhir/AdverseEvent/1"))

    reading = read_reports(as_body(content), source=source, arrived_at=arrived_at)

    [person] = reading.reports[0].participants
    assert person.references == ("https://elsewhere.example/fhir/Practitioner/1",)


def as_body(content: Any) -> Any:
    return json.dumps(content).encode()
