"""The door for CSV files of incidents: one row per incident and person, in the source's own columns."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from intake.domain.incident import (
    ANOTHER_DATE,
    Actuality,
    Identifier,
    IncidentReport,
    Involvement,
    Participant,
    merge_people,
    subject_digest,
)
from intake.domain.severity import normalise
from intake.readers.elements import MAX_PEOPLE
from intake.readers.faults import RowFault, UnreadableReport
from intake.readers.instants import in_zone, read_instant
from intake.readers.references import identifies
from intake.readers.rows import Row, WrongCell, fit_text, read_table
from intake.sources import ReportField, ReportTable, SourceRules


def read_report_table(
    body: bytes, *, source: SourceRules, arrived_at: datetime
) -> tuple[list[IncidentReport], list[RowFault]]:
    """Return the incidents of a file in the order of their first rows, and the faults of the rows left out.

    Rows of one incident become one report: their people together, the gravest severity, actual if any row
    says so, retracted only if every row says so. A row whose date differs by a day or more from its
    incident's first row is left out (`contradiction`), since the file speaks of two incidents under one
    number. Raises UnreadableReport when the file as a whole cannot be read, with the name of the column.
    """
    layout = source.csv
    if layout is None:
        raise UnreadableReport("not-a-table", "csv")
    needed = layout.columns.values()
    table = read_table(body, delimiter=layout.delimiter, encoding=layout.encoding, needed=tuple(needed))
    dropped = _dropped(table.columns, layout)
    incidents: dict[str, IncidentReport] = {}
    faults = list(table.faults)
    for row in table.rows:
        try:
            report = _report(_Cells(row, layout, source, arrived_at), dropped)
            first = incidents.setdefault(report.incident_id, report)
            incidents[report.incident_id] = report if first is report else _merged(first, report, layout)
        except WrongCell as wrong:
            faults.append(RowFault(row.line, wrong.column, wrong.code))
    return list(incidents.values()), sorted(faults, key=lambda fault: fault.line)


class _Cells:
    """One row, read through its source's mapping."""

    def __init__(self, row: Row, layout: ReportTable, source: SourceRules, arrived_at: datetime) -> None:
        self._row = row
        self.layout = layout
        self.source = source
        self._arrived_at = arrived_at

    def column(self, field: ReportField) -> str:
        return self.layout.columns.get(field, "")

    def text(self, field: ReportField) -> str:
        return fit_text(self._row, self.column(field))

    def raw(self, field: ReportField) -> str:
        return self._row.cell(self.column(field))

    def word(self, field: ReportField) -> str:
        return self.text(field).casefold()

    def instant(self, field: ReportField) -> datetime | None:
        """Return the cell as an instant in UTC; WrongCell if it is in none of the file's formats."""
        text = self.text(field)
        if not text:
            return None
        formats = self.layout.date_formats
        moments = [moment for pattern in formats if (moment := self._parsed(text, pattern)) is not None]
        if moments:
            return moments[0]
        try:
            if not formats:
                return read_instant(text, zone=self.source.zone, arrived_at=self._arrived_at)
        except ValueError:
            pass
        raise WrongCell(self.column(field), "wrong-value")

    def _parsed(self, text: str, pattern: str) -> datetime | None:
        try:
            local = datetime.strptime(text, pattern)  # noqa: DTZ007 - the zone is the source's
            return in_zone(local, local.tzinfo or self.source.zone)
        except ValueError:
            return None


def _report(cells: _Cells, dropped: tuple[str, ...]) -> IncidentReport:
    incident_id = cells.text("incident_id")
    if not identifies(incident_id):
        raise WrongCell(cells.column("incident_id"), "missing-field")
    subject = cells.raw("subject")
    severity = cells.text("severity")
    reporter = _identifier(cells, "reporter")
    return IncidentReport(
        incident_id=incident_id,
        occurred_at=cells.instant("occurred_at"),
        detected_at=cells.instant("detected_at"),
        recorded_at=cells.instant("recorded_at"),
        actuality=_actuality(cells),
        severity=normalise([severity], cells.source.severity_scale, cells.source.severity_codes),
        retracted=cells.word("retracted") in _words(cells.layout.retracted),
        participants=_people(cells),
        reporter=Participant((reporter,), (), Involvement.INFORMANT) if reporter else None,
        subject_digest=subject_digest(cells.source.subject_key, subject) if subject else None,
        dropped=dropped,
        version="peerline",
    )


def _actuality(cells: _Cells) -> Actuality:
    """Return whether harm was done; a file without the column, or an empty cell, speaks of what happened."""
    word = cells.word("actuality")
    if word in _words(cells.layout.potential):
        return "potential"
    if not word or word in _words(cells.layout.actual):
        return "actual"
    raise WrongCell(cells.column("actuality"), "wrong-value")


def _people(cells: _Cells) -> tuple[Participant, ...]:
    """Return this row's person; a row with a role and no person mentions somebody without naming them."""
    identifier = _identifier(cells, "person")
    word = cells.word("involvement")
    if identifier is None and not word:
        return ()
    known = {name.casefold(): kind for name, kind in cells.layout.involvements.items()}
    involvement = known.get(word, Involvement.INVOLVED)
    return (Participant((identifier,) if identifier else (), (), involvement),)


def _identifier(cells: _Cells, field: ReportField) -> Identifier | None:
    value = cells.text(field)
    if not identifies(value):
        return None
    named = cells.text("person_system") if field == "person" else ""
    return Identifier(cells.source.our_system(named or cells.layout.person_system), value)


def _merged(first: IncidentReport, row: IncidentReport, layout: ReportTable) -> IncidentReport:
    if first.occurred_at and row.occurred_at and abs(first.occurred_at - row.occurred_at) >= ANOTHER_DATE:
        raise WrongCell(layout.columns.get("occurred_at", ""), "contradiction")
    if len(first.participants) >= MAX_PEOPLE:
        raise WrongCell(layout.columns.get("person", ""), "too-many-people")
    grades = [grade for grade in (first.severity, row.severity) if grade is not None]
    return replace(
        first,
        occurred_at=first.occurred_at or row.occurred_at,
        detected_at=first.detected_at or row.detected_at,
        recorded_at=first.recorded_at or row.recorded_at,
        actuality="actual" if "actual" in (first.actuality, row.actuality) else "potential",
        severity=max(grades, default=None),
        retracted=first.retracted and row.retracted,
        participants=merge_people(first.participants + row.participants),
        reporter=first.reporter or row.reporter,
        subject_digest=first.subject_digest or row.subject_digest,
    )


def _words(words: Iterable[str]) -> frozenset[str]:
    return frozenset(word.casefold() for word in words)


def _dropped(columns: tuple[str, ...], layout: ReportTable) -> tuple[str, ...]:
    kept = set(layout.columns.values())
    unread = ("row.*",) if set(columns) - kept else ()
    return unread + (("row.subject",) if "subject" in layout.columns else ())
