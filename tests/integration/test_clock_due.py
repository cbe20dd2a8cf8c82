"""`peerline clock due` and `peerline programme check` as processes of their own, with nothing else running."""

import json
import os
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PEERLINE = [sys.executable, "-m", "peerline_local"]
LONGEST_SECONDS = 60

H: dict[str, Any] = {
    "due": {"rule": "elapsed", "weekday": "PT24H", "weekend": "PT48H"},
    "zone": "America/New_York",
}
FROM_FRIDAY_FIVE = H | {"due": H["due"] | {"weekend_begins": "Fri 17:00"}}


def as_weekend(*closed: str) -> dict[str, Any]:
    return H | {"due": H["due"] | {"holidays_as_weekend": True}, "calendar": days(*closed)}


def w(*closed: str, zone: str = "America/Los_Angeles") -> dict[str, Any]:
    return {"due": {"rule": "working-days", "days": 2, "at": "17:00"}, "zone": zone, "calendar": days(*closed)}


def days(*closed: str) -> dict[str, Any]:
    return {"years": {"from": 2026, "to": 2027}, "closed": closed}


ROWS: list[tuple[str, dict[str, Any], str, tuple[str, str] | None, str]] = [
    ("1", H, "2026-06-09T10:15", None, "2026-06-10T10:15:00-04:00"),
    ("2", H, "2026-07-10T18:00", None, "2026-07-11T18:00:00-04:00"),
    ("3", FROM_FRIDAY_FIVE, "2026-07-10T18:00", None, "2026-07-12T18:00:00-04:00"),
    ("4", H, "2026-07-12T23:59:59", None, "2026-07-14T23:59:59-04:00"),
    ("5", H, "2026-07-13T00:00:00", None, "2026-07-14T00:00:00-04:00"),
    ("6", H, "2026-03-07T10:00", None, "2026-03-09T11:00:00-04:00"),
    ("7", H, "2026-10-31T14:00", None, "2026-11-02T13:00:00-05:00"),
    ("8", H, "2026-11-01T01:30-04:00", None, "2026-11-03T00:30:00-05:00"),
    ("8 later", H, "2026-11-01T01:30-05:00", None, "2026-11-03T01:30:00-05:00"),
    ("9", H, "2027-03-14T02:30", None, "2027-03-16T03:30:00-04:00"),
    ("10", H, "2026-11-26T10:00", None, "2026-11-27T10:00:00-05:00"),
    ("10 as weekend", as_weekend("2026-11-26"), "2026-11-26T10:00", None, "2026-11-28T10:00:00-05:00"),
    ("11", H, "2026-08-16T22:30-10:00", None, "2026-08-18T04:30:00-04:00"),
    ("12", w(), "2026-08-10T09:00", None, "2026-08-12T17:00:00-07:00"),
    ("13", w(), "2026-08-14T18:00", None, "2026-08-18T17:00:00-07:00"),
    ("14", w("2026-09-07"), "2026-09-04T16:00", None, "2026-09-09T17:00:00-07:00"),
    ("15", w("2026-12-31", "2027-01-01"), "2026-12-30T15:00", None, "2027-01-05T17:00:00-08:00"),
    ("15 one day", w("2027-01-01"), "2026-12-30T15:00", None, "2027-01-04T17:00:00-08:00"),
    ("16", w("2027-07-04", "2027-07-05"), "2027-07-02T11:00", None, "2027-07-07T17:00:00-07:00"),
    ("17", w(zone="America/Vancouver"), "2026-11-03T09:00", None, "2026-11-05T17:00:00-07:00"),
    ("18", H, "2026-07-17T15:00", ("2026-07-17T16:00", "2026-07-20T09:00"), "2026-07-21T08:00:00-04:00"),
    ("19", H, "2027-03-12T14:00", ("2027-03-12T20:00", "2027-03-15T08:00"), "2027-03-16T02:00:00-04:00"),
    ("20", w(), "2026-06-08T10:00", ("2026-06-09T09:00", "2026-06-11T14:00"), "2026-06-15T17:00:00-07:00"),
    ("21 first", H, "2026-09-16T11:00", None, "2026-09-17T11:00:00-04:00"),
    ("21 second", H, "2026-09-18T17:30", None, "2026-09-19T17:30:00-04:00"),
    ("22", H, "2026-10-16T16:45", None, "2026-10-17T16:45:00-04:00"),
    ("23", H, "2026-05-07T13:20", None, "2026-05-08T13:20:00-04:00"),
    ("24 and 25", H, "2026-06-09T10:15-04:00", None, "2026-06-10T10:15:00-04:00"),
    ("26 pinned", w(), "2026-08-06T10:00", None, "2026-08-10T17:00:00-07:00"),
    ("26 again", w("2026-08-07"), "2026-08-06T10:00", None, "2026-08-11T17:00:00-07:00"),
]


def question(rule: dict[str, Any], received_at: str, pause: tuple[str, str] | None = None) -> dict[str, Any]:
    pauses = [] if pause is None else [{"from": pause[0], "to": pause[1]}]
    return rule | {"received_at": received_at, "pauses": pauses}


def ndjson(*questions: Any) -> str:
    return "".join(f"{json.dumps(each)}\n" for each in questions)


