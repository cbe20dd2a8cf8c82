"""Events: strict to write, tolerant to read, and named so that nobody is."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from peerline import cloudevents
from peerline.events import EVENTS, PUBLIC_STEPS, REGISTRY, STEPS, OutreachLogged, ProgrammeRef, ReferralCreated, Topic
from pydantic import ValidationError

NOW = datetime(2026, 6, 9, 14, 15, tzinfo=UTC)
CREATED = ReferralCreated(
    event_id=UUID(int=1),
    referral_id=UUID(int=2),
    programme=ProgrammeRef(id="shcp", digest="0" * 16),
    sequence=1,
    occurred_at=NOW,
    received_at=NOW,
)


def test_a_writer_may_not_add_a_field() -> None:
    with pytest.raises(ValidationError, match="physician"):
        ReferralCreated.model_validate({**dict(CREATED), "physician": "Ada Quillfeather"})


def test_a_reader_passes_over_a_field_of_a_later_version() -> None:
    body = json.loads(CREATED.body()) | {"later": 1}
    body["programme"]["later"] = {"deep": True}

    assert ReferralCreated.read(json.dumps(body).encode()) == CREATED


def test_an_error_never_holds_what_was_read() -> None:
    with pytest.raises(ValidationError) as caught:
        ReferralCreated.read(CREATED.body().replace(b'"sequence":1', b'"sequence":"Quillfeather"'))

    assert "Quillfeather" not in str(caught.value)


def test_an_event_survives_its_headers_and_body() -> None:
    headers = cloudevents.headers_of(CREATED, source="/peerline/intake", time=NOW, traceparent="00-" + "1" * 32)
    context = cloudevents.context_of(headers)

    assert REGISTRY[context.type].read(CREATED.body()) == CREATED
    assert (context.id, context.subject) == (str(CREATED.event_id), str(CREATED.referral_id))
    assert (context.source, context.time) == ("/peerline/intake", NOW)
    assert dict(headers)["ce_type"] == b"peerline.referral-created.v1"


@pytest.mark.parametrize("header", ["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time", "ce_subject"])
@pytest.mark.parametrize("value", [None, b"", b"\xff\xfe"])
def test_a_missing_or_unreadable_header_is_named(header: str, value: bytes | None) -> None:
    headers = dict(cloudevents.headers_of(CREATED, source="/peerline/intake", time=NOW, traceparent=None))
    given = [(name, value if name == header else raw) for name, raw in headers.items()]

    with pytest.raises(cloudevents.NotACloudEvent) as caught:
        cloudevents.context_of(given)

    assert caught.value.header == header


def test_every_event_has_a_name_a_topic_and_a_type_of_its_own() -> None:
    assert len({event.ce_type() for event in EVENTS}) == len(EVENTS) == len(REGISTRY)
    assert all(isinstance(event.topic, Topic) for event in EVENTS)


def test_public_steps_are_steps() -> None:
    assert set(STEPS) >= PUBLIC_STEPS


def test_steps_that_tell_of_a_person_are_not_public() -> None:
    private = {"does-not-want", "safety-concern", "opted-out", "needs-more-than-peer-support", "wants-to-talk"}

    assert not private & PUBLIC_STEPS


def test_a_step_is_lower_kebab() -> None:
    fields = dict(CREATED) | {"phase": "open"}
    fields.pop("received_at")

    with pytest.raises(ValidationError):
        OutreachLogged.model_validate(fields | {"step": "Talked To Ada"})


def test_a_prefix_before_a_topic_does_not_hide_it() -> None:
    assert Topic.of("hospital-7.peerline.matches.v1") is Topic.MATCHES
    assert Topic.of("peerline.matches.v1") is Topic.MATCHES
