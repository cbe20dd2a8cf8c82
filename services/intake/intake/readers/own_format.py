"""Peerline's own report, for incident systems that do not speak FHIR: `{"peerline": "incident-report/1", …}`.

    {"peerline": "incident-report/1", "incident_id": "EV-7", "occurred_at": "2026-06-09T02:40:00-04:00",
     "recorded_at": "2026-06-09T07:55:00-04:00", "actuality": "actual", "severity": 3, "retracted": false,
     "subject": "MRN 1", "participants": [{"identifier": {"system": "npi", "value": "1"},
     "involvement": "involved"}],
     "reporter": {"identifier": {"system": "npi", "value": "2"}}}

`severity` is a number of 0-5, or a code of the source's scale. `subject` is digested and dropped. Members
that are not known are dropped and counted, so that a sender may say more than this release understands.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic.alias_generators import to_snake
from pydantic_core import PydanticCustomError

from intake.domain.incident import IncidentReport, Involvement, Participant, merge_people, subject_digest
from intake.domain.severity import HIGHEST, LOWEST, normalise
from intake.readers.elements import MAX_PEOPLE, FhirPart, IdentifierPart, Reference, Text, checked, clean
from intake.readers.faults import UnreadableReport
from intake.readers.instants import read_instant
from intake.readers.references import Surroundings, identifies
from intake.sources import SourceRules

FORMAT = "incident-report/1"


def _grade(value: object) -> object:
    # Python takes True for 1, and a severity may not.
    if isinstance(value, bool) or not isinstance(value, int | str | None):
        raise PydanticCustomError("wrong-value", "neither a number nor a code")
    return clean(value) if isinstance(value, str) else value


class _Part(FhirPart):
    model_config = FhirPart.model_config | {"alias_generator": to_snake}


class NamedPerson(_Part):
    """Somebody named in a report."""

    identifier: IdentifierPart | None = None
    reference: Text = None
    involvement: Involvement | None = None


class OwnReport(_Part):
    """The members of the report that are read."""

    incident_id: Annotated[str, Field(min_length=1, max_length=512)]
    occurred_at: Text = None
    detected_at: Text = None
    recorded_at: Text = None
    actuality: Literal["actual", "potential"]
    severity: Annotated[int | str | None, BeforeValidator(_grade)] = None
    retracted: Annotated[bool, Field(strict=True)] = False
    participants: Annotated[list[NamedPerson], Field(default_factory=list, max_length=MAX_PEOPLE)]
    reporter: NamedPerson | None = None
    subject: Text = None


def read_own_report(body: dict[str, object], *, source: SourceRules, arrived_at: datetime) -> IncidentReport:
    """Return what a report in this format says, or raise UnreadableReport with the path of a fault."""
    if body.get("peerline") != FORMAT:
        raise UnreadableReport("unknown-version", "peerline")
    report = checked(OwnReport, body, "report")
    around = Surroundings(source)
    return IncidentReport(
        incident_id=_incident_id(report.incident_id),
        occurred_at=_instant(report.occurred_at, "occurred_at", source, arrived_at),
        detected_at=_instant(report.detected_at, "detected_at", source, arrived_at),
        recorded_at=_instant(report.recorded_at, "recorded_at", source, arrived_at),
        actuality=report.actuality,
        severity=_severity(report.severity, source),
        retracted=report.retracted,
        participants=merge_people(_people(report, around)),
        reporter=_person(report.reporter, around, Involvement.INFORMANT) if report.reporter else None,
        subject_digest=subject_digest(source.subject_key, report.subject) if report.subject else None,
        dropped=_dropped(body),
        version="peerline",
    )


def _people(report: OwnReport, around: Surroundings) -> Iterable[Participant]:
    people = [_person(named, around, Involvement.INVOLVED) for named in report.participants]
    # A reporter is a mere informant unless the report says otherwise in so many words.
    if report.reporter and report.reporter.involvement:
        people.append(_person(report.reporter, around, Involvement.INFORMANT))
    return people


def _person(named: NamedPerson, around: Surroundings, unsaid: Involvement) -> Participant:
    stated = [named.identifier] if named.identifier else []
    reference = around.stable_reference(Reference(reference=named.reference))
    return Participant(around.identifiers(*stated), (reference,) if reference else (), named.involvement or unsaid)


def _incident_id(value: str) -> str:
    text = value.strip()
    if not text.isprintable() or not identifies(text):
        raise UnreadableReport("wrong-value", "report.incident_id")
    return text


def _severity(stated: int | str | None, source: SourceRules) -> int | None:
    if isinstance(stated, str):
        return normalise([stated], source.severity_scale, source.severity_codes)
    if stated is not None and not LOWEST <= stated <= HIGHEST:
        raise UnreadableReport("wrong-value", "report.severity")
    return stated


def _instant(text: str | None, field: str, source: SourceRules, arrived_at: datetime) -> datetime | None:
    try:
        return read_instant(text, zone=source.zone, arrived_at=arrived_at) if text else None
    except ValueError:
        fault = UnreadableReport("wrong-value", f"report.{field}")
    raise fault


def _dropped(body: dict[str, object]) -> tuple[str, ...]:
    known = {"peerline", *OwnReport.model_fields}
    unknown = ("report.*",) if body.keys() - known else ()
    return unknown + (("report.subject",) if "subject" in body else ())
