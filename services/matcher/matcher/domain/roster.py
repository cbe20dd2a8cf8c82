"""A roster file: one supporter per row of CSV. A row with a fault is left out and changes nothing."""

import csv
import io
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

COLUMNS = (
    "supporter_id",
    "name",
    "email",
    "phone",
    "zone",
    "programme",
    "active",
    "trained_at",
    "capacity",
    "identifiers",
)
NEEDED = ("supporter_id", "name", "email", "programme", "active", "trained_at")
ATTRIBUTE = "attr_"
LONGEST = 200
YES, NO = frozenset({"yes", "y", "true", "1"}), frozenset({"no", "n", "false", "0"})

Row = Mapping[str, str]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """One supporter as the roster lists them; `identifiers` are (system, value) pairs."""

    supporter_id: str
    programme: str
    active: bool
    name: str = field(repr=False)
    email: str = field(repr=False)
    phone: str | None = field(default=None, repr=False)
    zone: str | None = None
    trained_at: date | None = None
    capacity: int | None = None
    identifiers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    attributes: Mapping[str, str] = field(default_factory=dict, repr=False)

    def people(self) -> list[tuple[str, str]]:
        """Every identifier under which the supporter may turn up in a report, mail and phone included."""
        phone = [("phone", self.phone)] if self.phone else []
        return [*self.identifiers, ("email", self.email), *phone]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a row: its line in the file (from 1), the column and a code; never the value."""

    line: int
    column: str
    code: str


@dataclass(frozen=True, slots=True)
class Reading:
    """
    What a roster file says.

    `named` has the ids of all rows, faulty ones included; it is None where a row does not say whom it is
    about, so that nobody can be said to be missing from the file.
    """

    entries: tuple[Entry, ...]
    faults: tuple[Fault, ...]
    named: frozenset[str] | None


class _Wrong(Exception):
    def __init__(self, column: str, code: str) -> None:
        super().__init__(code)
        self.column, self.code = column, code


class _NotCsv(Exception):
    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def read(text: str, *, programmes: Collection[str], is_zone: Callable[[str], bool]) -> Reading:
    """Return the supporters of a file and the faults of the rows left out; a faulty header leaves out all."""
    rows = _numbered(text)
    try:
        header = [name.strip().casefold() for name in next(rows, (1, []))[1]]
        if fault := _header_fault(header):
            return Reading((), (fault,), None)
        return _read_rows(rows, header, programmes, is_zone)
    except _NotCsv as broken:
        return Reading((), (Fault(broken.line, "row", "not-csv"),), None)


def _header_fault(header: list[str]) -> Fault | None:
    for name in NEEDED:
        if name not in header:
            return Fault(1, name, "missing-column")
    for name in header:
        if header.count(name) > 1:
            return Fault(1, name if name in COLUMNS else "header", "column-twice")
        if name not in COLUMNS and not name.startswith(ATTRIBUTE):
            return Fault(1, "header", "unknown-column")
    return None


def _read_rows(
    rows: Iterator[tuple[int, list[str]]],
    header: list[str],
    programmes: Collection[str],
    is_zone: Callable[[str], bool],
) -> Reading:
    entries: dict[str, Entry] = {}
    faults: list[Fault] = []
    named: list[str | None] = []
    for line, cells in rows:
        row = {name: cell.strip() for name, cell in zip(header, cells, strict=False)}
        named.append(row.get("supporter_id") or None)
        try:
            if len(cells) != len(header):
                raise _Wrong("row", "other-number-of-cells")
            entry = _entry(row, programmes, is_zone)
            if named.count(entry.supporter_id) > 1:
                raise _Wrong("supporter_id", "twice")
            entries[entry.supporter_id] = entry
        except _Wrong as wrong:
            faults.append(Fault(line, wrong.column, wrong.code))
    known = [name for name in named if name is not None]
    return Reading(tuple(entries.values()), tuple(faults), frozenset(known) if len(known) == len(named) else None)


def _numbered(text: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line on which each begins; blank ones are left out. Raises _NotCsv."""
    reader, begins = csv.reader(io.StringIO(text, newline=""), strict=True), 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield begins, cells
            begins = reader.line_num + 1
    except csv.Error:
        raise _NotCsv(reader.line_num) from None


def _entry(row: Row, programmes: Collection[str], is_zone: Callable[[str], bool]) -> Entry:
    programme, zone = _text(row, "programme"), row.get("zone") or None
    if programme not in programmes:
        raise _Wrong("programme", "unknown-programme")
    if zone is not None and not is_zone(zone):
        raise _Wrong("zone", "unknown-zone")
    return Entry(
        supporter_id=_text(row, "supporter_id"),
        programme=programme,
        active=_yes(row),
        name=_text(row, "name"),
        email=_email(row),
        phone=_short(row.get("phone", ""), "phone") or None,
        zone=zone,
        trained_at=_read(row, "trained_at", date.fromisoformat, "not-a-date"),
        capacity=_read(row, "capacity", _count, "not-a-number"),
        identifiers=_identifiers(row),
        attributes={
            name.removeprefix(ATTRIBUTE): _short(value, "attributes")
            for name, value in row.items()
            if name.startswith(ATTRIBUTE) and value
        },
    )


def _text(row: Row, column: str) -> str:
    if not row.get(column):
        raise _Wrong(column, "missing")
    return _short(row[column], column)


def _short(value: str, column: str) -> str:
    """A text of one line; what cannot be printed might break a mail's header."""
    if len(value) > LONGEST or not value.isprintable():
        raise _Wrong(column, "not-a-short-text")
    return value


def _email(row: Row) -> str:
    email = _text(row, "email")
    local, at, domain = email.partition("@")
    if not (local and at and domain) or "@" in domain or any(character.isspace() for character in email):
        raise _Wrong("email", "not-an-address")
    return email


def _yes(row: Row) -> bool:
    said = _text(row, "active").casefold()
    if said not in YES | NO:
        raise _Wrong("active", "not-yes-or-no")
    return said in YES


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 3):
        raise ValueError
    return int(text)


def _read(row: Row, column: str, convert: Callable[[str], T], code: str) -> T | None:
    text = row.get(column)
    if not text:
        return None
    try:
        return convert(text)
    except ValueError:
        raise _Wrong(column, code) from None


def _identifiers(row: Row) -> tuple[tuple[str, str], ...]:
    pairs = []
    for part in row.get("identifiers", "").split(";"):
        system, bar, value = (piece.strip() for piece in part.rpartition("|"))
        if part.strip() and not (system and bar and value):
            raise _Wrong("identifiers", "not-system-and-value")
        if value:
            pairs.append((system, value))
    return tuple(pairs)
