"""The AsyncAPI document: sound in itself, and true of the records and the handlers."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import jsonschema_rs
import pytest
import yaml
from peerline.cloudevents import headers_of
from peerline.events import (
    EVENTS,
    REGISTRY,
    Event,
    Firmness,
    OutreachLogged,
    Phase,
    ProgrammeRef,
    ReferralCreated,
    Sealed,
    Topic,
)
from peerline_local.schemas import files
from peerline_local.schemas.language import file_name, schema_of

NOW = datetime(2026, 6, 9, 14, 15, 0, 123456, tzinfo=UTC)
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

# Values of the fields that some event has beyond those of every event.
VALUES: dict[str, Any] = {
    "received_at": NOW,
    "into": uuid4(),
    "match_id": uuid4(),
    "attempt": 2,
    "phase": Phase.CONTACTED,
    "step": "contact-made",
    "deadline_id": uuid4(),
    "clock": "first-contact",
    "firmness": Firmness.PROMISED,
    "due_at": NOW,
    "starts_at": NOW,
    "met_at": NOW,
    "corrects": uuid4(),
    "late_entry": True,
    "provisional": True,
    "level": 1,
    "to": "deputy",
    "late_noticed": True,
    "reported_within_hours": 168,
    "item_id": uuid4(),
    "kind": "unmatched",
    "urgent": True,
    "is_open": True,
    "pause_id": uuid4(),
    "begins_at": NOW,
    "ends_at": NOW,
    "code": "physician-away",
}


def common() -> dict[str, Any]:
    return {
        "event_id": uuid4(),
        "referral_id": uuid4(),
        "programme": ProgrammeRef(id="shcp", digest="0123456789abcdef"),
        "sequence": 3,
        "occurred_at": NOW,
    }


def full(event: type[Event]) -> Event:
    """An event with every field that it can have."""
    own = {name: VALUES[name] for name in event.model_fields if name in VALUES}
    sealed = Sealed(matcher="a.b.c.d.e", notifier="a.b.c.d.e", desk="a.b.c.d.e")
    return event(**common(), **own, sealed=sealed)


def bare(event: type[Event]) -> Event:
    """An event with the fields that it must have."""
    own = {name: VALUES[name] for name, field in event.model_fields.items() if name in VALUES and field.is_required()}
    return event(**common(), **own)


@pytest.fixture(scope="module")
def document() -> Any:
    return yaml.safe_load((files.FOLDER / "asyncapi.yaml").read_text())


ESSENTIALS: dict[str, Any] = {
    "type": "object",
    "required": ["asyncapi", "info", "channels", "operations", "components"],
    "properties": {
        "asyncapi": {"const": "3.0.0"},
        "info": {"type": "object", "required": ["title", "version"]},
        "defaultContentType": {"type": "string"},
        "channels": {
            "additionalProperties": {
                "type": "object",
                "required": ["address", "messages"],
                "properties": {
                    "address": {"type": "string"},
                    "messages": {"minProperties": 1, "additionalProperties": {"$ref": "#/definitions/reference"}},
                    "bindings": {"type": "object"},
                },
                "additionalProperties": False,
            }
        },
        "operations": {
            "additionalProperties": {
                "type": "object",
                "required": ["action", "channel", "messages"],
                "properties": {
                    "action": {"enum": ["send", "receive"]},
                    "channel": {"$ref": "#/definitions/reference"},
                    "messages": {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/reference"}},
                    "tags": {"type": "array", "items": {"type": "object", "required": ["name"]}},
                    "bindings": {"type": "object"},
                },
                "additionalProperties": False,
            }
        },
        "components": {
            "type": "object",
            "properties": {
                "messages": {
                    "propertyNames": {"pattern": r"^[\w.-]+$"},
                    "additionalProperties": {
                        "type": "object",
                        "required": ["name", "headers", "payload"],
                        "properties": {
                            **{word: {"type": "string"} for word in ("name", "title", "summary", "contentType")},
                            **{word: {"type": "object"} for word in ("headers", "payload", "bindings")},
                        },
                        "additionalProperties": False,
                    },
                }
            },
            "additionalProperties": False,
        },
    },
    "additionalProperties": False,
    "definitions": {
        "reference": {
            "type": "object",
            "required": ["$ref"],
            "properties": {"$ref": {"type": "string"}},
            "additionalProperties": False,
        }
    },
}
"""Of AsyncAPI 3.0's own schema (400 kB), what this document uses; nothing else may stand in it."""


