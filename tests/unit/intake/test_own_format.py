"""Peerline's own report."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from intake.domain.incident import Identifier, Involvement, Participant


@pytest.fixture
def own() -> Any:
    """A report in Peerline's format; a change to None leaves the member out."""

    def build(**changes: Any) -> Any:
        report = {
            "peerline": "incident-report/1",
            "incident_id": "EV-7",
            "occurred_at": "2026-06-09T02:40:00-04:00",
            "recorded_at": "2026-06-09T07:55",
            "actuality": "potential",
            "severity": 3,
            "retracted": False,
            "participants": [
                {"identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1"}, "involvement": "involved"}
            ],
        }
        return {name: value for name, value in (report | changes).items() if value is not None}

    return build


def test_a_report_says_who_and_when_and_how_grave(read: Callable[..., Any], own: Callable[..., Any]) -> None:
    [report] = read(own())

    assert report.incident_id == "EV-7"
    assert report.occurred_at == datetime(2026, 6, 9, 6, 40, tzinfo=UTC)
    assert report.recorded_at == datetime(2026, 6, 9, 11, 55, tzinfo=UTC)
    assert (report.actuality, report.severity, report.retracted) == ("potential", 3, False)
    assert report.participants == (Participant((Identifier("npi", "1"),), (), Involvement.INVOLVED),)
    assert report.version == "peerline"


def test_severity_may_be_a_code_of_the_sources_scale(read: Callable[..., Any], own: Callable[..., Any]) -> None:
    [report] = read(own(severity="SeriousResultsInDeath"))

    assert report.severity == 5


def test_a_person_without_involvement_is_involved(read: Callable[..., Any], own: Callable[..., Any]) -> None:
    [report] = read(own(participants=[{"reference": "Practitioner/1"}]))

    assert len(report.involved) == 1


def test_a_reporter_is_contacted_only_if_the_report_says_involved(
    read: Callable[..., Any], own: Callable[..., Any]
) -> None:
    person = {"identifier": {"system": "npi", "value": "9"}}

    [alone] = read(own(participants=None, reporter=person))
    [involved] = read(own(participants=None, reporter=person | {"involvement": "involved"}))

    assert alone.participants == ()
    assert alone.reporter.involvement == Involvement.INFORMANT
    assert involved.involved[0].identifiers == (Identifier("npi", "9"),)


def test_unknown_members_and_the_subject_are_dropped_and_listed(
    read: Callable[..., Any], own: Callable[..., Any]
) -> None:
    [report] = read(own(subject="MRN 991", narrative="x"))

    assert report.dropped == ("report.*", "report.subject")
    assert b"991" not in report.subject_digest


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"peerline": "incident-report/2"}, "unknown-version", "peerline"),
        ({"incident_id": None}, "missing-field", "report.incident_id"),
        ({"incident_id": "UNK"}, "wrong-value", "report.incident_id"),
        ({"incident_id": "a\u0000b"}, "wrong-value", "report.incident_id"),
        ({"actuality": None}, "missing-field", "report.actuality"),
        ({"actuality": "maybe"}, "wrong-value", "report.actuality"),
        ({"severity": 6}, "wrong-value", "report.severity"),
        ({"severity": True}, "wrong-value", "report.severity"),
        ({"retracted": "no"}, "wrong-value", "report.retracted"),
        ({"occurred_at": "soon"}, "wrong-value", "report.occurred_at"),
        ({"participants": [{"involvement": "guilty"}]}, "wrong-value", "report.participants[0].involvement"),
    ],
)
def test_a_fault_is_refused_with_its_place(
    refusal: Callable[..., Any], own: Callable[..., Any], change: Any, code: Any, path: Any
) -> None:
    assert refusal(own(**change)) == (code, path)


def test_a_member_given_twice_is_refused(refusal: Callable[..., Any]) -> None:
    body = '{"peerline":"incident-report/1","incident_id":"1","actuality":"actual","incident_id":"2"}'

    assert refusal(body) == ("duplicate-key", "report.incident_id")
