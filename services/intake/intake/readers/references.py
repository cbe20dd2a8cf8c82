"""Following references.

They lead to contained resources, to resources of the same Bundle, and to the sender's own server.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from intake.domain.incident import Identifier
from intake.readers.elements import IdentifierPart, Reference
from intake.readers.faults import UnreadableReport
from intake.sources import SourceRules

#: Markers that stand for "there is no identifier", as HL7's null flavours and as people type them.
NO_IDENTIFIER = frozenset({"ni", "unk", "asku", "nask", "nav", "na", "n/a", "msk", "unknown", "none", "null"})
NULL_FLAVOUR_SYSTEMS = frozenset(
    {"http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "http://hl7.org/fhir/v3/NullFlavor"}
)

_ADDRESS = re.compile(
    r"(?:(?P<base>https?://[^\s?#]+)/)?(?P<type>[A-Z][A-Za-z]{2,40})/(?P<id>[A-Za-z0-9.-]{1,64})"
    r"(?:/_history/[A-Za-z0-9.-]{1,64})?",
    re.ASCII,
)
_URN = re.compile(r"urn:(?:uuid|oid):[0-9a-zA-Z.-]{1,64}", re.ASCII)
_CONDITIONAL = re.compile(r"(?P<type>[A-Z][A-Za-z]{2,40})\?identifier=(?P<system>[^|&]*)\|(?P<value>[^&|]+)", re.ASCII)

Resource = dict[str, object]


@dataclass(frozen=True)
class Neighbours:
    """The resources of a Bundle, by full address and, where they have none, by type and id."""

    by_address: Mapping[str, Resource] = field(default_factory=dict)
    by_name: Mapping[str, Resource] = field(default_factory=dict)
    faults: Mapping[int, UnreadableReport] = field(default_factory=dict)
    """What forbids the use of a resource, by its `id()`: each is examined once, however often it is meant."""


@dataclass(frozen=True)
class Surroundings:
    """Where a reference stands: what its message contains, and whose server relative references mean."""

    source: SourceRules
    contained: Mapping[str, Resource] = field(default_factory=dict)
    neighbours: Neighbours = Neighbours()
    base: str | None = None
    """The server of the message's own full address in its Bundle, without a slash at the end."""

    def resource(self, reference: Reference) -> Resource | None:
        """Return the resource a reference means, if it came with the message."""
        text = reference.reference
        if text is None:
            return None
        if text.startswith("#"):
            return self.contained.get(text[1:])
        if text in self.neighbours.by_address:
            return self.neighbours.by_address[text]
        found = _ADDRESS.fullmatch(text)
        if found is None:
            return None
        name = f"{found['type']}/{found['id']}"
        home = self.base or self.source.fhir_base
        base = found["base"] or home
        if base is not None and f"{base}/{name}" in self.neighbours.by_address:
            return self.neighbours.by_address[f"{base}/{name}"]
        # A foreign server's Practitioner/1 is somebody else than ours.
        is_foreign = found["base"] is not None and found["base"] != home
        return None if is_foreign else self.neighbours.by_name.get(name)

    def refuse_unusable(self, resource: Resource, path: str) -> None:
        """Raise UnreadableReport for a neighbour that may not be used; `path` is where it is needed."""
        fault = self.neighbours.faults.get(id(resource))
        if fault is not None:
            raise UnreadableReport(fault.code, path + fault.path)

    def stable_reference(self, reference: Reference) -> str | None:
        """Return the reference as the directory may know it: relative for the source's server, else in full.

        None for references that mean nothing outside the message, and for free text, which may be a name.
        """
        text = reference.reference or ""
        if _URN.fullmatch(text):
            return text
        found = _ADDRESS.fullmatch(text)
        if found is None:
            return None
        name = f"{found['type']}/{found['id']}"
        base = found["base"] or self.base
        home = self.source.fhir_base or self.base
        return name if base is None or base == home else f"{base}/{name}"

    def own_references(self, kind: str, own_id: str | None) -> tuple[str, ...]:
        """Return how others refer to a resource that stands here; nothing for one without a usable id."""
        stable = self.stable_reference(Reference(reference=f"{kind}/{own_id}")) if own_id else None
        return (stable,) if stable else ()

    def identifiers(self, *parts: IdentifierPart) -> tuple[Identifier, ...]:
        """Return these identifiers under our names of their systems, without outdated and empty ones."""
        usable = (part for part in parts if is_identifier(part) and part.use != "old")
        found = (Identifier(self.source.our_system(part.system), part.value or "") for part in usable)
        return tuple(dict.fromkeys(found))

    def conditional_identifier(self, reference: Reference) -> tuple[Identifier, ...]:
        """Return the identifier in a conditional reference, `Practitioner?identifier=system|value`."""
        found = _CONDITIONAL.fullmatch(reference.reference or "")
        if found is None:
            return ()
        system, value = unquote(found["system"]), unquote(found["value"])
        # Unquoted, it may hold what a text of a message may not.
        if not (system.isprintable() and value.isprintable()):
            return ()
        return self.identifiers(IdentifierPart(system=system, value=value))


def kind_of(reference: Reference, resource: Resource | None) -> str | None:
    """Return the type of resource that a reference means, or None where nothing says it."""
    if resource is not None and isinstance(kind := resource.get("resourceType"), str):
        return kind
    text = reference.reference or ""
    found = _ADDRESS.fullmatch(text) or _CONDITIONAL.fullmatch(text)
    return found["type"] if found else reference.type


def server_of(full_url: object) -> str | None:
    """Return the server part of a full address, None for one that is no address on a server."""
    found = _ADDRESS.fullmatch(full_url) if isinstance(full_url, str) else None
    return found["base"] if found else None


def is_resource_name(text: str) -> bool:
    """Whether this is a type and an id, as in `Practitioner/77`."""
    found = _ADDRESS.fullmatch(text)
    return found is not None and found["base"] is None


def is_identifier(part: IdentifierPart) -> bool:
    """Whether this identifies anything: null flavours and empty values do not."""
    return identifies(part.value, part.system)


def identifies(value: str | None, system: str | None = None) -> bool:
    """Whether a value of this system identifies anything: null flavours and empty values do not."""
    if not value or system in NULL_FLAVOUR_SYSTEMS:
        return False
    return value.casefold() not in NO_IDENTIFIER
