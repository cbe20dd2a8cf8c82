"""Domain values as the JSON that is encrypted into a column, and back."""

from typing import Any, TypeVar

from chassis.keys import Vault
from pydantic import BaseModel, ConfigDict

from intake.domain.book import Incident
from intake.domain.cases import Inputs, Referral
from intake.domain.people import ContactData, Person


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, ser_json_bytes="base64", val_json_bytes="base64")


R = TypeVar("R", bound=_Record)


class IncidentRecord(_Record):
    """What `incident.record` holds."""

    incident: Incident


class InputsRecord(_Record):
    """What `referral.inputs` holds."""

    inputs: Inputs


class EntryRecord(_Record):
    """What `person.entry` holds."""

    contact: ContactData
    attributes: dict[str, str]


class AnswerRecord(_Record):
    """What `answer.content` holds."""

    status: int
    body: dict[str, Any]


class RecalledRecord(_Record):
    """
    What an event says to intake itself: the referral right after it, and what the referral refers to.

    `into` is the case that it joined or waits for, `incident` all that its source said by then.
    """

    referral: Referral
    into: Referral | None
    person: Person | None
    incident: Incident | None


def lock(vault: Vault, record: _Record, about: str) -> bytes:
    """A record as it may be stored; `about` is table.column/subject."""
    return vault.lock(record.model_dump_json().encode(), about)


def unlock(vault: Vault, kind: type[R], blob: bytes, about: str) -> R:
    """The record again; raises chassis.keys.Locked, or pydantic.ValidationError without the content."""
    return kind.model_validate_json(vault.unlock(blob, about))
