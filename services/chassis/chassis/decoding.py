"""From a Kafka record to an event, or to the reason why not; nothing here raises on bad input."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias
from uuid import UUID

from aiokafka import ConsumerRecord
from peerline.cloudevents import NotACloudEvent, context_of
from peerline.events import REGISTRY, Event, Topic
from pydantic import ValidationError

RawRecord: TypeAlias = ConsumerRecord  # of optional bytes; aiokafka is untyped


class Decoded(NamedTuple):
    """An event and where it stood."""

    event: Event
    body_hash: bytes
    traceparent: str | None
    record: RawRecord


@dataclass(frozen=True)
class Unreadable:
    """A record that is no event of ours: a reason code and the name of the field at fault."""

    record: RawRecord
    reason: str
    path: str
    event_id: UUID | None = None
    referral_id: UUID | None = None


def body_hash(value: bytes | None) -> bytes:
    """SHA-256 of a body; of the empty one where there is none."""
    return hashlib.sha256(value or b"").digest()


def decode(record: RawRecord) -> Decoded | Unreadable:
    """
    The event in a record.

    `unknown-type` marks a type or major version from the future: it is parked and replayed after an
    upgrade. The other reasons are faults of the writer.
    """
    try:
        context = context_of(record.headers)
    except NotACloudEvent as error:
        return Unreadable(record, "not-a-cloudevent", error.header)
    model = REGISTRY.get(context.type)
    if model is None:
        return Unreadable(record, "unknown-type", "ce_type", _uuid(context.id), _uuid(context.subject))
    if record.value is None:
        return Unreadable(record, "no-body", "", _uuid(context.id), _uuid(context.subject))
    try:
        event = model.read(record.value)
    except ValidationError as error:
        return Unreadable(record, "invalid", _where(error), _uuid(context.id), _uuid(context.subject))
    mismatch = _mismatch(event, record, context.id, context.subject)
    if mismatch:
        return Unreadable(record, "mismatch", mismatch, event.event_id, event.referral_id)
    return Decoded(event, body_hash(record.value), context.traceparent, record)


def decode_all(records: Iterable[RawRecord]) -> tuple[list[Decoded], list[Unreadable]]:
    """Every record as one or the other."""
    decoded, unreadable = [], []
    for record in records:
        result = decode(record)
        if isinstance(result, Decoded):
            decoded.append(result)
        else:
            unreadable.append(result)
    return decoded, unreadable


def _mismatch(event: Event, record: RawRecord, event_id: str, subject: str) -> str | None:
    """The header that says otherwise than the body, if one does."""
    if str(event.event_id) != event_id:
        return "ce_id"
    if str(event.referral_id) != subject:
        return "ce_subject"
    if record.key != subject.encode():
        return "key"
    return "topic" if event.topic is not Topic.of(record.topic) else None


def _where(error: ValidationError) -> str:
    fault = error.errors(include_input=False, include_context=False, include_url=False)[0]
    return ".".join(str(part) for part in fault["loc"] if isinstance(part, int) or str(part).isidentifier())[:100]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
