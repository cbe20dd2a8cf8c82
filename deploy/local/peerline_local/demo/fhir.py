"""FHIR resources as incident systems write them: AdverseEvent in R4 and R5, and what stands around it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peerline_local.demo.people import NPI, STAFF, Person

Resource = dict[str, Any]

EVENT = "https://risk.example.org/event"
SERVER = "https://risk.example.org/fhir"
_TERMS = "http://terminology.hl7.org/CodeSystem"
_PARTICIPATION = f"{_TERMS}/v3-ParticipationType"
# Gravity as each release spells it.
_R4_SERIOUS = {True: "Serious", False: "Non-serious"}
_R5_SERIOUS = {True: "serious", False: "non-serious"}

DEVICE: Resource = {"reference": "Device/infusion-pump-4"}
RELATIVE: Resource = {"reference": "RelatedPerson/rp-3"}
TEAM: Resource = {"reference": "CareTeam/nights"}


@dataclass(frozen=True)
class Facts:
    """What one report says, whatever its form. `patient` and `story` are planted: nothing of them may go on."""

    id: str
    occurred_at: datetime
    recorded_at: datetime
    patient: str
    story: str
    serious: bool = True
    happened: bool = True


def by_reference(person: Person) -> Resource:
    """The person as most systems name them; the display carries the name, which intake must drop."""
    return {"reference": person.reference, "display": person.name.full}


def by_role(person: Person) -> Resource:
    """The person through their role."""
    return {"reference": person.role_reference, "display": f"Dr {person.name.family}, on call"}


def by_npi(person: Person) -> Resource:
    """The person by a logical identifier only."""
    return {"identifier": {"system": NPI, "value": person.npi}, "display": person.name.full}


def by_staff_number(person: Person) -> Resource:
    """The person by the hospital's own number."""
    return {"identifier": {"system": STAFF, "value": person.staff_number}}


def r4(facts: Facts, *contributors: Resource, **more: Any) -> Resource:
    """An R4 AdverseEvent; `more` replaces or adds elements."""
    return {
        "resourceType": "AdverseEvent",
        "identifier": {"system": EVENT, "value": facts.id},
        "actuality": "actual" if facts.happened else "potential",
        "category": [_concept(f"{_TERMS}/adverse-event-category", "wrong-technique")],
        "event": {"text": facts.story},
        "subject": {"reference": "Patient/p-991", "display": facts.patient},
        "date": facts.occurred_at.isoformat(timespec="seconds"),
        "recordedDate": facts.recorded_at.isoformat(timespec="seconds"),
        "seriousness": _concept(f"{_TERMS}/adverse-event-seriousness", _R4_SERIOUS[facts.serious]),
        "recorder": {"reference": "Practitioner/risk-clerk"},
        "contributor": list(contributors),
        "text": _narrative(facts),
        **more,
    }


def r5(facts: Facts, *participants: Resource, **more: Any) -> Resource:
    """An R5 AdverseEvent; `more` replaces or adds elements."""
    return {
        "resourceType": "AdverseEvent",
        "identifier": [{"system": EVENT, "value": facts.id}],
        "status": "completed",
        "actuality": "actual" if facts.happened else "potential",
        "code": {"text": facts.story},
        "subject": {"reference": "Patient/p-417", "display": facts.patient},
        "occurrenceDateTime": facts.occurred_at.isoformat(timespec="seconds"),
        "recordedDate": facts.recorded_at.isoformat(timespec="seconds"),
        "seriousness": _concept(f"{_TERMS}/adverse-event-seriousness", _R5_SERIOUS[facts.serious]),
        "recorder": {"reference": "Practitioner/risk-clerk"},
        "participant": list(participants),
        "note": [{"text": f"{facts.patient}: {facts.story}"}],
        **more,
    }


def took_part(actor: Resource, function: str = "") -> Resource:
    """An R5 participant; without a function it counts as one who took part."""
    return {"actor": actor, **({"function": _concept(_PARTICIPATION, function)} if function else {})}


def practitioner(person: Person, own_id: str | None = None) -> Resource:
    """The practitioner's own resource, with name and contact."""
    return {
        "resourceType": "Practitioner",
        "id": own_id or person.id,
        "identifier": [{"system": NPI, "value": person.npi}, {"system": STAFF, "value": person.staff_number}],
        "active": True,
        "name": [{"family": person.name.family, "given": [person.name.given]}],
        "telecom": [
            {"system": "email", "value": person.name.email},
            {"system": "phone", "value": person.name.phone},
        ],
    }


def practitioner_role(person: Person) -> Resource:
    """What the practitioner does, and where."""
    return {
        "resourceType": "PractitionerRole",
        "id": f"role-{person.id}",
        "active": True,
        "practitioner": {"reference": person.reference},
        "organization": {"display": person.organisation},
        "healthcareService": [{"display": person.department}],
        # In words, as programmes ask for it; FHIR's own code for a physician is "doctor".
        "code": [{"text": person.role}],
    }


def bundle(kind: str, *resources: Resource) -> Resource:
    """A Bundle whose entries stand at the incident system's own addresses."""
    entries = [
        {"fullUrl": f"{SERVER}/{r['resourceType']}/{r.get('id', n)}", "resource": r} for n, r in enumerate(resources)
    ]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def body(resource: Resource) -> bytes:
    """The resource as it is sent."""
    return json.dumps(resource, indent=1, ensure_ascii=False).encode()


def _concept(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def _narrative(facts: Facts) -> Resource:
    return {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{facts.patient}: {facts.story}</div>',
    }
