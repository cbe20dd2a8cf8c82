import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from intake.domain.incident import IncidentReport
from intake.readers.directory import read_directory
from intake.readers.faults import UnreadableReport
from intake.readers.fhir import read_reports
from intake.readers.table import read_report_table
from intake.sources import Source, load_sources
from matcher.domain.roster import read as read_roster
from peerline_local.demo.people import Person
from peerline_local.demo.samples import SHOWN_AT, Samples, make_samples, write
from peerline_local.demo.scenes import Delivery, Stage, Way

DEPLOY = Path(__file__).parents[3] / "deploy"

NOW = datetime(2026, 11, 22, 9, 30, 15, tzinfo=UTC)


@pytest.fixture(scope="module")
def samples() -> Samples:
    return make_samples(NOW)


@pytest.fixture(scope="module")
def sources() -> dict[str, Source]:
    return {source.id: source for source in load_sources(DEPLOY / "sources.yaml").sources}


def test_the_same_seed_and_instant_give_the_same_bytes(samples: Samples) -> None:
    again = make_samples(NOW)

    assert again.files() == samples.files()
    assert again.offers == samples.offers


def test_another_seed_gives_other_people(samples: Samples) -> None:
    other = make_samples(NOW, seed=7)

    assert {p.npi for p in other.people.physicians}.isdisjoint(p.npi for p in samples.people.physicians)


def test_there_are_about_thirty_incidents_eighty_physicians_and_twenty_five_supporters(
    samples: Samples,
) -> None:
    assert 28 <= len(set(samples.incidents)) == len(samples.incidents) <= 34
    assert len(samples.people.physicians) == 80
    assert len(samples.people.supporters) == 25
    assert {supporter.programme for supporter in samples.people.supporters} == {"shcp", "rcaps"}


def test_nobody_is_expected_twice_for_one_incident(samples: Samples) -> None:
    labels = [offer.label for offer in samples.offers]

    assert len(labels) == len(set(labels))


def test_one_physician_is_in_two_incidents(samples: Samples) -> None:
    incidents: dict[str, set[str]] = {}
    for offer in samples.offers:
        if offer.source:
            incidents.setdefault(offer.person.id, set()).add(str(offer.incident))

    assert sorted(map(len, incidents.values()))[-2:] == [1, 2]


def test_every_resident_has_a_supporter_of_another_training_programme(samples: Samples) -> None:
    seniors = {s.person.training_programme for s in samples.people.supporters if s.programme == "rcaps"}

    for resident in samples.people.of("rcaps"):
        assert seniors - {resident.training_programme}


def test_no_sample_uses_a_real_number_or_address(samples: Samples) -> None:
    for person in samples.people.everyone:
        assert " 555 01" in person.name.phone
        assert person.name.email.endswith(".example")


def test_intake_reads_each_message_as_it_is_meant(samples: Samples, sources: dict[str, Source]) -> None:
    involved = _involved_by_incident(samples, sources)

    expected = dict.fromkeys(samples.incidents, 0)
    for offer in samples.offers:
        if offer.source:
            expected[str(offer.incident)] += 1
    for spared in samples.spared:
        expected[spared.incident] += _counts_as_involved(samples, spared.person, spared.incident)
    expected[_incident_of_the_stranger(samples)] += samples.strangers
    assert involved == expected


def test_what_must_be_refused_cannot_be_read_or_must_not_come_in(samples: Samples, sources: dict[str, Source]) -> None:
    for delivery in [*samples.deliveries(Way.WEBHOOK), *samples.deliveries(Way.KAFKA)]:
        readable = _is_readable(delivery, sources)

        assert readable == (delivery.status != 422 and not delivery.quarantined), delivery.name


def test_reports_are_recent_enough_for_every_promise(samples: Samples, sources: dict[str, Source]) -> None:
    for delivery in [*samples.deliveries(Way.WEBHOOK), *samples.deliveries(Way.KAFKA)]:
        for report in _reports(delivery, sources):
            assert report.recorded_at is not None
            assert NOW - timedelta(hours=6) < report.recorded_at <= NOW
            assert report.occurred_at is None or report.occurred_at <= report.recorded_at


