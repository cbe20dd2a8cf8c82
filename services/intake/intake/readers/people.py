"""Who a report names, and what each of them had to do with the incident."""

from collections.abc import Iterator
from dataclasses import replace

from intake.domain.incident import Contact, Involvement, Participant
from intake.readers.contacts import contact_of
from intake.readers.elements import Concept, Person, Reference, checked
from intake.readers.references import Resource, Surroundings, is_resource_name, kind_of

PERSONS = ("Practitioner", "PractitionerRole")
#: An organisation is handled as a team: a person says whom it stands for. Ignoring it might miss somebody.
TEAMS = ("CareTeam", "Organization")

_PARTICIPATION = frozenset(
    {
        "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
        "http://hl7.org/fhir/v3/ParticipationType",
        "urn:oid:2.16.840.1.113883.5.90",
    }
)
_AUTHORS = frozenset({"AUT", "AUTHEN"})


def involvement_of(function: Concept | None) -> Involvement:
    """Return what a participant's function means.

    Only HL7's own code INF makes a mere informant, and only AUT and AUTHEN an author. A missing function, a
    local code and a text in words all leave the person involved: one offer too many harms less than one
    missing.
    """
    codings = function.coding if function else []
    codes = {coding.code for coding in codings if coding.system in _PARTICIPATION and coding.code}
    if not codes or codes - _AUTHORS - {"INF"}:
        return Involvement.INVOLVED
    return Involvement.AUTHOR if codes & _AUTHORS else Involvement.INFORMANT


def participant(reference: Reference, involvement: Involvement, around: Surroundings, path: str) -> Participant | None:
    """Return the person or team that a reference means; None for devices, patients and relatives.

    A PractitionerRole is followed to its practitioner where it came with the message. Raises UnreadableReport
    for a fault in a resource that had to be read.
    """
    resource = around.resource(reference)
    kind = kind_of(reference, resource)
    if kind in TEAMS:
        involvement = Involvement.INFORMANT if involvement == Involvement.INFORMANT else Involvement.TEAM
    elif kind is not None and kind not in PERSONS:
        return None
    return replace(_described(reference, resource, around, path), involvement=involvement)


def _described(reference: Reference, resource: Resource | None, around: Surroundings, path: str) -> Participant:
    """Everything that the message says about one person, the involvement aside."""
    stated = [reference.identifier] if reference.identifier else []
    identifiers = around.identifiers(*stated) + around.conditional_identifier(reference)
    stable = around.stable_reference(reference)
    own = (stable,) if stable else ()
    here = Participant(identifiers, own, Involvement.INVOLVED)
    if resource is None:
        return here

    around.refuse_unusable(resource, path)
    person = checked(Person, resource, path)
    if resource.get("resourceType") == "PractitionerRole" and person.practitioner is not None:
        behind = around.resource(person.practitioner)
        # A role that points to a role is no way to a person, and might lead round in a circle.
        if behind is None or behind.get("resourceType") == "Practitioner":
            return _joined(here, _described(person.practitioner, behind, around, path), around, resource)
    found = Participant(around.identifiers(*person.identifier), _own_name(resource, reference), here.involvement)
    return _joined(here, found, around, resource)


def _own_name(resource: Resource, reference: Reference) -> tuple[str, ...]:
    """Return a resource's own type and id, where only its Bundle knows the address it was found by."""
    name = f"{resource.get('resourceType')}/{resource.get('id')}"
    is_urn = (reference.reference or "").startswith("urn:")
    return (name,) if is_urn and is_resource_name(name) else ()


def _joined(here: Participant, found: Participant, around: Surroundings, resource: Resource) -> Participant:
    contact: Contact | None = contact_of(resource) if around.source.trusted_directory else None
    return Participant(
        identifiers=tuple(dict.fromkeys(here.identifiers + found.identifiers)),
        references=tuple(dict.fromkeys(found.references + here.references)),
        involvement=here.involvement,
        contact=found.contact or contact,
    )


def reporter_was_involved(extensions: object, codes: frozenset[str]) -> bool:
    """Whether a `ReporterInvolvement` extension, at any depth, says that the reporter took part."""
    return any(
        str(extension.get("url")).rsplit("/", 1)[-1] == "ReporterInvolvement" and _code(extension) in codes
        for extension in _nested(extensions)
    )


def _nested(extensions: object) -> Iterator[dict[str, object]]:
    waiting = [extensions]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            yield node
            waiting.append(node.get("extension"))


def _code(extension: dict[str, object]) -> str | None:
    code: object = extension.get("valueCode")
    if isinstance(coding := extension.get("valueCoding"), dict):
        code = coding.get("code")
    if isinstance(concept := extension.get("valueCodeableConcept"), dict):
        codings = concept.get("coding")
        first = codings[0] if isinstance(codings, list) and codings else None
        code = first.get("code") if isinstance(first, dict) else None
    return code if isinstance(code, str) else None
