"""The door for JSON messages: FHIR AdverseEvent (R4, R5), a Bundle of them, or Peerline's own report."""

from datetime import datetime

from intake.domain.incident import IncidentReport
from intake.readers.adverse_event import read_adverse_event
from intake.readers.bodies import Repeating, load_object
from intake.readers.bundles import Reading, read_bundle
from intake.readers.faults import UnreadableReport
from intake.readers.own_format import read_own_report
from intake.readers.references import Surroundings
from intake.sources import SourceRules

__all__ = ["Reading", "UnreadableReport", "read_report", "read_reports"]


def read_report(body: bytes, *, source: SourceRules, arrived_at: datetime) -> list[IncidentReport]:
    """Return every report in a message, or raise UnreadableReport if any of it is wrong: all or nothing.

    For a door whose sender waits for the answer and can send again. `arrived_at` is aware.
    """
    reading = read_reports(body, source=source, arrived_at=arrived_at)
    if reading.faults:
        raise reading.faults[0]
    return list(reading.reports)


def read_reports(body: bytes, *, source: SourceRules, arrived_at: datetime) -> Reading:
    """Return the reports that can be read and the faults of the others.

    For a door without anybody to answer to, such as a topic. Raises UnreadableReport where nothing can be
    read, and for a transaction or message with one wrong report in it.
    """
    content = load_object(body)
    if "peerline" in content:
        return Reading((read_own_report(content, source=source, arrived_at=arrived_at),))
    if isinstance(content, Repeating) and "resourceType" in content.repeated:
        raise UnreadableReport("duplicate-key", "resourceType")
    match content.get("resourceType"):
        case "AdverseEvent":
            return Reading((read_adverse_event(content, Surroundings(source), arrived_at=arrived_at),))
        case "Bundle":
            return read_bundle(content, source=source, arrived_at=arrived_at)
        case str():
            raise UnreadableReport("wrong-resource", "resourceType")
        case _:
            raise UnreadableReport("not-fhir")
