"""CloudEvents 1.0, binary content mode on Kafka: an event's context as record headers."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from peerline.events.base import Event

SPEC_VERSION = b"1.0"
CONTENT_TYPE = b"application/json"

Headers = list[tuple[str, bytes]]


class NotACloudEvent(ValueError):
    """A record lacks a header, or has one that cannot be read; `header` names it, never its value."""

    def __init__(self, header: str) -> None:
        super().__init__(f"header {header} is missing or unreadable")
        self.header = header


class Context(NamedTuple):
    """The context of a record that a consumer needs before it reads the body."""

    id: str
    type: str
    source: str
    time: datetime
    subject: str
    traceparent: str | None


def headers_of(event: Event, *, source: str, time: datetime, traceparent: str | None) -> Headers:
    """The headers of an event that `source` logs at `time` (aware)."""
    shared = _shared_headers(type(event), source, time)
    headers = [*shared, ("ce_id", str(event.event_id).encode()), ("ce_subject", str(event.referral_id).encode())]
    if traceparent:
        headers.append(("traceparent", traceparent.encode()))
    return headers


@lru_cache(maxsize=64)
def _shared_headers(event: type[Event], source: str, time: datetime) -> Headers:
    """What all events of a transaction and a type have alike."""
    return [
        ("content-type", CONTENT_TYPE),
        ("ce_specversion", SPEC_VERSION),
        ("ce_type", event.ce_type().encode()),
        ("ce_source", source.encode()),
        ("ce_time", time.astimezone(UTC).isoformat().replace("+00:00", "Z").encode()),
    ]


def context_of(headers: Iterable[tuple[str, bytes | None]]) -> Context:
    """The context in a record's headers; raises NotACloudEvent naming the first header at fault."""
    found = dict(headers)
    if found.get("ce_specversion") != SPEC_VERSION:
        raise NotACloudEvent("ce_specversion")
    event_id = _text("ce_id", found.get("ce_id"))
    shared = _shared_context(found.get("ce_type"), found.get("ce_source"), found.get("ce_time"))
    subject = _text("ce_subject", found.get("ce_subject"))
    traceparent = found.get("traceparent")
    return Context(event_id, *shared, subject, None if traceparent is None else _decoded("traceparent", traceparent))


@lru_cache(maxsize=64)
def _shared_context(type_: bytes | None, source: bytes | None, time: bytes | None) -> tuple[str, str, datetime]:
    """Type, source and time, of which a batch has few; raises NotACloudEvent."""
    return _text("ce_type", type_), _text("ce_source", source), _time(_text("ce_time", time))


def _text(header: str, raw: bytes | None) -> str:
    if not raw:
        raise NotACloudEvent(header)
    return _decoded(header, raw)


def _decoded(header: str, raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise NotACloudEvent(header) from None


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise NotACloudEvent("ce_time") from None
    if time.tzinfo is None:
        raise NotACloudEvent("ce_time")
    return time
