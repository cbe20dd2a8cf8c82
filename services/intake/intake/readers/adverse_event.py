"""One FHIR AdverseEvent, R4 or R5, read as an incident report.

Kept: the incident's key, the people, the dates, whether harm was done and how grave. Everything clinical
(subject, encounter, kind of event, outcome, notes and so on) is dropped here, before anything is stored, and
listed by path.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from intake.domain.incident import (
    Actuality,
    IncidentReport,
    Involvement,
    Participant,
    Version,
    merge_people,
    subject_digest,
)
from intake.domain.severity import normalise
from intake.readers.contacts import objects
from intake.readers.dropped import dropped_paths
from intake.readers.elements import MAX_PEOPLE, Actor, AdverseEvent, Concept, Reference, checked
from intake.readers.faults import UnreadableReport
from intake.readers.instants import read_instant
from intake.readers.modifiers import refuse_modifiers
from intake.readers.people import PERSONS, involvement_of, participant, reporter_was_involved
from intake.readers.references import Resource, Surroundings, is_identifier, kind_of

#: R5's `participant`, carried in an R4 message.
PARTICIPANT_EXTENSIONS = frozenset(
    {
        "http://hl7.org/fhir/uv/ae-research-backport-ig/StructureDefinition/participant",
        "http://hl7.org/fhir/5.0/StructureDefinition/extension-AdverseEvent.participant",
    }
)
STATUSES = frozenset({"in-progress", "completed", "entered-in-error", "unknown"})

_R5_ONLY = ("status", "code", "participant", "occurrenceDateTime", "occurrencePeriod", "occurrenceTiming")
_R4_ONLY = ("event", "date", "contributor", "severity")
_STU3_ONLY = ("eventParticipant", "reaction", "type")


@dataclass(frozen=True)
class Message:
    """One AdverseEvent on its way through the readers, with what is needed to understand it."""

    resource: Resource
    event: AdverseEvent
    around: Surroundings
    arrived_at: datetime
    path: str


def read_adverse_event(
    resource: Resource, around: Surroundings, *, arrived_at: datetime, path: str = "AdverseEvent"
) -> IncidentReport:
    """Return what an AdverseEvent reports, or raise UnreadableReport with the path of what is wrong."""
    _refuse_stu3(resource, path)
    refuse_modifiers(resource, path)
    event = checked(AdverseEvent, resource, path)
    around = replace(around, contained=_contained(resource))
    message = Message(resource, event, around, arrived_at, path)
    reporter, people = _people(message)
    return IncidentReport(
        incident_id=_incident_id(message),
        occurred_at=_occurred_at(message),
        detected_at=_instant(message, event.detected, "detected"),
        recorded_at=_instant(message, event.recorded_date, "recordedDate"),
        actuality=_actuality(message),
        severity=_severity(message),
        retracted=_is_retracted(message),
        participants=people,
        reporter=reporter,
        subject_digest=_subject_digest(message),
        dropped=dropped_paths(resource, keeps_contacts=around.source.trusted_directory),
        version=_version(resource),
    )


def _refuse_stu3(resource: Resource, path: str) -> None:
    # Releases before R4 have no actuality and other people's fields; reading them as R4 would miss everybody.
    if "actuality" not in resource and any(name in resource for name in _STU3_ONLY):
        raise UnreadableReport("unknown-version", path)


def _version(resource: Resource) -> Version:
    r5 = sum(name in resource for name in _R5_ONLY) + isinstance(resource.get("identifier"), list)
    r4 = sum(name in resource for name in _R4_ONLY) + isinstance(resource.get("identifier"), dict)
    return "R5" if r5 > r4 else "R4"


def _contained(resource: Resource) -> dict[str, Resource]:
    named = ((inner.get("id"), inner) for inner in objects(resource.get("contained")))
    return {name: inner for name, inner in named if isinstance(name, str)}


def _incident_id(message: Message) -> str:
    """Return the business identifier, or the resource's id where there is none.

    The source's key system goes first, then an official identifier.
    """
    usable = [i for i in message.event.identifier if is_identifier(i) and i.use != "old"]
    system = message.around.source.incident_system
    preferred = [i for i in usable if system is not None and i.system == system]
    official = [i for i in usable if i.use == "official"]
    for identifier in preferred + official + usable:
        if identifier.value:
            return identifier.value
    if message.event.id is None:
        raise UnreadableReport("missing-field", f"{message.path}.identifier")
    return f"AdverseEvent/{message.event.id}"


def _instant(message: Message, text: str | None, field: str) -> datetime | None:
    if text is None:
        return None
    try:
        return read_instant(text, zone=message.around.source.zone, arrived_at=message.arrived_at)
    except ValueError:
        fault = UnreadableReport("wrong-value", f"{message.path}.{field}")
    raise fault


def _occurred_at(message: Message) -> datetime | None:
    """Return when it happened.

    Of a span this is its end, once that has passed, since waiting times and age count from there.
    """
    event = message.event
    if event.occurrence_date_time is not None:
        return _instant(message, event.occurrence_date_time, "occurrenceDateTime")
    if event.occurrence_period is not None:
        start = _instant(message, event.occurrence_period.start, "occurrencePeriod.start")
        end = _instant(message, event.occurrence_period.end, "occurrencePeriod.end")
        return end if end is not None and end <= message.arrived_at else start
    if event.occurrence_timing is not None and event.occurrence_timing.event:
        times = [_instant(message, text, "occurrenceTiming.event") for text in event.occurrence_timing.event]
        return max((time for time in times if time is not None), default=None)
    return _instant(message, event.date, "date")


def _actuality(message: Message) -> Actuality:
    match message.event.actuality:
        case "actual":
            return "actual"
        case "potential":
            return "potential"
        case None if _is_retracted(message):
            # A retraction may say little more than that; nothing follows from its actuality.
            return "actual"
        case None:
            raise UnreadableReport("missing-field", f"{message.path}.actuality")
        case _:
            raise UnreadableReport("wrong-value", f"{message.path}.actuality")


def _severity(message: Message) -> int | None:
    source = message.around.source
    concepts = (message.event.seriousness, message.event.severity)
    codes = [coding.code for concept in concepts if concept for coding in concept.coding if coding.code]
    return normalise(codes, source.severity_scale, source.severity_codes)


def _is_retracted(message: Message) -> bool:
    """Whether the status, in its R5 place or in its R4 extension, says entered-in-error."""
    extensions = objects(message.resource.get("modifierExtension"))
    stated: list[object] = [extension.get("valueCode") for extension in extensions]
    if message.event.status is not None:
        stated.append(message.event.status)
    if any(not isinstance(status, str) or status not in STATUSES for status in stated) or len(set(stated)) > 1:
        place = "modifierExtension" if extensions else "status"
        raise UnreadableReport("wrong-value", f"{message.path}.{place}")
    return "entered-in-error" in stated


def _subject_digest(message: Message) -> bytes | None:
    subject = message.event.subject
    if subject is None:
        return None
    resource = message.around.resource(subject)
    inner = resource.get("identifier") if resource else None
    stated = [subject.identifier] if subject.identifier else []
    # A subject's own resource is dropped, so a fault in its identifiers may not refuse the report.
    texts = [(i.get("system"), i.get("value")) for i in objects(inner)] or [(i.system, i.value) for i in stated]
    name = next((f"{system or ''}|{value}" for system, value in texts if isinstance(value, str)), None)
    name = name or message.around.stable_reference(subject)
    return subject_digest(message.around.source.subject_key, name) if name else None


def _people(message: Message) -> tuple[Participant | None, tuple[Participant, ...]]:
    """Return the reporter, and everybody who is named, each once."""
    event, around, path = message.event, message.around, message.path
    found = [participant(r, Involvement.INVOLVED, around, f"{path}.contributor") for r in event.contributor]
    for actor in event.participant + _backported(message):
        involvement = involvement_of(actor.function)
        found.append(participant(actor.actor, involvement, around, f"{path}.participant.actor"))
    if event.subject is not None and kind_of(event.subject, around.resource(event.subject)) in PERSONS:
        found.append(participant(event.subject, Involvement.INVOLVED, around, f"{path}.subject"))
    reporter = _reporter(message)
    if reporter is not None and reporter.involvement == Involvement.INVOLVED:
        found.append(reporter)
    return reporter, merge_people(person for person in found if person is not None)


def _reporter(message: Message) -> Participant | None:
    recorder = message.event.recorder
    if recorder is None:
        return None
    resource = message.around.resource(recorder) or {}
    told = [resource.get("extension"), message.resource.get("extension")]
    involved = reporter_was_involved(told, message.around.source.reporter_involved_codes)
    involvement = Involvement.INVOLVED if involved else Involvement.INFORMANT
    return participant(recorder, involvement, message.around, f"{message.path}.recorder")


def _backported(message: Message) -> list[Actor]:
    """Return the participants that an R4 message carries in extensions."""
    path = f"{message.path}.extension"
    extensions = objects(message.resource.get("extension"))
    wanted = [e for e in extensions if str(e.get("url")) in PARTICIPANT_EXTENSIONS]
    if len(wanted) > MAX_PEOPLE:
        raise UnreadableReport("wrong-value", path)
    return [_actor(extension, path) for extension in wanted]


def _actor(extension: dict[str, object], path: str) -> Actor:
    function: Concept | None = None
    actor = Reference()
    for part in objects(extension.get("extension")):
        if part.get("url") == "function" and "valueCodeableConcept" in part:
            function = checked(Concept, part["valueCodeableConcept"], f"{path}.valueCodeableConcept")
        elif part.get("url") == "actor" and "valueReference" in part:
            actor = checked(Reference, part["valueReference"], f"{path}.valueReference")
    return Actor(function=function, actor=actor)
