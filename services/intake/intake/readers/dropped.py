"""The receipt of what was dropped: paths of fields, never values, and never a name that a sender made up."""

import re

from intake.readers.contacts import objects
from intake.readers.references import Resource

_KEPT = frozenset(
    re.findall(
        r"\w+",
        """
        resourceType id identifier status actuality date occurrenceDateTime occurrencePeriod
        occurrenceTiming detected recordedDate seriousness severity recorder contributor participant
        contained extension modifierExtension
        """,
    )
)
_KNOWN = frozenset(
    re.findall(
        r"\w+",
        """
        meta language text category event code encounter location outcome study subject note
        resultingCondition resultingEffect suspectEntity subjectMedicalHistory referenceDocument
        contributingFactor preventiveAction mitigatingAction supportingInfo expectedInResearchStudy
        implicitRules
        """,
    )
)
_CONTACTS = ("name", "telecom", "address", "birthDate", "gender", "photo")


def dropped_paths(resource: Resource, *, keeps_contacts: bool) -> tuple[str, ...]:
    """Return the paths of an AdverseEvent's fields that are dropped; unknown ones as `AdverseEvent.*`."""
    tops = (name.removeprefix("_") for name in resource)
    paths = {f"AdverseEvent.{name if name in _KNOWN else '*'}" for name in tops if name not in _KEPT}
    paths |= {f"AdverseEvent.{name}.display" for name in ("recorder", "contributor") if _shows(resource.get(name))}
    if any(_shows(actor.get("actor")) for actor in objects(resource.get("participant"))):
        paths.add("AdverseEvent.participant.actor.display")
    for inner in objects(resource.get("contained")):
        if inner.get("resourceType") not in ("Practitioner", "PractitionerRole"):
            paths.add("AdverseEvent.contained")
        elif not keeps_contacts:
            paths |= {f"AdverseEvent.contained.{name}" for name in _CONTACTS if name in inner}
    return tuple(sorted(paths))


def _shows(reference: object) -> bool:
    return any("display" in part for part in objects(reference))
