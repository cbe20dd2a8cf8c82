"""What is read of one AdverseEvent: a rule each."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from intake.domain.incident import Identifier, Involvement

PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
BACKPORT = "http://hl7.org/fhir/uv/ae-research-backport-ig/StructureDefinition"
CROSS_VERSION = "http://hl7.org/fhir/5.0/StructureDefinition/extension-AdverseEvent"


def function(code: Any, system: Any = PARTICIPATION) -> Any:
    return {"coding": [{"system": system, "code": code}]}


def references(people: Any) -> Any:
    return [reference for person in people for reference in person.references]


def test_an_r4_message_names_its_contributors(read: Callable[..., Any], r4_message: Callable[..., Any]) -> None:
    contributors = [
        {"reference": "Practitioner/dr-77"},
        {"identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"}},
    ]

    [report] = read(r4_message(contributor=contributors))

    assert report.version == "R4"
    assert references(report.involved) == ["Practitioner/dr-77"]
    assert report.involved[1].identifiers == (Identifier("npi", "1234567893"),)


def test_an_r5_message_names_its_participants(read: Callable[..., Any], message: Callable[..., Any]) -> None:
    [report] = read(message())

    assert report.version == "R5"
    assert references(report.involved) == ["Practitioner/dr-77"]
    assert report.occurred_at == datetime(2026, 6, 9, 6, 40, tzinfo=UTC)


@pytest.mark.parametrize("code", ["PART", "WIT", "PPRF", "SPRF", "XYZ"])
def test_a_participant_of_any_other_function_is_involved(
    read: Callable[..., Any], message: Callable[..., Any], code: Any
) -> None:
    actor = {"function": function(code), "actor": {"reference": "Practitioner/1"}}

    [report] = read(message(participant=[actor]))

    assert references(report.involved) == ["Practitioner/1"]


def test_a_participant_without_a_function_is_involved(read: Callable[..., Any], message: Callable[..., Any]) -> None:
    [report] = read(message(participant=[{"actor": {"reference": "Practitioner/1"}}]))

    assert references(report.involved) == ["Practitioner/1"]


@pytest.mark.parametrize(
    "said",
    [function("INF", system="https://local.example/functions"), function("INF", system=None), {"text": "informant"}],
)
def test_an_informant_who_is_not_coded_by_hl7_is_involved(
    read: Callable[..., Any], message: Callable[..., Any], said: Any
) -> None:
    [report] = read(message(participant=[{"function": said, "actor": {"reference": "Practitioner/1"}}]))

    assert references(report.involved) == ["Practitioner/1"]


def test_a_coded_informant_is_not_contacted(read: Callable[..., Any], message: Callable[..., Any]) -> None:
    actor = {"function": function("INF"), "actor": {"reference": "Practitioner/1"}}

    [report] = read(message(participant=[actor]))

    assert report.people(Involvement.INFORMANT)
    assert report.names_nobody


@pytest.mark.parametrize("code", ["AUT", "AUTHEN"])
def test_an_author_is_left_to_a_person(read: Callable[..., Any], message: Callable[..., Any], code: Any) -> None:
    actor = {"function": function(code), "actor": {"reference": "Practitioner/1"}}

    [report] = read(message(participant=[actor]))

    assert report.names_nobody
    assert references(report.to_decide) == ["Practitioner/1"]


@pytest.mark.parametrize("kind", ["CareTeam", "Organization"])
def test_a_team_is_left_to_a_person(read: Callable[..., Any], message: Callable[..., Any], kind: Any) -> None:
    [report] = read(message(participant=[{"actor": {"reference": f"{kind}/nights"}}]))

    assert references(report.people(Involvement.TEAM)) == [f"{kind}/nights"]
    assert report.to_decide == report.people(Involvement.TEAM)
    assert report.names_nobody


@pytest.mark.parametrize("kind", ["Device", "Patient", "RelatedPerson", "ResearchSubject"])
def test_devices_and_patients_and_relatives_are_nobody(
    read: Callable[..., Any], message: Callable[..., Any], kind: Any
) -> None:
    [report] = read(message(participant=[{"actor": {"reference": f"{kind}/1"}}]))

    assert report.participants == ()


def test_a_logical_reference_to_a_device_is_nobody(read: Callable[..., Any], message: Callable[..., Any]) -> None:
    actor = {"type": "Device", "identifier": {"system": "serial", "value": "7"}}

    [report] = read(message(participant=[{"actor": actor}]))

    assert report.participants == ()


def test_a_recorder_alone_is_not_contacted(read: Callable[..., Any], message: Callable[..., Any]) -> None:
    [report] = read(message(participant=None))

    assert references([report.reporter]) == ["Practitioner/nurse-12"]
    assert report.names_nobody


def test_a_recorder_who_also_took_part_is_involved(read: Callable[..., Any], message: Callable[..., Any]) -> None:
    [report] = read(message(participant=[{"actor": {"reference": "Practitioner/nurse-12"}}]))

    assert references(report.involved) == ["Practitioner/nurse-12"]


@pytest.mark.parametrize(("code", "is_involved"), [("4", True), ("1", True), ("2", False), ("3", False)])
def test_a_reporter_who_was_providing_the_care_is_involved(
    read: Callable[..., Any], r4_message: Callable[..., Any], code: Any, is_involved: Any
) -> None:
    details = {
        "url": "https://taxonomy.example/StructureDefinition/practitioner-details-5",
        "extension": [{"url": "ReporterType", "valueCode": "3"}, {"url": "ReporterInvolvement", "valueCode": code}],
    }
    recorder = {
        "resourceType": "Practitioner",
        "id": "practitioner1",
        "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1"}],
        "extension": [details],
    }

    [report] = read(r4_message(contributor=None, contained=[recorder], recorder={"reference": "#practitioner1"}))

    assert [p.identifiers for p in report.involved] == ([(Identifier("npi", "1"),)] if is_involved else [])


def test_a_physician_who_was_harmed_is_involved(read: Callable[..., Any], message: Callable[..., Any]) -> None:
    [report] = read(message(subject={"reference": "Practitioner/victim"}, participant=None))

    assert references(report.involved) == ["Practitioner/victim"]


@pytest.mark.parametrize("prefix", [f"{BACKPORT}/", f"{CROSS_VERSION}."])
def test_r5_participants_in_an_r4_extension_are_read(
    read: Callable[..., Any], r4_message: Callable[..., Any], prefix: Any
) -> None:
    extension = {
        "url": f"{prefix}participant",
        "extension": [
            {"url": "function", "valueCodeableConcept": function("AUTHEN")},
            {"url": "actor", "valueReference": {"reference": "Practitioner/signed"}},
        ],
    }

    [report] = read(r4_message(contributor=None, extension=[extension]))

    assert references(report.people(Involvement.AUTHOR)) == ["Practitioner/signed"]


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


def test_a_person_whose_identifier_is_a_null_flavour_is_mentioned_and_not_named(
    read: Callable[..., Any], message: Callable[..., Any]
) -> None:
    [report] = read(message(participant=[{"actor": {"identifier": {"system": "npi", "value": "UNK"}}}]))

    assert report.names_nobody
    assert [person.named for person in report.to_decide] == [False]


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


def test_a_role_is_followed_to_its_practitioner(read: Callable[..., Any], message: Callable[..., Any]) -> None:
    role = {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "#p"}}
    person = {"resourceType": "Practitioner", "id": "p", "identifier": [{"system": "staff", "value": "77"}]}

    [report] = read(message(contained=[role, person], participant=[{"actor": {"reference": "#r"}}]))

    assert report.involved[0].identifiers == (Identifier("staff", "77"),)


def test_a_role_that_is_not_in_the_message_is_kept_for_the_directory(
    read: Callable[..., Any], message: Callable[..., Any]
) -> None:
    [report] = read(message(participant=[{"actor": {"reference": "PractitionerRole/anaes-5"}}]))

    assert references(report.involved) == ["PractitionerRole/anaes-5"]


def test_roles_that_point_in_a_circle_name_nobody(read: Callable[..., Any], message: Callable[..., Any]) -> None:
    roles = [
        {"resourceType": "PractitionerRole", "id": "a", "practitioner": {"reference": "#b"}},
        {"resourceType": "PractitionerRole", "id": "b", "practitioner": {"reference": "#a"}},
    ]

    [report] = read(message(contained=roles, participant=[{"actor": {"reference": "#a"}}]))

    assert [person.named for person in report.to_decide] == [False]


def test_a_missing_contained_resource_leaves_the_others_in(
    read: Callable[..., Any], message: Callable[..., Any]
) -> None:
    actors = [{"actor": {"reference": "#gone"}}, {"actor": {"reference": "Practitioner/1"}}]

    [report] = read(message(participant=actors))

    assert references(report.involved) == ["Practitioner/1"]
    assert len(report.to_decide) == 1


def test_a_foreign_address_never_becomes_a_local_reference(
    read: Callable[..., Any], message: Callable[..., Any]
) -> None:
    actors = [
        {"actor": {"reference": "https://elsewhere.example/fhir/Practitioner/1"}},
        {"actor": {"reference": "https://risk.example.org/fhir/Practitioner/2/_history/3"}},
    ]

    [report] = read(message(participant=actors))

    assert references(report.involved) == ["https://elsewhere.example/fhir/Practitioner/1", "Practitioner/2"]


def test_a_conditional_reference_is_an_identifier(read: Callable[..., Any], message: Callable[..., Any]) -> None:
    actor = {"reference": "Practitioner?identifier=http%3A//hl7.org/fhir/sid/us-npi|99"}

    [report] = read(message(participant=[{"actor": actor}]))

    assert report.involved[0].identifiers == (Identifier("npi", "99"),)


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


def test_names_are_kept_only_from_a_trusted_source(read: Callable[..., Any], message: Callable[..., Any]) -> None:
    person = {
        "resourceType": "Practitioner",
        "id": "p",
        "identifier": [{"system": "staff", "value": "77"}],
        "name": [{"family": "Zyx", "given": ["Wvu"]}],
        "telecom": [{"system": "email", "value": "zyx@example.org"}],
    }
    named = message(
        contained=[person], participant=[{"actor": {"reference": "#p", "display": "Dr Zyx"}}], note=[{"text": "Zyx"}]
    )

    [untrusted] = read(named)
    [trusted] = read(named, trusted_directory=True)

    assert "zyx" not in repr(vars(untrusted)).casefold()
    assert untrusted.involved[0].contact is None
    assert trusted.involved[0].contact.name == "Wvu Zyx"
    assert trusted.involved[0].contact.email == "zyx@example.org"


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


def test_one_person_under_two_references_is_one_participant(
    read: Callable[..., Any], message: Callable[..., Any]
) -> None:
    identifier = {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1"}
    actors = [
        {"actor": {"reference": "Practitioner/1"}},
        {"function": function("INF"), "actor": {"identifier": identifier}},
        {"actor": {"reference": "Practitioner/1", "identifier": identifier}},
    ]

    [report] = read(message(participant=actors))

    assert len(report.participants) == 1
    assert report.participants[0].involvement == Involvement.INVOLVED
