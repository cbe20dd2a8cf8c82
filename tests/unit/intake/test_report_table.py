"""CSV files of incidents: merged rows, and bad rows that harm no others."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from intake.domain.incident import Identifier, Involvement
from intake.domain.severity import Scale
from intake.readers.faults import RowFault, UnreadableReport
from intake.readers.table import read_report_table
from intake.sources import ReportTable, SourceRules

LAYOUT = {
    "delimiter": ";",
    "date_formats": ["%m/%d/%Y %H:%M", "%m/%d/%Y"],
    "person_system": "staff",
    "columns": {
        "incident_id": "Event No.",
        "occurred_at": "Date of event",
        "actuality": "Reached patient",
        "severity": "Harm",
        "retracted": "Void",
        "subject": "MRN",
        "person": "Staff ID",
        "involvement": "Role",
        "reporter": "Entered by",
    },
    "actual": ["yes"],
    "potential": ["no"],
    "retracted": ["void"],
    "involvements": {"reported only": "informant", "whole team": "team", "reviewer": "author"},
}
HEADER = "Event No.;Date of event;Reached patient;Harm;Void;MRN;Staff ID;Role;Entered by;Narrative"


@pytest.fixture
def table(source: SourceRules, arrived_at: datetime) -> Any:
    """Read rows (or bytes) in the layout above; named arguments change the layout."""

    def reading(*rows: Any, **changes: Any) -> Any:
        layout = ReportTable.model_validate(LAYOUT | changes)
        rules = replace(source, csv=layout, severity_scale=Scale.NCC_MERP)
        body = rows[0] if isinstance(rows[0], bytes) else "\r\n".join((HEADER, *rows)).encode()
        return read_report_table(body, source=rules, arrived_at=arrived_at)

    return reading


def test_rows_of_one_incident_become_one_report(table: Callable[..., Any]) -> None:
    reports, faults = table(
        "E1;06/09/2026 02:40;yes;E;;M1;77;surgeon;12;long story",
        "E2;06/08/2026;no;A;;M2;;;;",
        "E1;06/09/2026 02:40;yes;G;;M1;78;reported only;12;",
    )

    assert faults == []
    assert [report.incident_id for report in reports] == ["E1", "E2"]
    assert reports[0].occurred_at == datetime(2026, 6, 9, 6, 40, tzinfo=UTC)
    assert reports[0].involved[0].identifiers == (Identifier("staff", "77"),)
    assert [p.involvement for p in reports[0].participants] == [Involvement.INVOLVED, Involvement.INFORMANT]
    assert (reports[0].severity, reports[1].severity, reports[1].actuality) == (4, 0, "potential")
    assert reports[0].reporter.identifiers == (Identifier("staff", "12"),)
    assert reports[1].names_nobody


def test_a_bad_row_does_not_lose_its_neighbours(table: Callable[..., Any]) -> None:
    reports, faults = table(
        "E1;06/09/2026;yes;E;;M1;77;;;",
        "E2;not a date;yes;E;;M1;78;;;",
        ";06/09/2026;yes;E;;M1;79;;;",
        "E4;06/09/2026;perhaps;E;;M1;80;;;",
        "E5;06/09/2026",
        "E6;06/09/2026;yes;E;;M1;81;;;",
    )

    assert [report.incident_id for report in reports] == ["E1", "E6"]
    assert faults == [
        RowFault(3, "Date of event", "wrong-value"),
        RowFault(4, "Event No.", "missing-field"),
        RowFault(5, "Reached patient", "wrong-value"),
        RowFault(6, "", "wrong-columns"),
    ]


def test_a_quote_that_is_never_closed_spoils_one_row(table: Callable[..., Any]) -> None:
    reports, faults = table(
        "E1;06/09/2026;yes;E;;M1;77;;;",
        'E2;06/09/2026;yes;E;;M1;78;;;"he said',
        "E3;06/09/2026;yes;E;;M1;79;;;",
    )

    assert [report.incident_id for report in reports] == ["E1", "E3"]
    assert faults == [RowFault(3, "", "wrong-columns")]


def test_two_stray_quotes_do_not_swallow_the_rows_between_them(table: Callable[..., Any]) -> None:
    reports, faults = table(
        'E1;06/09/2026;"broken',
        "E2;06/09/2026;yes;E;;M1;78;;;",
        'E3;06/09/2026;yes;E;;M1;79;;;broken"',
    )

    assert "E2" in [report.incident_id for report in reports]
    assert faults[0] == RowFault(2, "", "wrong-columns")


def test_a_cell_of_several_lines_is_one_cell_and_lines_are_counted_right(table: Callable[..., Any]) -> None:
    reports, faults = table(
        'E1;06/09/2026;yes;E;;M1;77;;;"one\r\ntwo; three"',
        "E2;bad;yes;E;;M1;78;;;",
    )

    assert [report.incident_id for report in reports] == ["E1"]
    assert faults == [RowFault(4, "Date of event", "wrong-value")]


def test_a_date_that_contradicts_the_incidents_first_row_is_left_out(table: Callable[..., Any]) -> None:
    reports, faults = table("E1;06/09/2026;yes;E;;M1;77;;;", "E1;03/09/2026;yes;E;;M1;78;;;")

    assert len(reports[0].participants) == 1
    assert faults == [RowFault(3, "Date of event", "contradiction")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_a_byte_order_mark_goes_before_the_declared_encoding(table: Callable[..., Any], encoding: Any) -> None:
    body = f"{HEADER}\nÉ1;06/09/2026;yes;E;;M1;77;;;\n".encode(encoding)

    reports, faults = table(body)

    assert [report.incident_id for report in reports] == ["É1"]
    assert faults == []


def test_a_file_without_a_mark_is_read_in_the_declared_encoding(table: Callable[..., Any]) -> None:
    reports, _ = table(f"{HEADER}\nÉ1;06/09/2026;yes;E;;M1;77;;;\n".encode("cp1252"), encoding="cp1252")

    assert [report.incident_id for report in reports] == ["É1"]


def test_bytes_of_another_encoding_spoil_only_a_cell_that_is_kept(table: Callable[..., Any]) -> None:
    rows = f"{HEADER}\nE1;06/09/2026;yes;E;;M1;77;;;caf\xe9\nE2;06/09/2026;yes;E;;M1;7\xe9;;;\n".encode("cp1252")

    reports, faults = table(rows)

    assert [report.incident_id for report in reports] == ["E1"]
    assert faults == [RowFault(3, "Staff ID", "wrong-value")]


def test_a_void_incident_is_retracted_only_if_all_its_rows_are(table: Callable[..., Any]) -> None:
    reports, _ = table(
        "E1;;yes;E;void;M1;77;;;", "E1;;yes;E;;M1;78;;;", "E2;;yes;E;Void;M1;79;;;", "E2;;yes;E;VOID;M1;80;;;"
    )

    assert [report.retracted for report in reports] == [False, True]


def test_a_role_without_a_person_mentions_somebody_unnamed(table: Callable[..., Any]) -> None:
    reports, _ = table("E1;;yes;E;;M1;;surgeon;;", "E2;;yes;E;;M1;UNK;;;")

    assert [len(report.to_decide) for report in reports] == [1, 0]


def test_dates_without_formats_are_iso_dates_in_the_sources_zone(table: Callable[..., Any]) -> None:
    reports, _ = table("E1;2026-06-09T02:40;yes;E;;M1;77;;;", date_formats=[])

    assert reports[0].occurred_at == datetime(2026, 6, 9, 6, 40, tzinfo=UTC)


def test_more_people_than_an_incident_involves_are_left_out_and_named_by_line(table: Any) -> None:
    reports, faults = table(*[f"E1;;yes;E;;M1;{number};;;" for number in range(202)])

    assert len(reports[0].participants) == 200
    assert faults == [RowFault(line, "Staff ID", "too-many-people") for line in (202, 203)]


def test_a_file_of_too_many_rows_is_refused(table: Any) -> None:
    with pytest.raises(UnreadableReport) as caught:
        table(*["E1;;yes;E;;M1;1;;;"] * 50_000)

    assert caught.value.code == "too-large"


@pytest.mark.parametrize(
    ("header", "code", "column"),
    [
        (HEADER.replace("Staff ID", "Staff"), "missing-column", "Staff ID"),
        (HEADER.replace("Narrative", "Staff ID"), "duplicate-column", "Staff ID"),
        ("", "not-text", ""),
    ],
)
def test_a_file_without_its_columns_is_refused(table: Callable[..., Any], header: Any, code: Any, column: Any) -> None:
    with pytest.raises(UnreadableReport) as caught:
        table(header.encode())

    assert (caught.value.code, caught.value.path) == (code, column)


def test_nothing_of_the_narrative_or_the_record_number_is_kept(table: Callable[..., Any]) -> None:
    reports, _ = table("E1;06/09/2026;yes;E;;MRN-991;77;;;a long story")

    assert "991" not in repr(vars(reports[0]))
    assert "story" not in repr(vars(reports[0]))
    assert reports[0].dropped == ("row.*", "row.subject")
