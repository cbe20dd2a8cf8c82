"""FHIR Bundles: which entries are reports, and what the others may be used for.

The choices, where FHIR leaves them open:

* `message`: if the header's focus names AdverseEvents, they are the reports; all others are context.
* `collection`, `batch`, `searchset`: every AdverseEvent is a report of its own, and a wrong one leaves its
  neighbours unharmed. Entries that a search merely included are not reports.
* `transaction` and `message` are all or nothing.
* Every other type is refused: a history tells of deletions, which say neither whether the incident was
  retracted nor why, and a document is not sent to be acted on. A source retracts by the status entered-in-
  error.
* Requests to delete or patch an AdverseEvent are refused for the same reason; those that only read are passed
  over.
* A Bundle within a Bundle is refused.
* Two different resources at one full address are refused: nobody could say which one a reference means.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from intake.domain.incident import IncidentReport
from intake.readers.adverse_event import read_adverse_event
from intake.readers.bodies import Repeating
from intake.readers.contacts import objects
from intake.readers.faults import UnreadableReport
from intake.readers.modifiers import refuse_modifiers
from intake.readers.people import PERSONS
from intake.readers.references import Neighbours, Resource, Surroundings, server_of
from intake.sources import SourceRules

ALL_OR_NOTHING = ("message", "transaction")
ENTRY_BY_ENTRY = ("collection", "batch", "searchset")
MAX_ENTRIES = 5000


@dataclass(frozen=True)
class Entry:
    """One entry of a Bundle that may be read."""

    resource: Resource
    address: str | None
    path: str


@dataclass(frozen=True)
class Reading:
    """What came out of a message: the reports, and the faults of those that could not be read."""

    reports: tuple[IncidentReport, ...]
    faults: tuple[UnreadableReport, ...] = ()


def read_bundle(bundle: Resource, *, source: SourceRules, arrived_at: datetime) -> Reading:
    """Return the reports in a Bundle; UnreadableReport if it cannot be read as a whole."""
    kind = _kind(bundle)
    collected: list[UnreadableReport] | None = None if kind in ALL_OR_NOTHING else []
    entries = list(_entries(bundle, collected))
    neighbours = _neighbours(entries)
    reports: list[IncidentReport] = []
    for entry in _reported(kind, entries):
        around = Surroundings(source, neighbours=neighbours, base=server_of(entry.address))
        with _collecting(collected):
            reports.append(read_adverse_event(entry.resource, around, arrived_at=arrived_at, path=entry.path))
    if not reports and not collected:
        raise UnreadableReport("no-report", "Bundle.entry")
    return Reading(tuple(dict.fromkeys(reports)), tuple(collected or ()))


@contextmanager
def _collecting(faults: list[UnreadableReport] | None) -> Iterator[None]:
    """Put a fault aside for the sake of its neighbours; None lets it out."""
    try:
        yield
    except UnreadableReport as fault:
        if faults is None:
            raise
        faults.append(fault)


def _kind(bundle: Resource) -> str:
    envelope = {name: value for name, value in bundle.items() if name != "entry"}
    refuse_modifiers(envelope, "Bundle")
    if isinstance(bundle, Repeating) and bundle.repeated & {"type", "entry", "resourceType"}:
        raise UnreadableReport("duplicate-key", "Bundle")
    kind = bundle.get("type")
    if kind is None:
        raise UnreadableReport("missing-field", "Bundle.type")
    if not isinstance(kind, str) or kind not in ALL_OR_NOTHING + ENTRY_BY_ENTRY:
        raise UnreadableReport("refused-bundle", "Bundle.type")
    return kind


def _entries(bundle: Resource, faults: list[UnreadableReport] | None) -> Iterator[Entry]:
    listed = bundle.get("entry", [])
    if not isinstance(listed, list) or len(listed) > MAX_ENTRIES:
        raise UnreadableReport("wrong-value", "Bundle.entry")
    for index, entry in enumerate(listed):
        found: Entry | None = None
        with _collecting(faults):
            found = _entry(entry, f"Bundle.entry[{index}]")
        if found is not None:
            yield found


def _entry(entry: object, path: str) -> Entry | None:
    if not isinstance(entry, dict):
        raise UnreadableReport("wrong-value", path)
    if isinstance(entry, Repeating):
        raise UnreadableReport("duplicate-key", path)
    refuse_modifiers({name: value for name, value in entry.items() if name != "resource"}, path)
    resource = entry.get("resource")
    if not _is_to_be_read(entry, resource, path) or not isinstance(resource, dict):
        return None
    address = entry.get("fullUrl")
    return Entry(resource, address if isinstance(address, str) else None, f"{path}.resource")


def _is_to_be_read(entry: dict[str, object], resource: object, path: str) -> bool:
    request = entry.get("request")
    request = request if isinstance(request, dict) else {}
    method, url = request.get("method"), request.get("url")
    if method in ("DELETE", "PATCH") and str(url).startswith("AdverseEvent"):
        raise UnreadableReport("refused-request", f"{path}.request.method")
    if method in ("DELETE", "PATCH", "GET", "HEAD"):
        return False
    if resource is not None and not isinstance(resource, dict):
        raise UnreadableReport("wrong-value", f"{path}.resource")
    if isinstance(resource, Repeating) and "resourceType" in resource.repeated:
        raise UnreadableReport("duplicate-key", f"{path}.resource")
    if isinstance(resource, dict) and resource.get("resourceType") == "Bundle":
        raise UnreadableReport("refused-bundle", f"{path}.resource")
    search = entry.get("search")
    mode = search.get("mode") if isinstance(search, dict) else None
    is_report = isinstance(resource, dict) and resource.get("resourceType") == "AdverseEvent"
    return not (is_report and mode not in (None, "match"))


def _neighbours(entries: list[Entry]) -> Neighbours:
    by_address: dict[str, Resource] = {}
    by_name: dict[str, Resource] = {}
    for entry in entries:
        known = by_address.setdefault(entry.address, entry.resource) if entry.address else entry.resource
        if known != entry.resource:
            raise UnreadableReport("wrong-value", f"{entry.path.removesuffix('.resource')}.fullUrl")
        # A resource that has an address on some server is found by that address alone.
        if server_of(entry.address) is None:
            by_name.setdefault(f"{entry.resource.get('resourceType')}/{entry.resource.get('id')}", entry.resource)
    return Neighbours(by_address, by_name, _faults(entries))


def _faults(entries: list[Entry]) -> dict[int, UnreadableReport]:
    faults: dict[int, UnreadableReport] = {}
    for entry in entries:
        if entry.resource.get("resourceType") in PERSONS:
            try:
                refuse_modifiers(entry.resource, "")
            except UnreadableReport as fault:
                faults[id(entry.resource)] = fault
    return faults


def _reported(kind: str, entries: list[Entry]) -> list[Entry]:
    events = [entry for entry in entries if entry.resource.get("resourceType") == "AdverseEvent"]
    if kind != "message":
        return events
    named = _focus(entries)
    in_focus = [e for e in events if e.address in named or f"AdverseEvent/{e.resource.get('id')}" in named]
    return in_focus or events


def _focus(entries: list[Entry]) -> set[object]:
    headers = [e.resource for e in entries if e.resource.get("resourceType") == "MessageHeader"]
    references = [focus.get("reference") for header in headers for focus in objects(header.get("focus"))]
    return {reference for reference in references if isinstance(reference, str)}