def test_the_asyncapi_document_has_the_structure_of_version_3(document: Any) -> None:
    faults = [f"{list(fault.instance_path)}: {fault.message}" for fault in validator(ESSENTIALS).iter_errors(document)]

    assert faults == []


def test_every_reference_leads_somewhere(document: Any) -> None:
    schemas = {f"./json/{file_name(event)}": schema_of(event) for event in EVENTS}
    whole = {"": document, **schemas}

    for place, content in whole.items():
        for reference in references(content):
            file, _, pointer = reference.partition("#")
            assert resolve(whole[file or place], pointer) is not None, f"{place}: {reference}"


def test_operations_name_messages_of_their_own_channel_and_channels_those_of_the_components(document: Any) -> None:
    channels, operations = document["channels"], document["operations"]

    for operation in operations.values():
        channel = operation["channel"]["$ref"]
        assert all(message["$ref"].startswith(f"{channel}/messages/") for message in operation["messages"])
    carried = [name for channel in channels.values() for name in channel["messages"]]
    assert sorted(carried) == sorted(document["components"]["messages"])
    assert {channel["address"] for channel in channels.values()} == set(Topic)


def test_each_topic_has_one_writer_who_writes_all_of_its_events(document: Any) -> None:
    for channel_id, channel in document["channels"].items():
        writers = [
            operation
            for operation in document["operations"].values()
            if operation["action"] == "send" and operation["channel"]["$ref"] == f"#/channels/{channel_id}"
        ]
        assert len(writers) == 1
        assert len(writers[0]["messages"]) == len(channel["messages"])


def test_what_a_service_reads_is_what_it_has_handlers_for(document: Any) -> None:
    received = document["operations"]["sla-monitor-reads-referrals"]["messages"]

    assert {message["$ref"].rpartition("/")[2] for message in received} == {
        "peerline.referral-created.v1",
        "peerline.participant-unresolved.v1",
        "peerline.referral-joined.v1",
        "peerline.referral-amended.v1",
        "peerline.referral-withdrawn.v1",
        "peerline.referral-forgotten.v1",
    }


@pytest.mark.parametrize("make", [full, bare])
@pytest.mark.parametrize("ce_type", sorted(REGISTRY))
def test_a_record_of_each_type_is_as_its_message_says(ce_type: str, make: Any, document: Any) -> None:
    event = make(REGISTRY[ce_type])
    headers = headers_of(event, source="/peerline/test", time=NOW, traceparent=TRACEPARENT)
    message = document["components"]["messages"][ce_type]

    validator(message["headers"]).validate({name: value.decode() for name, value in headers})
    validator(json.loads((files.FOLDER / message["payload"]["$ref"]).read_text())).validate(json.loads(event.body()))
    validator(message["bindings"]["kafka"]["key"]).validate(str(event.referral_id))


def test_a_record_that_is_not_as_its_message_says_is_told_apart() -> None:
    schema = validator(schema_of(OutreachLogged))
    body = json.loads(full(OutreachLogged).body())

    for field, value in (("phase", "paused"), ("event_id", "no id"), ("step", "Contact Made"), ("name", "Dr Who")):
        assert not schema.is_valid(body | {field: value}), field


def test_a_reader_of_today_ignores_what_a_writer_of_tomorrow_adds_at_any_depth() -> None:
    event = full(ReferralCreated)
    body = json.loads(event.body())
    body["added"] = body["programme"]["added"] = body["sealed"]["added"] = {"any": "thing"}

    assert ReferralCreated.read(json.dumps(body).encode()) == event


def validator(schema: Any) -> Any:
    return jsonschema_rs.Draft7Validator(schema, validate_formats=True, formats={"uuid": _is_uuid})


def _is_uuid(text: str) -> bool:
    """Whether a text is a UUID; the dialect has no word of its own for it."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for name, inner in part.items():
            if name == "$ref":
                yield inner
            else:
                yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)


def resolve(content: Any, pointer: str) -> Any:
    for name in pointer.split("/")[1:]:
        content = content.get(name) if isinstance(content, dict) else None
    return content
