"""Builders of feed messages, and the readers with a source around them."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from intake.domain.incident import IncidentReport
from intake.domain.severity import Scale
from intake.readers.fhir import UnreadableReport, read_report
from intake.sources import SourceRules

ARRIVED_AT = datetime(2026, 6, 9, 16, 0, tzinfo=UTC)
SOURCE = SourceRules(
    source_id="risk",
    zone=ZoneInfo("America/New_York"),
    severity_scale=Scale.FHIR_R4,
    identifier_systems={"http://hl7.org/fhir/sid/us-npi": "npi"},
    fhir_base="https://risk.example.org/fhir",
    subject_key=b"key of this installation",
)

Message = dict[str, object]


def a_message(**changes: object) -> Message:
    """An R5 AdverseEvent that names one physician; a change to None leaves the field out."""
    message: Message = {
        "resourceType": "AdverseEvent",
        "identifier": [{"system": "https://risk.example.org/event", "value": "EV-1"}],
        "status": "completed",
        "actuality": "actual",
        "subject": {"reference": "Patient/p-1"},
        "occurrenceDateTime": "2026-06-09T02:40:00-04:00",
        "recordedDate": "2026-06-09T07:55:00-04:00",
        "recorder": {"reference": "Practitioner/nurse-12"},
        "participant": [{"actor": {"reference": "Practitioner/dr-77"}}],
    }
    return {name: value for name, value in (message | changes).items() if value is not None}


def an_r4_message(**changes: object) -> Message:
    """An R4 AdverseEvent that names one physician; a change to None leaves the field out."""
    message: Message = {
        "resourceType": "AdverseEvent",
        "identifier": {"system": "https://risk.example.org/event", "value": "EV-1"},
        "actuality": "actual",
        "subject": {"reference": "Patient/p-1"},
        "date": "2026-06-09T02:40:00-04:00",
        "recordedDate": "2026-06-09T07:55:00-04:00",
        "recorder": {"reference": "Practitioner/nurse-12"},
        "contributor": [{"reference": "Practitioner/dr-77"}],
    }
    return {name: value for name, value in (message | changes).items() if value is not None}


@pytest.fixture
def message() -> Callable[..., Message]:
    return a_message


@pytest.fixture
def r4_message() -> Callable[..., Message]:
    return an_r4_message


@pytest.fixture
def arrived_at() -> datetime:
    return ARRIVED_AT


@pytest.fixture
def source() -> SourceRules:
    return SOURCE


@pytest.fixture
def read() -> Callable[..., list[IncidentReport]]:
    """Read a message, a JSON text or bytes; named arguments change the source."""

    def reading(content: object, **source: Any) -> list[IncidentReport]:
        text = content if isinstance(content, str | bytes) else json.dumps(content)
        body = text.encode() if isinstance(text, str) else text
        return read_report(body, source=replace(SOURCE, **source), arrived_at=ARRIVED_AT)

    return reading


@pytest.fixture
def refusal(read: Callable[..., list[IncidentReport]]) -> Callable[..., tuple[str, str]]:
    """Read a message that must be refused: the code and the path of the refusal."""

    def refused(content: object, **source: Any) -> tuple[str, str]:
        with pytest.raises(UnreadableReport) as caught:
            read(content, **source)
        return caught.value.code, caught.value.path

    return refused
