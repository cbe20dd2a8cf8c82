"""What-ifs about clocks: what may be asked, how times are read, and what is refused by the name of its field."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from peerline.programme import Programmes, read_programmes
from peerline_local import what_if
from peerline_local.what_if import Unanswerable, answer
from sla_monitor import moments
from sla_monitor.domain.due import Due, Suspended
from sla_monitor.promises import due_of

PROGRAMMES = read_programmes(Path(__file__).parents[3] / "deploy" / "programmes")
H = {"weekday": "PT24H", "weekend": "PT48H"}
W = {"rule": "working-days", "days": 2, "at": "17:00"}
OFFICE = {"rule": "working-hours", "wait": "PT8H", "hours": {"Mon": [{"from": "08:00", "to": "17:00"}]}}
BY_H = {"due": H, "zone": "America/New_York", "received_at": "2026-06-09T10:15"}
BY_W = {"due": W, "zone": "America/Los_Angeles", "received_at": "2026-08-10T09:00"}
CALIFORNIA = {"country": "US", "subdivision": "CA"}
SHCP = {"programme": "shcp", "clock": "match", "received_at": "2026-06-09T10:15"}


def asked(question: Any) -> Due | Suspended:
    return answer(json.dumps(question).encode(), lambda: PROGRAMMES)


def due(question: Any) -> str:
    return str(asked(question).as_json()["due_local"])


def no_folder() -> Programmes:
    raise AssertionError("a rule of one's own needs no programmes")


def test_a_rule_is_answered_without_any_programme() -> None:
    found = answer(json.dumps(BY_H).encode(), no_folder)

    assert found.as_json()["due_at"] == "2026-06-10T14:15:00Z"


def test_the_clock_of_a_programme_is_due_as_the_monitor_reckons_it() -> None:
    programme = PROGRAMMES["shcp"]

    found = asked(SHCP)

    assert found == due_of(programme.clocks[0], datetime(2026, 6, 9, 14, 15, tzinfo=UTC), programme)


PAUSE = {"from": "2026-06-09T12:00", "to": "2026-06-09T13:00"}


@pytest.mark.parametrize("pauses", [[], [PAUSE], [PAUSE | {"to": None}]])
@pytest.mark.parametrize(
    ("clock", "beginning"), [("answer", "started by supporter-notified Tue"), ("match", "received Tue")]
)
def test_a_clock_that_something_later_starts_says_what(clock: str, beginning: str, pauses: list[Any]) -> None:
    found = asked(SHCP | {"clock": clock, "pauses": pauses})

    assert found.explanation.startswith(f"{beginning} 9 Jun 2026 10:15 EDT")


def test_a_clock_that_one_of_several_moments_starts_names_them_all() -> None:
    starts = frozenset({"supporter-declined", "match-released"})
    (answers,) = [clock for clock in PROGRAMMES["shcp"].clocks if clock.kind == "answer"]
    altered = PROGRAMMES["shcp"].model_copy(update={"clocks": (answers.model_copy(update={"starts": starts}),)})

    found = answer(json.dumps(SHCP | {"clock": "answer"}).encode(), lambda: Programmes({"shcp": altered}))

    assert found.terms.started_by == "match-released or supporter-declined"
    assert "started by match-released or supporter-declined Tue" in found.explanation


@pytest.mark.parametrize(
    ("received_at", "due_local"),
    [
        ("2026-06-09T10:15", "2026-06-10T10:15:00-04:00"),
        ("2026-06-09T10:15:30", "2026-06-10T10:15:30-04:00"),
        ("2026-06-09T10:15-04:00", "2026-06-10T10:15:00-04:00"),
        ("2026-06-09T14:15Z", "2026-06-10T10:15:00-04:00"),
    ],
)
def test_a_time_is_local_to_the_zone_unless_it_has_an_offset(received_at: str, due_local: str) -> None:
    assert due(BY_H | {"received_at": received_at}) == due_local


def test_a_local_time_that_comes_twice_means_the_first() -> None:
    twice = "2026-11-01T01:30"

    assert due(BY_H | {"received_at": twice}) == due(BY_H | {"received_at": f"{twice}-04:00"})
    assert due(BY_H | {"received_at": twice}) != due(BY_H | {"received_at": f"{twice}-05:00"})


def test_a_local_time_that_never_comes_is_read_with_the_offset_before_the_gap() -> None:
    never = "2027-03-14T02:30"

    assert due(BY_H | {"received_at": never}) == due(BY_H | {"received_at": f"{never}-05:00"})


def test_pauses_are_read_in_the_zone_as_well() -> None:
    local = {"from": "2026-06-09T12:00", "to": "2026-06-09T13:00", "code": "on-leave"}
    with_offset = {"from": "2026-06-09T16:00Z", "to": "2026-06-09T13:00-04:00", "code": "on-leave"}

    found = asked(BY_H | {"pauses": [local]})

    assert found.as_json()["due_local"] == "2026-06-10T11:15:00-04:00"
    assert found == asked(BY_H | {"pauses": [with_offset]})


def test_an_open_pause_is_answered_by_no_due_time() -> None:
    found = asked(BY_H | {"pauses": [{"from": "2026-06-09T12:00"}]}).as_json()

    assert found["due_at"] is found["due_local"] is None
    assert "not due at any time until that pause ends" in str(found["sentence"])


@pytest.mark.parametrize(
    ("question", "field", "why"),
    [
        ([BY_H], "", "not a JSON object"),
        ({}, "received_at", "required"),
        (BY_H | {"received_at": 1781014500}, "received_at", "must be a date and time"),
        (BY_H | {"received_at": "1781014500"}, "received_at", "must be a date and time"),
        (BY_H | {"received_at": "2026-06-09"}, "received_at", "must be a date and time"),
        (BY_H | {"received_at": "2026-06-31T10:00"}, "received_at", "valid datetime"),
        (BY_H | {"received_at": "9999-12-31T23:59Z"}, "received_at", "must be from 2000 to 2100"),
        (BY_H | {"zone": "America/Portlandia"}, "zone", "is not an IANA time zone"),
        (BY_H | {"zone": "x" * 5000}, "zone", "is not an IANA time zone"),
        (BY_H | {"zones": "America/New_York"}, "zones", "not permitted"),
        (BY_H | {"due": {"rule": "whenever"}}, "due", "is not a rule: elapsed, working-days or working-hours"),
        (BY_H | {"due": {"weekday": "PT24H"}}, "due.elapsed.weekend", "required"),
        (BY_W, "calendar", "is missing, but the rule counts days"),
        (BY_W | {"due": W | {"at": 1020}, "calendar": CALIFORNIA}, "due.working-days.at", "must stand in quotes"),
        (BY_W | {"due": W | {"days": 999}, "calendar": CALIFORNIA}, "due.working-days.days", "longer than a year"),
        (BY_W | {"due": W | {"weekdays": []}, "calendar": CALIFORNIA}, "due.working-days.weekdays", "at least 1"),
        (BY_W | {"calendar": {"country": "XX"}}, "calendar.country", "no holidays are known of XX"),
        (
            BY_W | {"calendar": CALIFORNIA | {"subdivision": "ZZ"}},
            "calendar.subdivision",
            "no holidays are known of ZZ",
        ),
        (BY_W | {"calendar": {}}, "calendar.years", "is missing"),
        (BY_W | {"calendar": {"years": {"from": 2027, "to": 2027}}}, "calendar.years", "does not know 2026"),
        (
            BY_W | {"due": OFFICE, "calendar": CALIFORNIA | {"opened": ["2026-08-15"]}},
            "calendar",
            "the rule has no hours for a Sat",
        ),
        (BY_H | {"pauses": [{"to": "2026-06-09T11:00"}]}, "pauses.0.from", "required"),
        (
            BY_H | {"pauses": [{"from": "2026-06-09T12:00"}, {"from": "2026-06-09T12:00", "to": "2026-06-09T11:00"}]},
            "pauses.1.to",
            "ends before it begins",
        ),
        (BY_H | {"pauses": [{"from": "2026-06-09T12:00", "code": "On\nleave"}]}, "pauses.0.code", "match pattern"),
        (SHCP | {"programme": "acme"}, "programme", "there is no 'acme', only rcaps, shcp"),
        (
            SHCP | {"clock": "reply"},
            "clock",
            "shcp has no 'reply', only match, first-contact, answer, response, follow-up, resources",
        ),
        (SHCP | {"zone": "America/New_York"}, "zone", "not permitted"),
    ],
)
def test_what_cannot_be_answered_is_named_by_its_field(question: Any, field: str, why: str) -> None:
    with pytest.raises(Unanswerable) as caught:
        asked(question)

    assert caught.value.field == field
    assert why in caught.value.why


@pytest.mark.parametrize("line", [b"nope", b"{", b'{"due": \xff}', b"[" * 100_000, b"1" * 5000, b'"\\ud800"'])
def test_what_is_no_json_is_told_so(line: bytes) -> None:
    with pytest.raises(Unanswerable, match="JSON"):
        answer(line, no_folder)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
BEFORE, AFTER = datetime(1999, 12, 31), datetime(2101, 1, 2)  # noqa: DTZ001  they are local
TIMES = st.datetimes(BEFORE, AFTER, timezones=st.sampled_from([None, UTC])).map(datetime.isoformat)
PAUSES = st.fixed_dictionaries({"from": TIMES}, optional={"to": TIMES})
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "due": st.sampled_from([H, H | {"holidays_as_weekend": True}, W, W | {"days": 250}, OFFICE]),
    "zone": st.sampled_from(["America/New_York", "Australia/Lord_Howe", "America/Vancouver"]),
    "calendar": st.sampled_from([CALIFORNIA, {"country": "CA"}, {"country": "DE", "subdivision": "BY"}]),
    "received_at": TIMES,
    "pauses": st.lists(PAUSES, max_size=2),
}


@given(question=st.fixed_dictionaries(FIELDS), wrong=st.dictionaries(st.sampled_from(list(FIELDS)), ANY, max_size=1))
def test_whatever_is_asked_is_answered_or_its_fault_is_named(question: dict[str, Any], wrong: dict[str, Any]) -> None:
    try:
        said = asked(question | wrong).as_json()
    except Unanswerable as fault:
        said = {"error": fault.why}

    assert json.dumps(said)
    assert said.get("sentence") or said.get("error")


def test_what_counts_as_a_request_is_what_the_monitor_takes_for_one() -> None:
    assert what_if.REQUESTS == moments.REQUESTS
