"""Generated messages that an independent FHIR library accepts are all read."""

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from fhir.resources.adverseevent import AdverseEvent as EventR5
from fhir.resources.R4B.adverseevent import AdverseEvent as EventR4
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from intake.domain.severity import Scale
from intake.readers.fhir import read_report
from intake.sources import SourceRules

SOURCE = SourceRules(source_id="risk", zone=ZoneInfo("America/New_York"), severity_scale=Scale.FHIR_R4)
ARRIVED_AT = datetime(2026, 6, 9, 16, 0, tzinfo=UTC)

ids = st.from_regex(r"[A-Za-z0-9]{1,12}", fullmatch=True)
people = st.builds(
    lambda kind, i: {"reference": f"{kind}/{i}"}, st.sampled_from(["Practitioner", "PractitionerRole"]), ids
)
others = st.builds(lambda i: {"reference": f"Device/{i}"}, ids)
instants = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2026, 6, 1)).map(  # noqa: DTZ001  the zone is drawn too
    lambda local: local.replace(microsecond=0, tzinfo=UTC).isoformat()
)
dates = instants | st.dates(min_value=datetime(2000, 1, 1).date()).map(str) | st.just("2025") | st.just("2025-11")  # noqa: DTZ001  days have no zone
concepts = st.sampled_from([{"text": "something"}, {"coding": [{"system": "https://x.example", "code": "c"}]}])
COMMON = {
    "resourceType": st.just("AdverseEvent"),
    "actuality": st.sampled_from(["actual", "potential"]),
    "subject": st.just({"reference": "Patient/1"}),
}
OPTIONAL = {
    "detected": dates,
    "recordedDate": dates,
    "recorder": people,
    "location": st.just({"reference": "Location/1"}),
    "seriousness": concepts,
    "category": st.lists(concepts, min_size=1, max_size=2),
}
R4_MESSAGES = st.fixed_dictionaries(
    {**COMMON, "identifier": st.builds(lambda value: {"value": f"EV-{value}"}, ids)},
    optional={
        **OPTIONAL,
        "date": dates,
        "event": concepts,
        "severity": concepts,
        "outcome": concepts,
        "contributor": st.lists(people | others, min_size=1, max_size=4),
        "suspectEntity": st.just([{"instance": {"reference": "Medication/1"}}]),
    },
)
ACTORS = st.fixed_dictionaries({"actor": people | others}, optional={"function": concepts})
R5_MESSAGES = st.fixed_dictionaries(
    {
        **COMMON,
        "identifier": st.builds(lambda value: [{"value": f"EV-{value}"}], ids),
        "status": st.sampled_from(["in-progress", "completed", "entered-in-error", "unknown"]),
    },
    optional={
        **OPTIONAL,
        "occurrenceDateTime": dates,
        "code": concepts,
        "outcome": st.lists(concepts, min_size=1, max_size=2),
        "participant": st.lists(ACTORS, min_size=1, max_size=4),
        "note": st.just([{"text": "x"}]),
    },
)


def people_of(references: Any) -> Any:
    return {r["reference"] for r in references if not r["reference"].startswith("Device")}


@given(R4_MESSAGES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_every_valid_r4_message_is_read_and_nobody_is_lost(content: Any) -> None:
    EventR4.model_validate(content)

    [report] = read_report(json.dumps(content).encode(), source=SOURCE, arrived_at=ARRIVED_AT)

    named = {reference for person in report.involved for reference in person.references}
    assert named == people_of(content.get("contributor", []))


@given(R5_MESSAGES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_every_valid_r5_message_is_read_and_nobody_is_lost(content: Any) -> None:
    EventR5.model_validate(content)

    [report] = read_report(json.dumps(content).encode(), source=SOURCE, arrived_at=ARRIVED_AT)

    named = {reference for person in report.involved for reference in person.references}
    assert named == people_of([actor["actor"] for actor in content.get("participant", [])])
    assert report.retracted == (content["status"] == "entered-in-error")