def peerline(*arguments: str, given: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PEERLINE, *arguments],
        input=given,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )


def answers(said: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.splitlines()]


def test_all_worked_rows_are_answered_in_their_order_by_one_process() -> None:
    asked = ndjson(*(question(rule, received_at, pause) for _, rule, received_at, pause, _ in ROWS))

    done = peerline("clock", "due", given=asked)

    due = {row: answer["due_local"] for (row, *_), answer in zip(ROWS, answers(done.stdout), strict=True)}
    assert due == {row: expected for row, *_, expected in ROWS}
    assert (done.returncode, done.stderr) == (0, "")


def test_a_line_that_cannot_be_answered_is_named_and_the_others_are_answered() -> None:
    right = question(H, "2026-06-09T10:15")
    asked = ndjson(right, right | {"zone": "Nowhere"}) + "\nno JSON\n" + ndjson(right)

    done = peerline("clock", "due", given=asked)

    first, second, third, fourth = answers(done.stdout)
    assert first == fourth
    assert second == {"error": "is not an IANA time zone", "field": "zone", "line": 2}
    assert (third["line"], third["field"], third["error"][:11]) == (4, None, "is not JSON")
    assert (done.returncode, done.stderr) == (1, "")


def test_each_line_is_answered_before_the_next_is_asked() -> None:
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    asking = subprocess.Popen(
        [*PEERLINE, "clock", "due"], env=buffered, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert asking.stdin is not None
    assert asking.stdout is not None

    said = []
    with asking:
        for received_at in ("2026-06-09T10:15", "2026-07-12T23:59:59"):
            asking.stdin.write(ndjson(question(H, received_at)))
            asking.stdin.flush()
            said.append(json.loads(asking.stdout.readline())["due_local"])
        asking.stdin.close()

    assert said == ["2026-06-10T10:15:00-04:00", "2026-07-14T23:59:59-04:00"]
    assert asking.returncode == 0


def test_zones_are_those_of_the_package_whatever_the_machine_has(tmp_path: Path) -> None:
    (tmp_path / "America").mkdir()
    still_changes_its_clocks = files("tzdata.zoneinfo.America") / "New_York"
    (tmp_path / "America" / "Vancouver").write_bytes(still_changes_its_clocks.read_bytes())
    row_17 = question(w(zone="America/Vancouver"), "2026-11-03T09:00")

    done = peerline("clock", "due", given=ndjson(row_17), PYTHONTZPATH=str(tmp_path))

    assert answers(done.stdout)[0]["due_at"] == "2026-11-06T00:00:00Z"


def test_programmes_are_those_of_the_folder_and_a_wrong_one_is_an_error_of_the_line(tmp_path: Path) -> None:
    by_clock = {"programme": "shcp", "clock": "match", "received_at": "2026-06-09T10:15"}
    folder = changed(tmp_path, clocks=[{"kind": "match", "firmness": "usual", "due": H["due"] | {"weekday": "PT1H"}}])
    wrong = changed(tmp_path / "wrong", time_zone="Nowhere")
    asked = ndjson(by_clock, question(H, "2026-06-09T10:15"))

    of_the_folder = answers(peerline("clock", "due", "--programmes", str(folder), given=asked).stdout)
    of_a_wrong_one = answers(peerline("clock", "due", "--programmes", str(wrong), given=asked).stdout)

    assert [answer["due_at"] for answer in of_the_folder] == ["2026-06-09T15:15:00Z", "2026-06-10T14:15:00Z"]
    assert of_a_wrong_one[0]["field"] == "programme"
    assert "shcp.yaml: time_zone: " in of_a_wrong_one[0]["error"]
    assert of_a_wrong_one[1] == of_the_folder[1]


def changed(folder: Path, **changes: Any) -> Path:
    """A folder with SHCP's file, changed."""
    folder.mkdir(exist_ok=True)
    content = yaml.safe_load((ROOT / "deploy" / "programmes" / "shcp.yaml").read_text())
    (folder / "shcp.yaml").write_text(yaml.safe_dump(content | changes))
    return folder


def test_the_programmes_in_use_are_in_order() -> None:
    done = peerline("programme", "check")

    assert [line.split(",")[0] for line in done.stdout.splitlines()] == ["rcaps: in order", "shcp: in order"]
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("calendar", "fault"),
    [
        ({"country": "XX"}, "shcp: calendar.country: no holidays are known of XX"),
        ({"country": "US", "subdivision": "ZZ"}, "shcp: calendar.subdivision: no holidays are known of ZZ"),
        ({"years": {"from": 2020, "to": 2021}}, r"shcp: calendar.years: 20\d\d is missing.*"),
        ({"country": "usa"}, r"shcp.yaml: calendar.country: .*"),
    ],
)
def test_an_author_hears_what_the_monitor_would_not_start_with(
    tmp_path: Path, calendar: dict[str, Any], fault: str
) -> None:
    clocks = [{"kind": "match", "firmness": "promised", "due": w()["due"]}]
    folder = changed(tmp_path, clocks=clocks, calendar=calendar)

    done = peerline("programme", "check", "--programmes", str(folder))

    assert re.fullmatch(f"peerline: {fault}\n", done.stderr)
    assert (done.returncode, done.stdout) == (1, "")
