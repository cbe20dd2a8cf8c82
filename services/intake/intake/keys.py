"""Keyed identifiers of what intake stores, so that the same thing named again meets what is known of it."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from peerline.ids import Ids

from intake.domain.incident import IncidentReport, Participant

_NOBODY = UUID(int=0)


def incident_key(ids: Ids, source: str, incident: str) -> UUID:
    """An incident, by its source's own identifier."""
    return ids.event("intake/incident", _NOBODY, source, incident)


def report_key(ids: Ids, incident: UUID, report: IncidentReport) -> UUID:
    """A report by what it says; the door and the fields that were dropped do not count."""
    people = [_person(p) for p in (*report.participants, report.reporter) if p is not None]
    times = [_instant(at) for at in (report.occurred_at, report.detected_at, report.recorded_at)]
    subject = report.subject_digest.hex() if report.subject_digest else None
    said = [times, report.actuality, report.severity, report.retracted, sorted(people), subject]
    said.append(_person(report.reporter) if report.reporter else None)
    return ids.event("intake/report", incident, json.dumps(said))


def answer_key(ids: Ids, door: str, name: str) -> UUID:
    """An answer, by the door and the caller's own name of the question."""
    return ids.event("intake/answer", _NOBODY, door, name)


def digest_of(ids: Ids, content: str) -> UUID:
    """A keyed digest of text that may name people."""
    return ids.event("intake/digest", _NOBODY, content)


def person_key(ids: Ids, name: str) -> UUID:
    """A person, by one of their names."""
    return ids.event("intake/person", _NOBODY, name)


def _person(participant: Participant) -> str:
    content: list[Any] = [
        sorted([i.system, i.value] for i in participant.identifiers),
        sorted(participant.references),
        participant.involvement.value,
    ]
    if participant.contact:
        content.append([participant.contact.name, participant.contact.email, participant.contact.phone])
    return json.dumps(content)


def _instant(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at else None
