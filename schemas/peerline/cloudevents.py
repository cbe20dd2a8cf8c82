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
    headers = [
        ("content-type", CONTENT_TYPE),
        ("ce_specversion", SPEC_VERSION),
        ("ce_id", str(event.event_id).encode()),
        ("ce_type", event.ce_type().encode()),
        ("ce_source", source.encode()),
        ("ce_time", _stamp(time)),
        ("ce_subject", str(event.referral_id).encode()),
    ]
    if traceparent:
        headers.append(("traceparent", traceparent.encode()))
    return headers


@lru_cache(maxsize=8)
def _stamp(time: datetime) -> bytes:
    """An instant as a header; all events of a transaction have the same."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z").encode()


def context_of(headers: Iterable[tuple[str, bytes | None]]) -> Context:
    """The context in a record's headers; raises NotACloudEvent naming the first header at fault."""
    found = dict(headers)
    if found.get("ce_specversion") != SPEC_VERSION:
        raise NotACloudEvent("ce_specversion")
    return Context(
        id=_text(found, "ce_id"),
        type=_text(found, "ce_type"),
        source=_text(found, "ce_source"),
        time=_time(found),
        subject=_text(found, "ce_subject"),
        traceparent=_optional(found, "traceparent"),
    )


def _text(found: dict[str, bytes | None], header: str) -> str:
    text = _optional(found, header)
    if not text:
        raise NotACloudEvent(header)
    return text


def _optional(found: dict[str, bytes | None], header: str) -> str | None:
    raw = found.get(header)
    if raw is None:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise NotACloudEvent(header) from None


def _time(found: dict[str, bytes | None]) -> datetime:
    try:
        time = datetime.fromisoformat(_text(found, "ce_time"))
    except ValueError:
        raise NotACloudEvent("ce_time") from None
    if time.tzinfo is None:
        raise NotACloudEvent("ce_time")
    return time
