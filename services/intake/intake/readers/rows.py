"""CSV files as offices send them.

They come in any encoding, with stray quotes and rows too short, and every good row must survive its neighbours.
"""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from intake.readers.bodies import MAX_BYTES
from intake.readers.faults import RowFault, UnreadableReport

#: A quoted cell may hold line breaks, but a quote that is never closed must not swallow the rest of the file.
MAX_LINES_PER_ROW = 50
MAX_CELL = 512
MAX_ROWS = 50_000

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: What stands in a decoded text for bytes that are none of its encoding.
_UNDECODED = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Row:
    """One row: the line it begins on (from 1), and its cells by column name, trimmed."""

    line: int
    cells: dict[str, str]

    def cell(self, column: str | None) -> str:
        """Return the cell's text, "" for an empty one or a column that the file does not have."""
        return self.cells.get(column, "") if column else ""


@dataclass(frozen=True)
class Table:
    """A file's rows, and the faults of those that could not be taken apart."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    faults: tuple[RowFault, ...]


class WrongCell(Exception):
    """A cell that cannot be read: the column's name and a code, never the cell."""

    def __init__(self, column: str, code: str) -> None:
        super().__init__(f"{code} in {column}")
        self.column = column
        self.code = code


def read_table(
    body: bytes, *, delimiter: str, encoding: str, needed: Collection[str], read: Collection[str] = ()
) -> Table:
    """Return the rows of a CSV file whose first line names the columns.

    A byte order mark goes before the declared encoding. Columns `needed` must be there, and these and the
    columns `read` only once: else UnreadableReport (missing-column, duplicate-column). Also raised:
    too-large, not-text, not-a-table.
    """
    lines = list(io.StringIO(_decoded(body, encoding), newline=""))
    if len(lines) > MAX_ROWS:
        raise UnreadableReport("too-large")
    header, first = _record(lines, 0, delimiter)
    if header is None:
        raise UnreadableReport("not-a-table")
    names = tuple(name.strip() for name in header)
    _check_columns(names, needed, read)
    rows: list[Row] = []
    faults: list[RowFault] = []
    for line, cells in _records(lines, first, delimiter, len(names)):
        if cells is None:
            faults.append(RowFault(line, "", "wrong-columns"))
        elif any(cells):
            rows.append(Row(line, dict(zip(names, cells, strict=False))))
    return Table(names, tuple(rows), tuple(faults))


def fit_text(row: Row, column: str | None) -> str:
    """Return a cell that may be kept, or raise WrongCell for one that no database or screen should hold."""
    text = row.cell(column)
    if len(text) > MAX_CELL or not text.isprintable() or _UNDECODED in text:
        raise WrongCell(column or "", "wrong-value")
    return text


def _decoded(body: bytes, encoding: str) -> str:
    if len(body) > MAX_BYTES:
        raise UnreadableReport("too-large")
    marked = next((name for bom, name in _BOMS if body.startswith(bom)), encoding)
    try:
        # A byte that does not belong spoils its own cell only.
        text = body.decode(marked, errors="replace")
    except (UnicodeError, LookupError):
        text = ""
    if not text.strip():
        raise UnreadableReport("not-text")
    return text


def _check_columns(names: tuple[str, ...], needed: Collection[str], read: Collection[str]) -> None:
    counts = Counter(names)
    for column in needed:
        if column not in counts:
            raise UnreadableReport("missing-column", column)
    for column in [*needed, *read]:
        if counts[column] > 1:
            raise UnreadableReport("duplicate-column", column)


def _records(lines: list[str], start: int, delimiter: str, width: int) -> Iterator[tuple[int, list[str] | None]]:
    """Each record with its first line; None for one that has not the header's columns.

    After such a record reading goes on at the very next line, so that a stray quote spoils one row and no
    more.
    """
    at = start
    while at < len(lines):
        cells, after = _record(lines, at, delimiter)
        trimmed = [cell.strip() for cell in cells] if cells is not None else None
        if trimmed is not None and not any(trimmed) and after == at + 1:
            at = after
            continue
        fits = trimmed is not None and len(trimmed) >= width and not any(trimmed[width:])
        yield at + 1, trimmed if fits else None
        at = after if fits else at + 1


def _record(lines: list[str], at: int, delimiter: str) -> tuple[list[str] | None, int]:
    """Return the record that begins on this line, and the line after it; None if there is none."""
    reader = csv.reader(lines[at : at + MAX_LINES_PER_ROW], delimiter=delimiter, strict=True)
    try:
        return next(reader), at + reader.line_num
    except (csv.Error, StopIteration):
        return None, at + 1
