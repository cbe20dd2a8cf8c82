"""What is read of one AdverseEvent: a rule each."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
BACKPORT = "http://hl7.org/fhir/uv/ae-research-backport-ig/StructureDefinition"
CROSS_VERSION = "http://hl7.org/fhir/5.0/StructureDefinition/extension-AdverseEvent"


def function(code: Any, system: Any = PARTICIPATION) -> Any:
    return {"coding": [{"system": system, "code": code}]}


def references(people: Any) -> Any:
    return [reference for person in people for reference in person.references]


@pytest.mark.parametrize("prefix", [f"{BACKPORT}/", f"{CROSS_VERSION}."])
def test_an_r4_message_is_retracted_by_the_status_extension(
    read: Callable[..., Any], r4_message: Callable[..., Any], prefix: Any
) -> None:
    status = {"url": f"{prefix}status", "valueCode": "entered-in-error"}

    [report] = read(r4_message(modifierExtension=[status]))

    assert report.retracted


def test_a_retraction_needs_to_say_no_more(read: Callable[..., Any], message: Callable[..., Any]) -> None:
    [report] = read(message(status="entered-in-error", actuality=None, participant=None, recordedDate=None))

    assert report.retracted


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"modifierExtension": [{"url": "https://x.example/negated"}]}, "AdverseEvent.modifierExtension"),
        (
            {"suspectEntity": [{"modifierExtension": [{"url": "https://x.example/negated"}]}]},
            "AdverseEvent.suspectEntity[0].modifierExtension",
        ),
        (
            {"participant": [{"modifierExtension": [{"url": f"{BACKPORT}/status", "valueCode": "completed"}]}]},
            "AdverseEvent.participant[0].modifierExtension",
        ),
        (
            {"contained": [{"resourceType": "Practitioner", "id": "a", "modifierExtension": [{"url": "x"}]}]},
            "AdverseEvent.contained[0].modifierExtension",
        ),
        (
            {
                "modifierExtension": [{"url": f"{BACKPORT}/status", "valueCode": "completed"}],
                "note": [{"modifierExtension": [{"url": "https://x.example/negated"}]}],
            },
            "AdverseEvent.note[0].modifierExtension",
        ),
        ({"Mr Miller": {"modifierExtension": "x"}}, "AdverseEvent.*.modifierExtension"),
    ],
)
def test_a_modifier_that_is_not_understood_is_refused_by_name(
    refusal: Callable[..., Any], message: Callable[..., Any], change: Any, path: Any
) -> None:
    assert refusal(message(**change)) == ("refused-extension", path)


def test_implicit_rules_are_refused_by_name(refusal: Callable[..., Any], message: Callable[..., Any]) -> None:
    refused = refusal(message(implicitRules="https://x.example/rules"))

    assert refused == ("refused-rules", "AdverseEvent.implicitRules")


def test_an_incident_without_an_identifier_is_known_by_its_resource_id(
    read: Callable[..., Any], message: Callable[..., Any]
) -> None:
    [report] = read(message(identifier=None, id="ae-5"))

    assert report.incident_id == "AdverseEvent/ae-5"


@pytest.mark.parametrize("value", ["NI", "UNK", "unk", ""])
def test_a_null_flavour_is_no_identifier(read: Callable[..., Any], message: Callable[..., Any], value: Any) -> None:
    [report] = read(message(identifier=[{"value": value}], id="ae-5"))

    assert report.incident_id == "AdverseEvent/ae-5"


def test_an_incident_without_any_key_is_refused(refusal: Callable[..., Any], message: Callable[..., Any]) -> None:
    assert refusal(message(identifier=None)) == ("missing-field", "AdverseEvent.identifier")


def test_the_sources_own_system_is_the_key_among_several_identifiers(
    read: Callable[..., Any], message: Callable[..., Any]
) -> None:
    identifiers = [{"system": "a", "value": "1"}, {"system": "b", "value": "2"}]

    [report] = read(message(identifier=identifiers), incident_system="b")

    assert report.incident_id == "2"


def test_mixed_versions_are_read(read: Callable[..., Any], message: Callable[..., Any]) -> None:
    mixed = message(
        event={"text": "dropped"},
        participant=None,
        contributor=[{"reference": "Practitioner/1"}],
        seriousness=function("serious", "http://terminology.hl7.org/CodeSystem/adverse-event-seriousness"),
    )

    [report] = read(mixed)

    assert references(report.involved) == ["Practitioner/1"]
    assert report.severity == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-06-09T02:40", datetime(2026, 6, 9, 6, 40, tzinfo=UTC)),
        ("2026-06-09T02:40:00", datetime(2026, 6, 9, 6, 40, tzinfo=UTC)),
        ("2026-06-09T02:40Z", datetime(2026, 6, 9, 2, 40, tzinfo=UTC)),
        ("2026-06-09T02:40:00.123456789+02:00", datetime(2026, 6, 9, 0, 40, 0, 123456, tzinfo=UTC)),
        ("2026-06-09", datetime(2026, 6, 9, 4, 0, tzinfo=UTC)),
        ("2026-05", datetime(2026, 6, 1, 3, 59, 59, tzinfo=UTC)),
        ("2026-06", None),
        ("2025", datetime(2026, 1, 1, 4, 59, 59, tzinfo=UTC)),
        ("2026-03-08T02:30", datetime(2026, 3, 8, 7, 30, tzinfo=UTC)),
        ("2025-11-02T01:30", datetime(2025, 11, 2, 5, 30, tzinfo=UTC)),
    ],
)
def test_dates_of_any_precision_are_read_in_the_sources_zone(
    read: Callable[..., Any], message: Callable[..., Any], text: Any, expected: Any
) -> None:
    [report] = read(message(occurrenceDateTime=text))

    assert report.occurred_at == expected


@pytest.mark.parametrize(
    "text",
    [
        "2026-13-01",
        "yesterday",
        "2026-06-09T25:00",
        "0000",
        "2026-06-09T10:00+15:00",
        "9999-12",
        "0001-01-01T00:00+14:00",
    ],
)
def test_a_date_that_is_none_is_refused(refusal: Callable[..., Any], message: Callable[..., Any], text: Any) -> None:
    assert refusal(message(occurrenceDateTime=text)) == ("wrong-value", "AdverseEvent.occurrenceDateTime")


def test_a_span_counts_from_its_end_once_that_has_passed(read: Callable[..., Any], message: Callable[..., Any]) -> None:
    over = {"start": "2026-06-01", "end": "2026-06-03T12:00Z"}
    running = {"start": "2026-06-01T00:00Z", "end": "2026-07-01"}

    [ended] = read(message(occurrenceDateTime=None, occurrencePeriod=over))
    [still] = read(message(occurrenceDateTime=None, occurrencePeriod=running))

    assert ended.occurred_at == datetime(2026, 6, 3, 12, tzinfo=UTC)
    assert still.occurred_at == datetime(2026, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "fault",
    [
        {"outcome": 7},
        {"note": "not a list"},
        {"category": [[[]]]},
        {"text": {"div": "\u0000\ud800"}},
        {"location": {"reference": 5}},
        {"suspectEntity": {"instance": []}},
        {"extension": [3, {"url": ["x"]}, None]},
        {"contained": "nothing"},
        {"meta": {"profile": 10**40}},
        {"subject": {"reference": "Patient/1", "display": 4}},
    ],
)
def test_a_fault_in_what_is_dropped_refuses_nothing(
    read: Callable[..., Any], message: Callable[..., Any], fault: Any
) -> None:
    [report] = read(message(**fault))

    assert references(report.involved) == ["Practitioner/dr-77"]


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"actuality": "avoided"}, "wrong-value", "AdverseEvent.actuality"),
        ({"actuality": None}, "missing-field", "AdverseEvent.actuality"),
        ({"status": "cancelled"}, "wrong-value", "AdverseEvent.status"),
        (
            {"participant": [{"actor": {"identifier": {"value": "1\u00002"}}}]},
            "wrong-value",
            "AdverseEvent.participant[0].actor.identifier.value",
        ),
        ({"participant": [{"actor": "Dr Miller"}]}, "wrong-value", "AdverseEvent.participant[0].actor"),
        ({"participant": [{"actor": {}}] * 201}, "wrong-value", "AdverseEvent.participant"),
    ],
)
def test_a_fault_in_what_is_kept_is_refused_with_its_place(
    refusal: Callable[..., Any], message: Callable[..., Any], change: Any, code: Any, path: Any
) -> None:
    assert refusal(message(**change)) == (code, path)


def test_a_message_of_an_older_release_is_refused(refusal: Callable[..., Any], r4_message: Callable[..., Any]) -> None:
    older = r4_message(actuality=None, eventParticipant={"reference": "Practitioner/1"})

    assert refusal(older) == ("unknown-version", "AdverseEvent")


def test_status_and_its_extension_may_not_contradict_each_other(
    refusal: Callable[..., Any], message: Callable[..., Any]
) -> None:
    status = {"url": f"{BACKPORT}/status", "valueCode": "entered-in-error"}

    assert refusal(message(modifierExtension=[status])) == ("wrong-value", "AdverseEvent.modifierExtension")


def test_a_member_given_twice_is_refused_only_where_it_is_read(
    read: Callable[..., Any], refusal: Callable[..., Any]
) -> None:
    kept = '{"resourceType":"AdverseEvent","id":"1","actuality":"actual","actuality":"potential"}'
    dropped = '{"resourceType":"AdverseEvent","id":"1","actuality":"actual","note":[],"note":[{"x":1,"x":2}]}'
    hidden = '{"resourceType":"AdverseEvent","id":"1","modifierExtension":[1],"modifierExtension":[]}'

    [report] = read(dropped)

    assert report.incident_id == "AdverseEvent/1"
    assert refusal(kept) == ("duplicate-key", "AdverseEvent.actuality")
    assert refusal(hidden) == ("duplicate-key", "AdverseEvent.modifierExtension")


def test_the_receipt_lists_dropped_fields_and_no_invented_names(
    read: Callable[..., Any], message: Callable[..., Any]
) -> None:
    [report] = read(message(note=[{"text": "x"}], outcome=[], **{"Jane Roe": 1}))

    assert report.dropped == (
        "AdverseEvent.*",
        "AdverseEvent.note",
        "AdverseEvent.outcome",
        "AdverseEvent.subject",
    )


def test_the_same_subject_has_the_same_digest_under_one_key_only(
    read: Callable[..., Any], message: Callable[..., Any]
) -> None:
    [first] = read(message())
    [again] = read(message(subject={"reference": "https://risk.example.org/fhir/Patient/p-1"}))
    [other] = read(message(subject={"reference": "Patient/p-2"}))
    [elsewhere] = read(message(), subject_key=b"another")
    [keyless] = read(message(), subject_key=b"")

    assert first.subject_digest == again.subject_digest
    assert len({first.subject_digest, other.subject_digest, elsewhere.subject_digest}) == 3
    assert keyless.subject_digest is None
