"""Clocks and calendars of programme files: what may be written, and what is refused by the name of its field."""

from datetime import date, time, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from peerline.clocks import Calendar, Clock, Elapsed, WorkingDays, WorkingHours
from peerline.programme import Programme, ProgrammeError, read_programme, read_programmes

FOLDER = Path(__file__).parents[3] / "deploy" / "programmes"
CALIFORNIA = {"country": "US", "subdivision": "CA"}
W = {"rule": "working-days", "days": 2, "at": "17:00"}
OFFICE = [{"from": "08:00", "to": "12:00"}, {"from": "13:00", "to": "17:00"}]
EIGHT_HOURS = {
    "rule": "working-hours",
    "wait": "PT8H",
    "hours": {"Mon": OFFICE, "Fri": [{"from": "08:00", "to": "00:00"}]},
}


def written(folder: Path, *clocks: dict[str, Any], **more: Any) -> Path:
    content = yaml.safe_load((FOLDER / "shcp.yaml").read_text())
    file = folder / "changed.yaml"
    file.write_text(yaml.safe_dump(content | {"clocks": list(clocks)} | more))
    return file


def a_clock(due: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"kind": "match", "firmness": "promised", "due": due, **more}


def read(folder: Path, due: dict[str, Any], **more: Any) -> Programme:
    return read_programme(written(folder, a_clock(due), **more))


def test_the_files_in_use_have_the_digests_that_cases_begin_with() -> None:
    programmes = read_programmes(FOLDER)

    assert {name: programme.digest for name, programme in programmes.items()} == {
        "rcaps": "de3b5c7cd8a07234",
        "shcp": "ae85f4ff23cf4200",
    }


def test_an_elapsed_rule_has_an_ordinary_weekend_and_no_holidays_unless_it_says_so(tmp_path: Path) -> None:
    plain = read(tmp_path, {"rule": "elapsed", "weekday": "PT24H", "weekend": "PT48H"}).clocks[0].due
    early = read(
        tmp_path,
        {"weekday": "PT24H", "weekend": "PT48H", "weekend_begins": "Fri 17:00", "holidays_as_weekend": True},
        calendar=CALIFORNIA,
    ).clocks[0]

    assert plain == Elapsed(weekday=timedelta(hours=24), weekend=timedelta(hours=48), weekend_begins="Sat 00:00")
    assert isinstance(early.due, Elapsed)
    assert (early.due.weekend_begins, early.due.weekend_ends, early.due.counts_days) == ("Fri 17:00", "Mon 00:00", True)


def test_working_days_are_monday_to_friday_unless_it_says_so(tmp_path: Path) -> None:
    usual = read(tmp_path, W, calendar=CALIFORNIA).clocks[0].due
    own = read(tmp_path, W | {"weekdays": ["Sun", "Mon"]}, calendar=CALIFORNIA).clocks[0].due

    assert isinstance(usual, WorkingDays)
    assert isinstance(own, WorkingDays)
    assert (usual.days, usual.at) == (2, time(17))
    assert usual.weekdays == {"Mon", "Tue", "Wed", "Thu", "Fri"}
    assert own.weekdays == {"Sun", "Mon"}


def test_working_hours_may_be_split_and_may_last_to_midnight(tmp_path: Path) -> None:
    due = read(tmp_path, EIGHT_HOURS, calendar=CALIFORNIA).clocks[0].due

    assert isinstance(due, WorkingHours)
    assert [shift.length for shift in due.hours["Mon"]] == [timedelta(hours=4)] * 2
    assert [shift.length for shift in due.hours["Fri"]] == [timedelta(hours=16)]


def test_a_calendar_is_a_place_with_days_of_its_own(tmp_path: Path) -> None:
    own = CALIFORNIA | {"closed": [date(2026, 12, 31)], "opened": ["2027-02-15"], "years": {"from": 2026, "to": 2027}}

    calendar = read(tmp_path, W, calendar=own).calendar

    assert isinstance(calendar, Calendar)
    assert calendar.closed == {date(2026, 12, 31)}
    assert calendar.opened == {date(2027, 2, 15)}


def test_a_match_and_a_first_contact_start_and_stop_as_they_always_did() -> None:
    match, contact = read_programmes(FOLDER)["shcp"].clocks[:2]

    assert match.starts == {"referral-created", "participant-unresolved"}
    assert match.stops == {"match-confirmed"}
    assert contact.starts == {"referral-created"}
    assert contact.stops == {"contact-attempted", "contact-made"}


