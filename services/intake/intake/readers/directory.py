"""The directory of physicians, from FHIR Practitioners and PractitionerRoles or from a CSV file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

from intake.domain.incident import Identifier
from intake.readers.bodies import load_object
from intake.readers.contacts import contact_of, objects, words
from intake.readers.elements import Person, checked
from intake.readers.faults import RowFault, UnreadableReport
from intake.readers.modifiers import refuse_modifiers
from intake.readers.references import Neighbours, Resource, Surroundings, identifies, server_of
from intake.readers.rows import Row, WrongCell, fit_text, read_table
from intake.sources import DirectoryTable, SourceRules

#: What programmes may ask about a physician. `supervisor` and `team` hold identifiers, separated by ";".
ATTRIBUTES = (
    "role",
    "department",
    "specialty",
    "rank",
    "training_programme",
    "hospital",
    "active",
    "language",
    "supervisor",
    "team",
    "time_zone",
)
_FIELDS = ("name", "email", "phone", "identifier", "identifier_system", "reference")
_IDENTIFIER = "identifier:"
_NO = frozenset({"no", "n", "false", "0", "inactive"})


@dataclass(frozen=True)
class DirectoryEntry:
    """One physician as a directory lists them.

    `attributes` has text only; `active` in it is "true" or "false".
    """

    identifiers: tuple[Identifier, ...]
    references: tuple[str, ...]
    name: str = field(repr=False)
    email: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    attributes: dict[str, str] = field(default_factory=dict)


Outcome = tuple[list[DirectoryEntry], list[RowFault]]


def read_directory(body: bytes, *, source: SourceRules, layout: DirectoryTable | None = None) -> Outcome:
    """Return the physicians in a FHIR Bundle (JSON) or CSV file, and the faults of those left out.

    Raises UnreadableReport when the whole cannot be read.
    """
    if body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{":
        return read_practitioners(body, source=source)
    return read_directory_table(body, layout=layout or DirectoryTable(), source=source)


def read_directory_table(body: bytes, *, layout: DirectoryTable, source: SourceRules) -> Outcome:
    """Return the physicians in a CSV file, one per row, and the faults of the rows left out."""
    own = {name: name for name in (*_FIELDS, *ATTRIBUTES)}
    mapping = {**own, **layout.columns}
    table = read_table(
        body,
        delimiter=layout.delimiter,
        encoding=layout.encoding,
        needed=tuple({*layout.columns.values(), mapping["name"]}),
        read=tuple(mapping.values()),
    )
    entries: list[DirectoryEntry] = []
    faults = list(table.faults)
    for row in table.rows:
        try:
            entries.append(_from_row(row, mapping, layout, source))
        except WrongCell as wrong:
            faults.append(RowFault(row.line, wrong.column, wrong.code))
    return entries, sorted(faults, key=lambda fault: fault.line)


def _from_row(row: Row, mapping: Mapping[str, str], layout: DirectoryTable, source: SourceRules) -> DirectoryEntry:
    identifiers = _row_identifiers(row, mapping, layout, source)
    reference = fit_text(row, mapping["reference"])
    if not identifiers and not reference:
        raise WrongCell(mapping["identifier"], "missing-field")
    name = fit_text(row, mapping["name"])
    if not name:
        raise WrongCell(mapping["name"], "missing-field")
    email = fit_text(row, mapping["email"])
    if email and not _is_email(email):
        raise WrongCell(mapping["email"], "wrong-value")
    return DirectoryEntry(
        identifiers=identifiers,
        references=(reference,) if reference else (),
        name=name,
        email=email or None,
        phone=fit_text(row, mapping["phone"]) or None,
        attributes=_row_attributes(row, mapping),
    )


def _row_identifiers(
    row: Row, mapping: Mapping[str, str], layout: DirectoryTable, source: SourceRules
) -> tuple[Identifier, ...]:
    system = fit_text(row, mapping["identifier_system"]) or layout.identifier_system
    stated = [(system, fit_text(row, mapping["identifier"]))]
    for ours, column in mapping.items():
        if ours.startswith(_IDENTIFIER):
            stated.append((ours.removeprefix(_IDENTIFIER), fit_text(row, column)))
    usable = ((system, value) for system, value in stated if identifies(value, system))
    return tuple(Identifier(source.our_system(system), value) for system, value in usable)


def _row_attributes(row: Row, mapping: Mapping[str, str]) -> dict[str, str]:
    ours = [name for name in mapping if name not in _FIELDS and not name.startswith(_IDENTIFIER)]
    attributes = {name: text for name in ours if (text := fit_text(row, mapping[name]))}
    if "active" in attributes:
        attributes["active"] = "false" if attributes["active"].casefold() in _NO else "true"
    if "time_zone" in attributes and not _is_zone(attributes["time_zone"]):
        raise WrongCell(mapping["time_zone"], "wrong-value")
    return attributes


def read_practitioners(body: bytes, *, source: SourceRules) -> Outcome:
    """Return the physicians in a FHIR Bundle, each with what their roles say.

    A fault's line is the number of its entry. A role that points to nobody in the Bundle is a fault. Parts that
    are not read may be as wrong as they like.
    """
    content = load_object(body)
    if content.get("resourceType") != "Bundle":
        raise UnreadableReport("wrong-resource", "resourceType")
    numbered = list(enumerate(objects(content.get("entry") or []), start=1))
    neighbours = _neighbours(entry for _, entry in numbered)
    found: dict[int, DirectoryEntry] = {}
    faults: list[RowFault] = []
    for kind, read in (("Practitioner", _from_practitioner), ("PractitionerRole", _with_role)):
        for number, entry in numbered:
            resource = entry.get("resource")
            if isinstance(resource, dict) and resource.get("resourceType") == kind:
                around = Surroundings(source, neighbours=neighbours, base=server_of(entry.get("fullUrl")))
                try:
                    refuse_modifiers(resource, kind)
                    read(resource, around, found)
                except UnreadableReport as fault:
                    faults.append(RowFault(number, fault.path, fault.code))
    return list(found.values()), sorted(faults, key=lambda fault: fault.line)


def _neighbours(entries: Iterable[dict[str, object]]) -> Neighbours:
    by_address: dict[str, Resource] = {}
    by_name: dict[str, Resource] = {}
    for entry in entries:
        resource, address = entry.get("resource"), entry.get("fullUrl")
        if not isinstance(resource, dict):
            continue
        if isinstance(address, str):
            by_address.setdefault(address, resource)
        if server_of(address) is None:
            by_name.setdefault(f"{resource.get('resourceType')}/{resource.get('id')}", resource)
    return Neighbours(by_address, by_name)


def _from_practitioner(resource: Resource, around: Surroundings, found: dict[int, DirectoryEntry]) -> None:
    person = checked(Person, resource, "Practitioner")
    contact = contact_of(resource)
    if contact is None or contact.name is None:
        raise UnreadableReport("missing-field", "Practitioner.name")
    identifiers = around.identifiers(*person.identifier)
    references = around.own_references("Practitioner", person.id)
    if not identifiers and not references:
        raise UnreadableReport("missing-field", "Practitioner.identifier")
    if contact.email and not _is_email(contact.email):
        raise UnreadableReport("wrong-value", "Practitioner.telecom")
    attributes = {"active": "false" if resource.get("active") is False else "true"}
    language = next((text for c in objects(resource.get("communication")) if (text := _language(c))), None)
    if language:
        attributes["language"] = language
    found[id(resource)] = DirectoryEntry(
        identifiers, references, contact.name, contact.email, contact.phone, attributes
    )


def _with_role(resource: Resource, around: Surroundings, found: dict[int, DirectoryEntry]) -> None:
    """Add to a physician what a role says; the first role that says something about an attribute stands."""
    role = checked(Person, resource, "PractitionerRole")
    person = around.resource(role.practitioner) if role.practitioner else None
    entry = found.get(id(person))
    if entry is None:
        raise UnreadableReport("missing-field", "PractitionerRole.practitioner")
    references = entry.references + around.own_references("PractitionerRole", role.id)
    stated = {
        "role": _label(resource.get("code")),
        "specialty": _label(resource.get("specialty")),
        "hospital": _display(resource.get("organization")),
        "department": _display(resource.get("healthcareService")),
    }
    is_current = resource.get("active") is not False
    attributes = {name: text for name, text in stated.items() if text and is_current} | entry.attributes
    found[id(person)] = replace(entry, references=references, attributes=attributes)


def _language(communication: dict[str, object]) -> str | None:
    # R5 nests the code in `language`; R4 has it at once.
    return _code(communication.get("language", communication))


def _code(concept: object) -> str | None:
    codings = [coding for part in objects(concept) for coding in objects(part.get("coding"))]
    return next((code for coding in codings if (code := words(coding.get("code")))), None)


def _label(concepts: object) -> str | None:
    """Return a concept in words: its text, else a coding's display, else the code."""
    for concept in objects(concepts):
        shown = [words(coding.get("display")) for coding in objects(concept.get("coding"))]
        for text in (words(concept.get("text")), *shown, _code(concept)):
            if text:
                return text
    return None


def _display(references: object) -> str | None:
    return next((text for r in objects(references) if (text := words(r.get("display")))), None)


def _is_email(text: str) -> bool:
    local, at, domain = text.rpartition("@")
    return bool(local and at and domain) and not any(letter in text for letter in ' ,;<>"') and "@" not in local


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
