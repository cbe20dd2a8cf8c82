"""The parts of FHIR that Peerline reads, for R4 and R5 alike, and how a wrong one is reported.

Only fields that are kept have a place here. Everything else in a message may be as wrong as it likes: it is
dropped unread, and refusing a report for it would lose a physician.
"""

import unicodedata
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from intake.readers.bodies import Repeating
from intake.readers.faults import UnreadableReport

MAX_TEXT = 512
#: More people than any incident involves: such a message is a fault or an attack.
MAX_PEOPLE = 200

Part = TypeVar("Part", bound="FhirPart")


def clean(value: object) -> object:
    """Trim a text; refuse characters that no identifier has and that a database cannot hold."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return value
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in value):
        raise PydanticCustomError("wrong-value", "control character")
    return value.strip() or None


def _as_list(value: object) -> object:
    """Take one where many may stand, and none where they are left out.

    R4 and R5 differ in this, and senders mix them.
    """
    if value is None:
        return []
    return [item for item in value if item is not None] if isinstance(value, list) else [value]


Text = Annotated[Annotated[str, Field(max_length=MAX_TEXT)] | None, BeforeValidator(clean)]


class FhirPart(BaseModel):
    """A FHIR element: unknown members are ignored, members that are read must be there only once."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _says_each_thing_once(cls, value: object) -> object:
        if isinstance(value, Repeating):
            read = {field.alias or name for name, field in cls.model_fields.items()}
            for member in sorted(value.repeated & read):
                raise PydanticCustomError("duplicate-key", f".{member}")
        return value


class Coding(FhirPart):
    """A code of a code system."""

    system: Text = None
    code: Text = None


class Concept(FhirPart):
    """A CodeableConcept; its text is not read."""

    coding: Annotated[list[Coding], BeforeValidator(_as_list), Field(default_factory=list)]


class IdentifierPart(FhirPart):
    """A business identifier."""

    use: Text = None
    system: Text = None
    value: Text = None


Identifiers = Annotated[list[IdentifierPart], BeforeValidator(_as_list), Field(default_factory=list, max_length=50)]


class Reference(FhirPart):
    """A pointer to a resource, by address or by identifier; its display, often a name, is not read."""

    reference: Text = None
    type: Text = None
    identifier: IdentifierPart | None = None


class Actor(FhirPart):
    """An R5 participant. Without an actor nobody is named."""

    function: Concept | None = None
    actor: Reference = Reference()


class Period(FhirPart):
    """A span of time."""

    start: Text = None
    end: Text = None


class Timing(FhirPart):
    """When something happened again and again."""

    event: Annotated[list[Text], BeforeValidator(_as_list), Field(default_factory=list)]


class AdverseEvent(FhirPart):
    """What is read of an AdverseEvent, in R4's and in R5's places at once: producers mix the two."""

    id: Text = None
    identifier: Identifiers
    status: Text = None
    actuality: Text = None
    date: Text = None
    occurrence_date_time: Text = None
    occurrence_period: Period | None = None
    occurrence_timing: Timing | None = None
    detected: Text = None
    recorded_date: Text = None
    seriousness: Concept | None = None
    severity: Concept | None = None
    subject: Reference | None = None
    recorder: Reference | None = None
    contributor: Annotated[
        list[Reference], BeforeValidator(_as_list), Field(default_factory=list, max_length=MAX_PEOPLE)
    ]
    participant: Annotated[list[Actor], BeforeValidator(_as_list), Field(default_factory=list, max_length=MAX_PEOPLE)]


class Person(FhirPart):
    """What is read of a Practitioner or PractitionerRole that comes with the message."""

    id: Text = None
    identifier: Identifiers
    practitioner: Reference | None = None


def checked(part: type[Part], content: object, path: str) -> Part:
    """Return `content` as this part of FHIR, or raise UnreadableReport with the path of its first fault."""
    try:
        return part.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        code = first["type"] if first["type"] in ("missing", "duplicate-key") else "wrong-value"
        # Only our own message of a repeated member holds its name; all others are pydantic's words.
        member = first["msg"] if code == "duplicate-key" else ""
        code = "missing-field" if code == "missing" else code
        fault = UnreadableReport(code, path + _location(first["loc"]) + member)
    # Raised here, where the validation error (which holds the values) is no longer its context.
    raise fault


def _location(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
