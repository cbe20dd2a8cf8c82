"""Programme files: true to what programmes say, and refused by the name of the field that is wrong."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from peerline.clocks import Elapsed
from peerline.events import Firmness
from peerline.programme import Door, ProgrammeError, read_programme, read_programmes

FOLDER = Path(__file__).parents[3] / "deploy" / "programmes"
PROGRAMMES = read_programmes(FOLDER)


def written(folder: Path, **changes: Any) -> Path:
    content = yaml.safe_load((FOLDER / "shcp.yaml").read_text())
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = content
        for parent in parents:
            place = place[parent]
        place[last] = value
    file = folder / "changed.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def test_shcp_promises_a_match_within_24_hours_and_48_on_weekends() -> None:
    clock = PROGRAMMES["shcp"].clock("match")

    assert clock is not None
    assert isinstance(clock.due, Elapsed)
    assert (clock.due.weekday, clock.due.weekend) == (timedelta(hours=24), timedelta(hours=48))
    assert clock.firmness is Firmness.PROMISED


def test_shcp_reaches_out_to_every_involved_physician_through_a_supporter() -> None:
    programme = PROGRAMMES["shcp"]

    assert programme.first_contact == "supporter"
    assert programme.matching.approval == "automatic"
    assert PROGRAMMES.serving("shcp", {"role": "physician"}, Door.ADVERSE_EVENT) is programme
    assert PROGRAMMES.serving("shcp", {"role": "nurse"}, Door.ADVERSE_EVENT) is None


def test_rcaps_matches_residents_with_another_programmes_supporter_on_request() -> None:
    programme = PROGRAMMES["rcaps"]
    resident = {"role": "physician", "rank": "resident"}

    assert programme.matching.different == ("training_programme",)
    assert PROGRAMMES.serving("rcaps", resident, Door.LEAD) is programme
    assert PROGRAMMES.serving("rcaps", resident, Door.ADVERSE_EVENT) is None
    assert PROGRAMMES.serving("rcaps", {"role": "physician", "rank": "attending"}, Door.LEAD) is None


def test_rcaps_promises_no_time() -> None:
    assert {clock.firmness for clock in PROGRAMMES["rcaps"].clocks} == {Firmness.INTERNAL}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"time_zone": "America/Portlandia"}, "time_zone"),
        ({"surprise": 1}, "surprise"),
        ({"crisis_lines": []}, "crisis_lines"),
        ({"texts__subject": "Your peer support referral"}, "texts.subject"),
        ({"texts__sender": "Crisis Desk"}, "texts.sender"),
        ({"doors": ["window"]}, "doors"),
        ({"matching__capacity": 0}, "matching.capacity"),
        ({"audience": {}}, "audience"),
        ({"contact__silence": "-P1D"}, "contact.silence"),
        ({"time_zone": "x" * 5000}, "time_zone"),
    ],
)
def test_a_wrong_file_names_its_field(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    with pytest.raises(ProgrammeError, match=f"changed.yaml: {named}"):
        read_programme(written(tmp_path, **change))


@pytest.mark.parametrize(
    ("quoted", "unquoted", "named"),
    [
        ('to: "20:00"', "to: 20:00", "contact.hours.to"),
        ('from: "08:00"', "from: 10:30", "contact.hours.from"),
        ('to: "20:00"', "to: 20:00:00", "contact.hours.to"),
        ("clocks:", "calendar: {country: NO}\nclocks:", "calendar.country"),
        ("clocks:", "calendar: {country: CA, subdivision: ON}\nclocks:", "calendar.subdivision"),
    ],
)
def test_what_yaml_would_read_otherwise_than_it_is_meant_must_stand_in_quotes(
    tmp_path: Path, quoted: str, unquoted: str, named: str
) -> None:
    text = (FOLDER / "shcp.yaml").read_text()
    assert quoted in text
    (tmp_path / "changed.yaml").write_text(text.replace(quoted, unquoted))

    with pytest.raises(ProgrammeError, match=f"changed.yaml: {named}: .*must stand in quotes"):
        read_programme(tmp_path / "changed.yaml")


def test_contact_hours_are_local_and_take_no_offset(tmp_path: Path) -> None:
    with pytest.raises(ProgrammeError, match=r"contact\.hours\.to: .*takes no offset"):
        read_programme(written(tmp_path, contact__hours={"from": "08:00", "to": "20:00Z"}))


def test_a_kind_of_clock_stands_once(tmp_path: Path) -> None:
    clocks = yaml.safe_load((FOLDER / "shcp.yaml").read_text())["clocks"]

    with pytest.raises(ProgrammeError, match="clocks"):
        read_programme(written(tmp_path, clocks=clocks * 2))


def test_a_folder_without_programmes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProgrammeError, match="no programme files"):
        read_programmes(tmp_path)


def test_the_digest_is_of_the_content_and_not_of_comments(tmp_path: Path) -> None:
    original = PROGRAMMES["shcp"]
    copy = tmp_path / "copy.yaml"
    copy.write_text("# another comment\n" + (FOLDER / "shcp.yaml").read_text())

    assert read_programme(copy).digest == original.digest
    assert read_programme(written(tmp_path, matching__capacity=9)).digest != original.digest
