"""From programme files to due times: the rules and days that they name, and what the monitor refuses to start with."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from peerline.clocks import Calendar, Clock
from peerline.programme import Programme
from pydantic import ValidationError
from sla_monitor.calendars import calendar_from
from sla_monitor.domain.calendar import CalendarEnds
from sla_monitor.promises import due_of, fault_of
from sla_monitor.settings import Settings
from tzdata import IANA_VERSION  # type: ignore[import-untyped]  # two words of text; has no stubs

from tests.unit.sla_monitor.places import la

SHCP = yaml.safe_load((Path(__file__).parents[3] / "deploy" / "programmes" / "shcp.yaml").read_text())
W = {"rule": "working-days", "days": 2, "at": "17:00"}
OFFICE = {"rule": "working-hours", "wait": "PT8H", "hours": {"Mon": [{"from": "08:00", "to": "17:00"}]}}
H = {"weekday": "PT24H", "weekend": "PT48H", "weekend_begins": "Fri 17:00", "holidays_as_weekend": True}
CALIFORNIA = {"country": "US", "subdivision": "CA"}
NOW = la("2026-11-23T09:00").astimezone(UTC)


def programme(due: dict[str, Any], calendar: dict[str, Any] | None = None, **clock: Any) -> Programme:
    clocks = [{"kind": "match", "firmness": "promised", "due": due, **clock}]
    more = {"calendar": calendar, "supporters_send_resources": False}
    content = SHCP | {"time_zone": "America/Los_Angeles", "clocks": clocks} | more
    return Programme.model_validate(content)


def due_on(asked: Programme, received: datetime) -> datetime:
    (clock,) = asked.clocks
    return due_of(clock, received, asked).instant


@pytest.mark.parametrize(
    ("received", "due"),
    [
        ("2026-09-04T16:00", "2026-09-09T17:00"),
        ("2027-07-02T11:00", "2027-07-07T17:00"),
        ("2026-08-14T18:00", "2026-08-18T17:00"),
    ],
)
def test_rows_13_14_and_16_hold_with_the_holidays_of_california(received: str, due: str) -> None:
    assert due_on(programme(W, CALIFORNIA), la(received)) == la(due)


def test_row_15_new_years_eve_is_off_where_the_programme_closes_it() -> None:
    received = la("2026-12-30T15:00")

    assert due_on(programme(W, CALIFORNIA), received) == la("2027-01-04T17:00")
    assert due_on(programme(W, CALIFORNIA | {"closed": ["2026-12-31"]}), received) == la("2027-01-05T17:00")


def test_a_holiday_that_the_programme_does_not_keep_is_worked() -> None:
    received = la("2026-03-30T09:00")  # Cesar Chavez Day is the 31st

    assert due_on(programme(W, CALIFORNIA), received) == la("2026-04-02T17:00")
    assert due_on(programme(W, CALIFORNIA | {"opened": ["2026-03-31"]}), received) == la("2026-04-01T17:00")


def test_an_elapsed_rule_takes_its_weekend_and_its_holidays_from_the_file() -> None:
    friday, thanksgiving = la("2026-07-10T17:00"), la("2026-11-26T10:00")
    asked = programme(H, CALIFORNIA)

    assert due_on(asked, friday) == la("2026-07-12T17:00")
    assert due_on(asked, thanksgiving) == la("2026-11-28T10:00")


def test_working_hours_are_those_of_the_file() -> None:
    assert due_on(programme(OFFICE, CALIFORNIA), la("2026-08-10T12:00")) == la("2026-08-17T11:00")


def test_a_due_time_names_the_calendar_and_the_zones_that_it_was_reckoned_by() -> None:
    asked = programme(W, CALIFORNIA)

    due = due_of(asked.clocks[0], la("2026-08-14T18:00"), asked)

    assert due.calendar_version is not None
    assert due.calendar_version.startswith("US-CA holidays 0.")
    assert due.terms.tzdata == IANA_VERSION
    assert due.explanation.endswith(f"; days off as of {due.calendar_version}; time zones as of {IANA_VERSION}.")


def test_calendars_have_one_name_exactly_where_they_have_the_same_days_of_their_own() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"subdivision": "NV"},
        {"closed": ["2026-12-31"]},
        {"opened": ["2026-12-31"]},
        {"years": {"from": 2025, "to": 2028}},
    ]

    names = [calendar_from(Calendar.model_validate(CALIFORNIA | change), 2026).version for change in changes]

    assert len(set(names)) == len(changes)
    assert calendar_from(Calendar.model_validate(CALIFORNIA), 2027).version == names[0]


def test_a_calendar_knows_the_years_for_which_its_days_were_entered() -> None:
    by_hand = Calendar.model_validate({"years": {"from": 2026, "to": 2026}, "closed": ["2026-12-31"]})

    calendar = calendar_from(by_hand, 2026)

    assert calendar.is_off(date(2026, 12, 31))
    with pytest.raises(CalendarEnds, match="2027"):
        calendar.is_off(date(2027, 1, 1))


def test_what_can_be_watched_is_found_without_fault() -> None:
    assert fault_of(programme(W, CALIFORNIA), NOW) is None
    assert fault_of(programme({"weekday": "PT24H", "weekend": "PT48H"}), NOW) is None
    own = programme(W, CALIFORNIA, kind="own", starts=["match-unavailable"], stops=["match-proposed", "closed"])
    assert fault_of(own, NOW) is None
    own = programme(W, CALIFORNIA, kind="own", starts=["contact-made", "resources-permitted"], stops=["closed"])
    assert fault_of(own, NOW) is None
    assert fault_of(Programme.model_validate(SHCP), NOW) is None
    response = {"kind": "response", "starts": ["contact-attempted"], "stops": ["contact-made"], "firmness": "usual"}
    assert fault_of(programme(W, CALIFORNIA, **response), NOW) is None


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        (programme(W, {"country": "XX"}), "calendar.country: no holidays are known of XX"),
        (
            programme(W, {"country": "US", "subdivision": "ZZ"}),
            "calendar.subdivision: no holidays are known of ZZ",
        ),
        (
            programme(W | {"days": 30}, CALIFORNIA | {"years": {"from": 2020, "to": 2026}}),
            "calendar.years: 2027 is missing, and match may be due then",
        ),
        (
            programme(W, {"years": {"from": 2020, "to": 2025}}),
            "calendar.years: 2026 is missing, and match may be due then",
        ),
        (
            programme(W, CALIFORNIA, kind="farewell", starts=["closed", "contact-made"], stops=["resources-sent"]),
            "clocks.0.starts: closed ends a case, and its clocks with it",
        ),
        (
            programme(W, CALIFORNIA, stops=["match-confirmed", "referral-forgotten"]),
            "clocks.0.stops: referral-forgotten leaves nothing to stop",
        ),
        (
            programme(W, CALIFORNIA, kind="own", starts=["contact-made"], stops=["contact-made", "closed"]),
            "clocks.0.stops: contact-made starts it as well",
        ),
        (
            programme(W, CALIFORNIA, kind="response", starts=["contact-attempted"], stops=["contact-made"]),
            "clocks.0.firmness: response is never breached, so that it cannot be promised",
        ),
        (
            programme(W, CALIFORNIA, kind="resources", starts=["resources-permitted"], stops=["resources-sent"]),
            "clocks.0.starts: resources-permitted is asked on no page without supporters_send_resources",
        ),
        (
            programme(W, CALIFORNIA, kind="resources", starts=["contact-made"], stops=["resources-sent"]),
            "clocks.0.stops: resources-sent is asked on no page without supporters_send_resources",
        ),
    ],
)
def test_what_cannot_be_watched_is_named(asked: Programme, fault: str) -> None:
    assert fault_of(asked, NOW) == fault


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"time_zone": "America/Portlandia"}, "shcp.yaml: time_zone"),
        ({"calendar": {"country": "XX"}}, "shcp: calendar.country"),
        ({"clocks": [{"kind": "match", "firmness": "promised", "due": W | {"weekdays": []}}]}, "due.*weekdays"),
    ],
)
def test_the_monitor_does_not_start_with_such_a_file(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    (tmp_path / "shcp.yaml").write_text(yaml.safe_dump(SHCP | change))

    with pytest.raises(ValidationError, match=rf"programmes\n.*{named}"):
        Settings(programmes=tmp_path)  # the others are missing, which is said as well


def test_a_clock_of_the_files_in_use_is_due_as_it_always_was() -> None:
    asked = Programme.model_validate(SHCP)
    clock = asked.clock("match")
    assert isinstance(clock, Clock)

    due = due_of(clock, datetime(2026, 3, 7, 15, tzinfo=UTC), asked)

    assert due.instant == datetime(2026, 3, 7, 15, tzinfo=UTC) + timedelta(hours=48)
    assert due.explanation == (
        "received Sat 7 Mar 2026 10:00 EST (America/New_York), at a weekend; "
        f"due 48 h of elapsed time later, Mon 9 Mar 2026 11:00 EDT; time zones as of {IANA_VERSION}."
    )