def test_a_kind_of_its_own_says_what_starts_and_stops_it(tmp_path: Path) -> None:
    answer = a_clock(
        W, kind="answer", starts=["supporter-notified"], stops=["supporter-accepted", "supporter-declined"]
    )

    clock = read_programme(written(tmp_path, answer, calendar=CALIFORNIA)).clock("answer")

    assert isinstance(clock, Clock)
    assert clock.starts == {"supporter-notified"}
    assert clock.stops == {"supporter-accepted", "supporter-declined"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"kind": "answer"}, "starts: .* is missing"),
        ({"kind": "answer", "starts": ["supporter-notified"]}, "stops: .* is missing"),
        ({"starts": ["sunrise"]}, r"starts\.0: .* neither an event nor a step"),
        ({"stops": ["deadline-met"]}, r"stops\.0: .* neither an event nor a step"),
        ({"warn_before": "P900D"}, "warn_before: .* longer than a year"),
    ],
)
def test_a_wrong_clock_names_its_field(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    with pytest.raises(ProgrammeError, match=rf"changed.yaml: clocks\.0\.{named}"):
        read_programme(written(tmp_path, a_clock(W) | change, calendar=CALIFORNIA))


@pytest.mark.parametrize(
    ("due", "named"),
    [
        ({"rule": "whenever"}, "due"),
        ({"weekday": "PT24H"}, r"due\.elapsed\.weekend"),
        ({"weekday": "P999999D", "weekend": "PT48H"}, r"due\.elapsed\.weekday: .* longer than a year"),
        ({"weekday": "PT24H", "weekend": "PT48H", "weekend_begins": "Fri 25:00"}, r"due\.elapsed\.weekend_begins"),
        ({"weekday": "PT24H", "weekend": "PT48H", "weekend_begins": "Mon 00:00"}, r"due\.elapsed\.weekend_ends"),
        (W | {"weekdays": []}, r"due\.working-days\.weekdays"),
        (W | {"weekdays": ["Monday"]}, r"due\.working-days\.weekdays"),
        (W | {"days": 0}, r"due\.working-days\.days"),
        (W | {"days": 999}, r"due\.working-days\.days: .* longer than a year"),
        (W | {"days": 53, "weekdays": ["Sat"]}, r"due\.working-days\.days: .* longer than a year"),
        (W | {"at": 1020}, r"due\.working-days\.at: .* in quotes"),
        (W | {"at": "00:00"}, r"due\.working-days\.at: .* after 00:00"),
        (W | {"at": "17:00Z"}, r"due\.working-days\.at: .* no offset"),
        (EIGHT_HOURS | {"hours": {}}, r"due\.working-hours\.hours"),
        (EIGHT_HOURS | {"hours": {"Mon": []}}, r"due\.working-hours\.hours: .* no shift"),
        (EIGHT_HOURS | {"hours": {"Mon": OFFICE[::-1]}}, r"due\.working-hours\.hours: .* overlap"),
        (
            EIGHT_HOURS | {"hours": {"Mon": [{"from": "09:00", "to": "09:00"}]}},
            r"due\.working-hours\.hours\.Mon\.0\.to",
        ),
        (EIGHT_HOURS | {"hours": {"Mon": [{"from": 540, "to": "17:00"}]}}, r"due\.working-hours\.hours\.Mon\.0\.from"),
        (EIGHT_HOURS | {"wait": "PT0S"}, r"due\.working-hours\.wait: .* longer than nothing"),
        (
            EIGHT_HOURS | {"wait": "PT53H", "hours": {"Mon": [{"from": "09:00", "to": "10:00"}]}},
            r"due\.working-hours\.wait: .* longer than a year",
        ),
    ],
)
def test_a_wrong_rule_or_one_that_can_never_end_names_its_field(
    tmp_path: Path, due: dict[str, Any], named: str
) -> None:
    with pytest.raises(ProgrammeError, match=rf"changed.yaml: clocks\.0\.{named}"):
        read(tmp_path, due, calendar=CALIFORNIA)


@pytest.mark.parametrize(
    ("due", "calendar", "named"),
    [
        (W, None, "calendar: .* is missing, but match counts days"),
        (EIGHT_HOURS, None, "calendar: .* is missing, but match counts days"),
        (W, {}, r"calendar\.years: .* is missing"),
        (W, {"country": "usa"}, r"calendar\.country"),
        (W, {"subdivision": "CA", "years": {"from": 2026, "to": 2026}}, r"calendar\.subdivision: .* needs a country"),
        (W, {"years": {"from": 2027, "to": 2026}}, r"calendar\.years\.to: .* before"),
        (W, {"years": {"from": 2026, "to": 2026}, "closed": ["2027-01-02"]}, r"calendar\.closed: .* 2027-01-02 is not"),
        (W, CALIFORNIA | {"closed": [2026]}, r"calendar\.closed\.0: .* in quotes"),
        (W, CALIFORNIA | {"closed": ["2026-08-07"], "opened": ["2026-08-07"]}, r"calendar\.opened: .* closed as well"),
        (EIGHT_HOURS, CALIFORNIA | {"opened": ["2026-08-15"]}, "calendar: .* 2026-08-15 is opened, but .* for a Sat"),
    ],
)
def test_a_wrong_calendar_names_its_field(
    tmp_path: Path, due: dict[str, Any], calendar: dict[str, Any] | None, named: str
) -> None:
    with pytest.raises(ProgrammeError, match=f"changed.yaml: {named}"):
        read(tmp_path, due, **({} if calendar is None else {"calendar": calendar}))
