"""Whatever arrives is read or refused, in bounded time, and a refusal never holds a value."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from intake.domain.severity import Scale
from intake.readers.bodies import MAX_BYTES
from intake.readers.directory import read_directory
from intake.readers.fhir import UnreadableReport, read_reports
from intake.readers.table import read_report_table
from intake.sources import ReportTable, SourceRules

ARRIVED_AT = datetime(2026, 6, 9, 16, 0, tzinfo=UTC)
SOURCE = SourceRules(
    source_id="risk",
    zone=ZoneInfo("America/New_York"),
    severity_scale=Scale.FHIR_R4,
    subject_key=b"k",
    trusted_directory=True,
    csv=ReportTable(columns={"incident_id": "id", "person": "who", "occurred_at": "when"}),
)
CANARY = "Zebulon Quartermain"
HOSTILE = [CANARY, "\x00", "\ud800", "-1", "UNK", "2026-06-09", "9" * 40, "#a", "urn:uuid:1", "Practitioner/1"]

NAMES = st.sampled_from(
    re.findall(
        r"\S+",
        """
        resourceType identifier system value use status actuality date occurrenceDateTime occurrencePeriod start end
        occurrenceTiming event detected recordedDate seriousness severity coding code subject reference type recorder
        contributor participant function actor contained extension modifierExtension implicitRules url valueCode
        valueReference valueCodeableConcept id practitioner entry resource fullUrl request method search mode focus
        name family given text telecom peerline incident_id occurred_at participants involvement retracted reporter
        communication language active specialty organization display
        """,
    )
)
WORDS = st.sampled_from(
    re.findall(
        r"\S+",
        """
        AdverseEvent Bundle Practitioner PractitionerRole MessageHeader actual potential completed entered-in-error
        collection transaction batch message DELETE INF incident-report/1 involved
        http://hl7.org/fhir/uv/ae-research-backport-ig/StructureDefinition/status
        http://hl7.org/fhir/uv/ae-research-backport-ig/StructureDefinition/participant
        http://terminology.hl7.org/CodeSystem/v3-ParticipationType
        """,
    )
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8), WORDS)
JSON = st.recursive(
    SCALARS | st.sampled_from(HOSTILE),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=6),
    max_leaves=40,
)
REPORT = st.fixed_dictionaries(
    {
        "resourceType": st.just("AdverseEvent"),
        "id": st.just("1") | JSON,
        "actuality": st.just("actual") | JSON,
    },
    optional={
        "identifier": JSON,
        "status": JSON,
        "contributor": JSON,
        "participant": st.lists(st.fixed_dictionaries({"actor": JSON, "function": JSON}), max_size=3),
        "recorder": JSON,
        "subject": JSON,
        "contained": JSON,
        "extension": JSON,
        "modifierExtension": JSON,
        "occurrencePeriod": JSON,
        "occurrenceTiming": JSON,
        "date": JSON,
        "severity": JSON,
        "note": JSON,
    },
)
OWN = st.fixed_dictionaries(
    {"peerline": st.just("incident-report/1"), "incident_id": JSON, "actuality": st.just("actual") | JSON},
    optional={"participants": JSON, "reporter": JSON, "severity": JSON, "subject": JSON, "occurred_at": JSON},
)
BUNDLE = st.fixed_dictionaries(
    {
        "resourceType": st.just("Bundle"),
        "type": st.sampled_from(["collection", "batch", "transaction", "message", "searchset"]),
        "entry": st.lists(
            st.fixed_dictionaries({"resource": REPORT | JSON}, optional={"fullUrl": JSON, "request": JSON}) | JSON,
            max_size=4,
        )
        | JSON,
    }
)


def outcome(body: Any) -> None:
    """Read a body at every door; each may only give reports or a refusal, and the refusal only code and place."""
    for door in (
        lambda: read_reports(body, source=SOURCE, arrived_at=ARRIVED_AT),
        lambda: read_report_table(body, source=SOURCE, arrived_at=ARRIVED_AT),
        lambda: read_directory(body, source=SOURCE),
    ):
        refusal: UnreadableReport | None = None
        try:
            door()
        except UnreadableReport as fault:
            refusal = fault
        if refusal is not None:
            assert refusal.__cause__ is None
            assert refusal.__context__ is None
            assert "Quartermain" not in str(refusal) + repr(refusal)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(body: Any) -> None:
    outcome(body)


@given(JSON)
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_any_json_is_read_or_refused(content: Any) -> None:
    outcome(json.dumps(content).encode())


@given(REPORT | BUNDLE | OWN)
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
def test_anything_like_a_report_is_read_or_refused(content: Any) -> None:
    outcome(json.dumps(content).encode())


@given(st.text(alphabet=st.sampled_from('id,who,when\n\r";\x00\ud7ffé '), max_size=200))
def test_any_table_is_read_or_refused(text: Any) -> None:
    outcome(b"id,who,when\n" + text.encode())


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "not-json"),
        (b"\xff\xfe\x00", "not-json"),
        (b'{"a":"\xc3\x28"}', "not-json"),
        (b"[]", "not-json"),
        (b"null", "not-json"),
        (b'"AdverseEvent"', "not-json"),
        (b'{"resourceType":"AdverseEvent","x":NaN}', "not-json"),
        (b'{"resourceType":"AdverseEvent","x":-Infinity}', "not-json"),
        (b'{"a":1}{"a":1}', "not-json"),
        (b"[" * 100_000, "too-deep"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "too-deep"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "too-deep"),
        (b" " * (MAX_BYTES + 1), "too-large"),
        (b"{}", "not-fhir"),
        (b'{"resourceType":"Patient"}', "wrong-resource"),
        (b'{"resourceType":["AdverseEvent"]}', "not-fhir"),
        (b'{"resourceType":"Patient","resourceType":"AdverseEvent"}', "duplicate-key"),
        (b'{"peerline":"incident-report/2"}', "unknown-version"),
    ],
)
def test_a_body_that_is_no_report_is_refused(body: Any, code: Any) -> None:
    with pytest.raises(UnreadableReport) as caught:
        read_reports(body, source=SOURCE, arrived_at=ARRIVED_AT)

    assert caught.value.code == code
    assert caught.value.__context__ is None


def test_thousands_of_digits_in_a_dropped_field_refuse_nothing() -> None:
    body = b'{"resourceType":"AdverseEvent","id":"1","actuality":"actual","note":' + b"9" * 10_000 + b"}"

    reading = read_reports(body, source=SOURCE, arrived_at=ARRIVED_AT)

    assert len(reading.reports) == 1


KEPT_PLACES = [
    "identifier",
    "status",
    "actuality",
    "occurrenceDateTime",
    "recordedDate",
    "participant",
    "contributor",
    "recorder",
    "subject",
    "severity",
    "modifierExtension",
    "implicitRules",
]


@pytest.mark.parametrize("field", KEPT_PLACES)
@pytest.mark.parametrize(
    "wrong", [CANARY + "\x00", {CANARY: {"modifierExtension": CANARY}}, [{"value": CANARY + "\x00"}], [[CANARY]]]
)
def test_a_refusal_never_holds_a_value(message: Callable[..., Any], field: Any, wrong: Any) -> None:
    body = json.dumps(message() | {field: wrong}).encode()

    try:
        read_reports(body, source=SOURCE, arrived_at=ARRIVED_AT)
        refusal = ""
    except UnreadableReport as fault:
        refusal = f"{fault} {fault!r} {fault.args} {fault.__cause__} {fault.__context__}"

    assert "Quartermain" not in refusal
