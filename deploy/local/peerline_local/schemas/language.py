"""
JSON Schema of each event, and what may change about it.

A schema describes what a writer writes, so it is closed: a field that is not named is not written. A
reader is tolerant, and ignores what it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonschema_rs import canonicalize
from jsonschema_rs.canonical import Satisfiability
from peerline.events import Event

Schema = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
"""The dialect that AsyncAPI 3.0 reads without further words; the models need nothing newer."""


def file_name(event: type[Event]) -> str:
    """Return the name of an event's file, for example `referral-created.v1.json`."""
    return f"{event.name}.v{event.version}.json"


def schema_of(event: type[Event]) -> Schema:
    """Return what a writer of this event writes, as a JSON Schema."""
    schema = event.model_json_schema(ref_template="#/definitions/{model}")
    definitions = schema.pop("$defs", {})
    return {"$schema": DRAFT, **schema, "title": event.ce_type(), "definitions": definitions}


def tolerant(schema: Any) -> Any:
    """Return the schema of a reader that ignores fields it does not know, at every depth."""
    if isinstance(schema, dict):
        closed = schema.get("additionalProperties") is False
        return {
            name: tolerant(part) for name, part in schema.items() if not (closed and name == "additionalProperties")
        }
    return [tolerant(part) for part in schema] if isinstance(schema, list) else schema


def breaks(released: Schema, current: Schema) -> Iterator[str]:
    """
    Yield how the current schema of an event breaks with the released one; both as writers have them.

    Schemas only grow: all that a writer of the last release writes must still be known, not only
    tolerated, and its readers must accept what is written now. What cannot be decided counts as broken.
    """
    if not _accepts(current, released):
        yield "what the last release writes is not all accepted any more"
    if not _accepts(tolerant(released), current):
        yield "a reader of the last release does not accept all that is written now"


def _accepts(reader: Schema, writer: Schema) -> bool:
    """Whether there is provably nothing that the writer writes and the reader refuses."""
    written, read = (canonicalize(schema, validate_formats=True) for schema in (writer, reader))
    return bool(written.subtract(read).satisfiability() is Satisfiability.NO)