def test_the_directories_hold_everybody_who_is_known_and_only_them(
    samples: Samples, sources: dict[str, Source]
) -> None:
    rules = sources["shcp-risk"].rules(b"key of subjects")
    entries = []
    for body in (samples.hospital_directory(), samples.college_directory()):
        found, faults = read_directory(body, source=rules)
        assert not faults
        entries += found

    numbers = {identifier.value for entry in entries for identifier in entry.identifiers}
    assert {person.npi for person in samples.people.known} <= numbers
    assert samples.people.late.npi not in numbers
    assert samples.people.locum.npi not in numbers
    assert {entry.attributes["role"] for entry in entries} == {"physician", "nurse"}


def test_the_roster_can_be_read_whole(samples: Samples) -> None:
    reading = read_roster(
        samples.roster().decode(), programmes=frozenset({"shcp", "rcaps"}), is_zone=lambda name: "/" in name
    )

    assert not reading.faults
    assert {entry.supporter_id for entry in reading.entries} == {one.id for one in samples.people.supporters}


def test_a_supporter_in_the_directory_has_the_same_number_there(samples: Samples) -> None:
    known = {person.npi for person in samples.people.physicians}
    rows = list(csv.DictReader(io.StringIO(samples.roster().decode())))

    both = [row for row in rows if row["identifiers"].split(";")[0].removeprefix("npi|") in known]
    assert len(both) == 2


def test_every_canary_can_be_found_in_what_is_handed_in(samples: Samples) -> None:
    handed_in = b"\n".join(samples.files().values()).decode("utf-8", "replace").lower()
    names = {person.name.family.lower() for person in samples.people.everyone} - {
        samples.people.locum.name.family.lower()
    }

    assert all(name in handed_in for name in names)
    assert sum(phrase.lower() in handed_in for phrase in samples.canaries()) > 300


def test_canaries_are_long_enough_to_mean_nothing_else(samples: Samples) -> None:
    assert min(map(len, samples.canaries())) >= 7


def test_what_is_too_large_is_five_megabytes_and_stays_out_of_the_folder(samples: Samples, tmp_path: Path) -> None:
    large = next(one for one in samples.deliveries(Way.WEBHOOK) if one.status == 413)

    written = write(samples, tmp_path)

    assert len(large.body) > 5_000_000
    assert large.name not in {path.name for path in written}


def test_the_folder_of_samples_is_current() -> None:
    shown = {name: body for name, body in make_samples(SHOWN_AT).files().items() if len(body) <= 1024 * 1024}
    folder = DEPLOY / "samples"

    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "README.md"} == shown


def test_a_late_request_is_older_than_the_promise(samples: Samples) -> None:
    late = [request for request in samples.requests if request.late]

    assert late
    assert all(NOW - request.received_at > timedelta(hours=48) for request in late)


def test_a_report_is_taken_back_only_after_it_was_sent(samples: Samples) -> None:
    later = [one.name for one in samples.deliveries(Way.WEBHOOK, Stage.ONCE_CONTACTED)]
    first = {one.name for one in samples.deliveries(Way.WEBHOOK)}

    assert later
    assert {name.replace("-retracted", "") for name in later} <= first


def _reports(delivery: Delivery, sources: dict[str, Source]) -> list[IncidentReport]:
    rules = sources[delivery.source].rules(b"key of subjects")
    try:
        if delivery.way is Way.IMPORT:
            return list(read_report_table(delivery.body, source=rules, arrived_at=NOW)[0])
        return list(read_reports(delivery.body, source=rules, arrived_at=NOW).reports)
    except UnreadableReport:
        return []


def _is_readable(delivery: Delivery, sources: dict[str, Source]) -> bool:
    return bool(_reports(delivery, sources))


def _involved_by_incident(samples: Samples, sources: dict[str, Source]) -> dict[str, int]:
    """How many people each incident involves at most, over all its messages."""
    involved = dict.fromkeys(samples.incidents, 0)
    for way in Way:
        for delivery in samples.deliveries(way):
            for report in _reports(delivery, sources):
                if delivery.status == 202 and not report.retracted:
                    involved[report.incident_id] = max(involved[report.incident_id], len(report.involved))
    return involved


def _counts_as_involved(samples: Samples, person: Person, incident: str) -> bool:
    """Near misses and nurses are involved and spared; who only told, and whose report was an error, is not."""
    return any(one.not_eligible for one in samples.spared if one.person is person and one.incident == incident)


def _incident_of_the_stranger(samples: Samples) -> str:
    return next(scene.incidents[0] for scene in samples.scenes if scene.strangers)
