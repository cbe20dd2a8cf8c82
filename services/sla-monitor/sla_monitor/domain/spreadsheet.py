"""Tables that a spreadsheet may open without running what stands in them."""

import csv
import io
from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def as_csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as CSV (RFC 4180) with a line of column names; None is an empty cell."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(map(_cell, head))
    writer.writerows(map(_cell, row) for row in rows)
    return written.getvalue()


def _cell(value: object) -> object:
    """Text that a spreadsheet would take for a formula has a quote before it; numbers stay what they are."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
