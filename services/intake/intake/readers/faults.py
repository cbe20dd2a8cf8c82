"""What the readers say when they cannot read something: a code and a place, never a value.

A value may be a name or a clinical detail, and faults are logged, answered to senders and shown to operators.
"""

from dataclasses import dataclass


class UnreadableReport(Exception):
    """A message or file that cannot be read.

    `code` is one of: too-large, not-json, too-deep, not-fhir, wrong-resource, unknown-version,
    refused-extension, refused-rules, refused-bundle, refused-request, no-report, duplicate-key,
    missing-field, wrong-value, not-text, not-a-table, missing-column, duplicate-column. `path` names the
    field as FHIRPath does, or the column.
    """

    def __init__(self, code: str, path: str = "") -> None:
        super().__init__(f"{code} at {path}" if path else code)
        self.code = code
        self.path = path


@dataclass(frozen=True)
class RowFault:
    """One row or entry that was left out, while its neighbours were read.

    `line` counts from 1: the line of a file, or the entry of a Bundle. `column` is the column's or field's
    name.
    """

    line: int
    column: str
    code: str
