"""Refusing what may not be ignored.

Modifier extensions and implicit rules can turn a statement into its opposite.
"""

import re
from collections.abc import Iterator

from intake.readers.bodies import Repeating
from intake.readers.faults import UnreadableReport

#: R5's `status`, carried in an R4 message: by HL7's backport guide and by the cross-version extensions.
STATUS_EXTENSIONS = frozenset(
    {
        "http://hl7.org/fhir/uv/ae-research-backport-ig/StructureDefinition/status",
        "http://hl7.org/fhir/5.0/StructureDefinition/extension-AdverseEvent.status",
    }
)

_BINDING = ("modifierExtension", "implicitRules")

#: Names that a path may show. A member of any other name is shown as "*": a sender can put a value into a
#: name.
_SHOWN = frozenset(
    re.findall(
        r"\w+",
        """
        abatement action actor address assessment author causality code communication contact contained
        contributingFactor contributor detected encounter entityRelatedness entry evidence event
        extension function identifier instance item instanceCodeableConcept instanceReference link
        location meta mitigatingAction method modifierExtension name note occurrencePeriod
        occurrenceTiming organization outcome participant period photo practitioner preventiveAction
        productRelatedness qualification recorder referenceDocument request resource response
        resultingCondition resultingEffect role search seriousness severity specialty study subject
        subjectMedicalHistory supportingInfo suspectEntity telecom text valueCodeableConcept
        valueReference implicitRules
        """,
    )
)


def refuse_modifiers(resource: dict[str, object], path: str) -> None:
    """Raise UnreadableReport (refused-extension, refused-rules) for any modifier that is not understood.

    Nested ones count, and so do those in parts that are dropped: their sender says that they may not be
    passed over. The status of R5 is understood in an AdverseEvent's own modifierExtension, and nowhere else.
    """
    if not _has_modifiers(resource):
        return
    own = resource.get("modifierExtension") if resource.get("resourceType") == "AdverseEvent" else None
    for node, place in _objects(resource, path):
        repeated = node.repeated if isinstance(node, Repeating) else frozenset()
        for name in _BINDING:
            if name in repeated:
                raise UnreadableReport("duplicate-key", f"{place}.{name}")
        if node.get("implicitRules"):
            raise UnreadableReport("refused-rules", f"{place}.implicitRules")
        extensions = node.get("modifierExtension")
        if extensions and not (extensions is own and all(map(is_status, _listed(own)))):
            raise UnreadableReport("refused-extension", f"{place}.modifierExtension")


def _has_modifiers(root: dict[str, object]) -> bool:
    """Whether there is any modifier at all: most messages have none, and paths are dear to build."""
    waiting: list[object] = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if any(name in node for name in _BINDING):
                return True
            waiting += [inner for inner in node.values() if isinstance(inner, dict | list)]
        elif isinstance(node, list):
            waiting += [inner for inner in node if isinstance(inner, dict | list)]
    return False


def is_status(extension: object) -> bool:
    """Whether this extension is R5's status."""
    url = extension.get("url") if isinstance(extension, dict) else None
    return isinstance(url, str) and url in STATUS_EXTENSIONS


def _listed(extensions: object) -> list[object]:
    return extensions if isinstance(extensions, list) else [extensions]


def _objects(root: dict[str, object], path: str) -> Iterator[tuple[dict[str, object], str]]:
    """Every JSON object in `root` with its path; without recursion."""
    waiting: list[tuple[object, str]] = [(root, path)]
    while waiting:
        node, place = waiting.pop()
        if isinstance(node, dict):
            yield node, place
            waiting += [(inner, f"{place}.{name if name in _SHOWN else '*'}") for name, inner in node.items()]
        elif isinstance(node, list):
            waiting += [(inner, f"{place}[{index}]") for index, inner in enumerate(node)]
