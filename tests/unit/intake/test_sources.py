"""The file of sources: what is wrong in it is named, and never shown."""

from datetime import timedelta
from typing import Any

import pytest
from intake.domain.severity import Scale
from intake.sources import Source, SourcesError, parse_sources

PLAIN = """
sources:
  - id: risk
    organisation: shcp
    name: Risk system
    secret: risk-webhook
    severity_scale: ncc-merp
    zone: America/New_York
"""


def the_source() -> Source:
    source = parse_sources(PLAIN).get("risk")
    assert source is not None
    return source


def test_a_source_has_safe_defaults() -> None:
    source = the_source()

    assert source.age_limit == timedelta(days=14)
    assert source.severity_scale == Scale.NCC_MERP
    assert not source.trusted_directory
    assert not source.test


def test_the_readers_take_their_part_of_a_source() -> None:
    rules = the_source().rules(b"key")

    assert rules.source_id == "risk"
    assert rules.zone.key == "America/New_York"
    assert "key" not in repr(rules).replace("subject_key", "").replace("zone=zoneinfo.ZoneInfo(key=", "")


def test_an_unknown_source_is_none() -> None:
    assert parse_sources(PLAIN).get("other") is None


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("    colour: CANARY", "sources[0].colour"),
        ("    age_limit: CANARY", "sources[0].age_limit"),
        ("    age_limit: -P1D", "sources[0]: Value error, age_limit"),
        ("    burst_hold: 0", "sources[0].burst_hold"),
        ("    trusted_directory: CANARY", "sources[0].trusted_directory"),
        ("    severity_codes: {CANARY: 9}", "sources[0].severity_codes"),
        ("    csv: {columns: {person: CANARY}}", "sources[0].csv: Value error, columns must map incident_id"),
        ("    csv: {columns: {incident_id: A, person: A}}", "sources[0].csv: Value error, columns must map each"),
        ("    csv: {columns: {incident_id: A}, encoding: CANARY}", "sources[0].csv.encoding"),
        ("    csv: {columns: {incident_id: A}, encoding: base64}", "sources[0].csv.encoding"),
        ("    csv: {columns: {incident_id: A, colour: B}}", "sources[0].csv.columns.colour"),
        ("    name: Twice", "line 3: a key is given twice"),
        ("  - id: risk\n    organisation: o\n    name: n\n    zone: UTC", "each source needs an id of its own"),
        ("  - {", "line "),
    ],
)
def test_a_wrong_file_names_the_field(wrong: Any, named: str) -> None:
    with pytest.raises(SourcesError) as caught:
        parse_sources(PLAIN + wrong)

    assert named in str(caught.value)
    assert "CANARY" not in str(caught.value).replace("severity_codes.CANARY", "")


@pytest.mark.parametrize(("field", "value"), [("zone", "Mars/Olympus"), ("secret", "../key"), ("id", "Risk System")])
def test_a_wrong_value_is_refused(field: Any, value: Any) -> None:
    lines = [f"    {field}: {value}" if line.strip().startswith(f"{field}:") else line for line in PLAIN.split("\n")]
    text = "\n".join(lines) if field != "id" else PLAIN.replace("id: risk", f"id: {value}", 1)

    with pytest.raises(SourcesError, match=rf"sources\[0\]\.{field}"):
        parse_sources(text)


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(SourcesError):
        parse_sources("")
