"""Reports of a monitor that runs on Kafka and PostgreSQL, against a reckoning that knows nothing of it."""

import asyncio
import csv
import io
import json
import sys
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from peerline.cloudevents import headers_of
from peerline.events import Event, Topic
from peerline_local.commands import events, report
from sla_monitor.main import service as monitor
from sla_monitor.settings import Settings

from tests.support import independent_report
from tests.support.history import History
from tests.support.inside import reach_of
from tests.support.promises import SHCP, a_clock
from tests.support.workplace import Running, Workplace, until

MATCH, FIRST_CONTACT, RESPONSE = (
    a_clock("match", firmness="promised"),
    a_clock("first-contact"),
    a_clock("response", ["contact-attempted"], ["contact-made"], firmness="internal"),
)
BUSY, QUIET = "2026-03", "2026-04"


@pytest.fixture
async def service(workplace: Workplace, tmp_path: Path) -> AsyncIterator[Running]:
    """A monitor of SHCP with three clocks, each due after a day."""
    programme = SHCP | {"clocks": [MATCH, FIRST_CONTACT, RESPONSE]}
    (tmp_path / "shcp.yaml").write_text(yaml.safe_dump(programme))
    described = monitor(workplace.settings(Settings, "sla-monitor", programmes=tmp_path))
    async with workplace.running(described) as running:
        yield running


def histories() -> tuple[History, History]:
    """A busy month, whose last evening is the next month's in UTC, and one that begins at midnight and has little."""
    busy = History(datetime(2026, 3, 26, 0, 30, tzinfo=UTC)).kept(25).missed(13).refuted(12)
    return busy, History(datetime(2026, 4, 1, 4, 0, tzinfo=UTC)).kept(12).missed(3)


async def hand_in(place: Workplace, happened: Sequence[Event]) -> None:
    for topic in {event.topic for event in happened}:
        now = datetime.now(UTC)
        records = [
            (str(e.referral_id).encode(), e.body(), headers_of(e, source="/peerline/test", time=now, traceparent=None))
            for e in happened
            if e.topic is topic
        ]
        await place.produce(topic, *records)


async def happen(place: Workplace, service: Running, *months: History) -> None:
    """What was known first, then the requests, and what was learnt only when their clocks had run out."""
    kept, missed, refuted = (sum(month.parts[part] for month in months) for part in ("kept", "missed", "refuted"))
    await hand_in(place, [event for month in months for event in month.known])
    stopped = {"match": kept, "first-contact": kept, "response": kept}
    await until(lambda: is_so(service, "stopped_at IS NOT NULL", stopped), what="stops", seconds=60)
    await hand_in(place, [event for month in months for event in month.requests])
    breached = dict.fromkeys(("match", "first-contact"), missed + refuted)
    await until(lambda: is_so(service, "outcome = 'breached'", breached), what="breaches", seconds=60)
    await hand_in(place, [event for month in months for event in month.learnt])
    waited = {"match": kept + missed + refuted, "first-contact": kept + refuted, "response": kept}
    await until(lambda: is_so(service, "waited IS NOT NULL", waited), what="stops that were learnt", seconds=60)
    await until(lambda: is_told(service), what="an empty outbox", seconds=60)


async def is_so(service: Running, condition: str, wanted: dict[str, int]) -> bool:
    """Whether so many clocks of each kind are so."""
    rows = await service.fetch(f"SELECT kind, count(*) AS number FROM clock WHERE {condition} GROUP BY kind")  # noqa: S608
    return Counter({row["kind"]: row["number"] for row in rows}) == Counter(wanted)


async def is_told(service: Running) -> bool:
    return not await service.fetch("SELECT 1 FROM outbox")


async def rows_of(service: Running, from_: str = BUSY, to: str = QUIET) -> list[dict[str, Any]]:
    answer = await service.client.get("/v1/reports", params={"programme": "shcp", "from": from_, "to": to})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["rows"])


async def independent_rows(place: Workplace, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What the script makes of what `peerline events --json` prints."""
    capsys.readouterr()
    topics = [f"{place.prefix}{topic}" for topic in Topic if topic is not Topic.ADVERSE_EVENTS]
    await events.show(place.servers.bootstrap, topics, follow=False, as_json=True)
    script = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", independent_report.__file__, "shcp", "America/New_York"), stdin=PIPE, stdout=PIPE
    )
    written, _ = await script.communicate(capsys.readouterr().out.encode())
    assert script.returncode == 0
    return [json.loads(line) for line in written.splitlines()]


def in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row | {"hidden": sorted(row["hidden"])} for row in rows]


async def test_a_report_equals_a_reckoning_from_the_events_alone_also_when_cases_are_forgotten(
    workplace: Workplace, service: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    busy, quiet = histories()
    await happen(workplace, service, busy, quiet)

    before = await rows_of(service)
    reckoned = await independent_rows(workplace, capsys)
    await hand_in(workplace, busy.forgetting() + quiet.forgetting())
    left = len(busy.requests[1::2] + quiet.requests[1::2])
    await until(lambda: is_so(service, "kind = 'match'", {"match": left}), what="cases to be forgotten", seconds=60)
    after = await rows_of(service)

    assert in_order(before) == reckoned
    assert after == before
    assert [(row["month"], row["clock"]) for row in before] == [
        (month, clock) for month in (BUSY, QUIET) for clock in ("first-contact", "match", "response")
    ]


async def test_a_report_counts_by_month_and_clock_and_hides_small_numbers(
    workplace: Workplace, service: Running
) -> None:
    await happen(workplace, service, *histories())

    rows = {(row["month"], row["clock"]): row for row in await rows_of(service)}

    match, contact, few = rows[BUSY, "match"], rows[BUSY, "first-contact"], rows[QUIET, "match"]
    assert (match["decided"], match["met"], match["breached"], match["corrected"]) == (50, 25, 13, 12)
    assert (match["in_time_percent"], match["target_percent"], match["hidden"]) == (74.0, None, ["late_noticed"])
    assert (match["entry_p50_minutes"], match["entry_p90_minutes"]) == (8, 17)
    assert (match["reported_p50_hours"], match["reported_p90_hours"]) == (72, 336)
    assert (contact["reported_p50_hours"], few["reported_p50_hours"]) == (72, None)
    assert (contact["target_percent"], contact["in_time_percent"]) == (90, 74.0)
    assert (few["decided"], few["met"], few["breached"], few["in_time_percent"]) == (15, None, None, None)
    assert {"met", "breached", "corrected"} <= set(few["hidden"])


async def test_breaches_that_were_noticed_late_are_counted_among_the_breached_also_when_cases_are_forgotten(
    workplace: Workplace, service: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    away = History(datetime(2026, 3, 2, 12, 0, tzinfo=UTC)).kept(25).missed(13).refuted(12)
    entered_late = History(datetime(2026, 3, 16, 12, 0, tzinfo=UTC), entered_at=datetime.now(UTC)).missed(12)
    await happen(workplace, service, away, entered_late)

    before = await rows_of(service, BUSY, BUSY)
    reckoned = await independent_rows(workplace, capsys)
    await hand_in(workplace, away.forgetting() + entered_late.forgetting())
    await until(lambda: is_so(service, "kind = 'match'", {"match": 25 + 6}), what="cases to be forgotten", seconds=60)
    after = await rows_of(service, BUSY, BUSY)

    match = next(row for row in before if row["clock"] == "match")
    assert in_order(before) == reckoned
    assert after == before
    assert (match["breached"], match["late_noticed"]) == (25, 13)


async def test_a_month_without_anything_looks_like_one_with_ten(workplace: Workplace, service: Running) -> None:
    await happen(workplace, service, History(datetime(2026, 4, 1, 4, 0, tzinfo=UTC)).kept(10))

    ten, none = (await rows_of(service, QUIET, QUIET), await rows_of(service, "2026-05", "2026-05"))

    assert [row | {"month": "2026-05"} for row in ten] == none
    assert [row["clock"] for row in none] == ["first-contact", "match", "response"]


async def test_the_same_report_is_a_table_for_spreadsheets_and_a_command(
    workplace: Workplace, service: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    await happen(workplace, service, *histories())
    asked = {"programme": "shcp", "from": BUSY, "to": QUIET}
    rows = await rows_of(service)

    answer = await service.client.get("/v1/reports.csv", params=asked)
    await report.show(reach_of(workplace, service), asked, as_json=False, as_csv=True)
    printed = capsys.readouterr().out
    await report.show(reach_of(workplace, service), asked, as_json=True, as_csv=False)
    as_json = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    await report.show(reach_of(workplace, service), asked, as_json=False, as_csv=False)
    table = capsys.readouterr().out

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert [cells_of(row) for row in csv.DictReader(io.StringIO(answer.text))] == [row_as_cells(row) for row in rows]
    assert printed.splitlines() == answer.text.splitlines()
    assert as_json == rows
    assert [line.split()[:3] for line in table.splitlines()[1:]] == [
        [r["month"], r["clock"], r["firmness"]] for r in rows
    ]


def cells_of(row: dict[str, str]) -> dict[str, str]:
    assert row.pop("programme") == "shcp"
    return row


def row_as_cells(row: dict[str, Any]) -> dict[str, str]:
    told = {name: "" if figure is None else str(figure) for name, figure in row.items() if name != "hidden"}
    return told | dict.fromkeys(row["hidden"], "hidden")


async def test_what_is_not_known_or_no_month_is_refused_by_name(workplace: Workplace, service: Running) -> None:
    async def refused(path: str = "/v1/reports", token: str = "", **asked: str) -> tuple[int, str, str | None]:
        params = {"programme": "shcp", "from": BUSY, "to": QUIET} | asked
        headers = {"authorization": f"Bearer {token or workplace.tokens['operator']}"}
        problem = (await service.client.get(path, params=params, headers=headers)).json()
        return problem["status"], problem["code"], problem.get("field")

    assert await refused(programme="acme") == (404, "unknown-programme", None)
    assert await refused("/v1/reports.csv", programme="acme") == (404, "unknown-programme", None)
    assert await refused(to="2026-13") == (422, "wrong-value", "query.to")
    assert await refused(**{"from": "2026"}) == (422, "wrong-value", "query.from")
    assert await refused(to="2026-02") == (422, "wrong-value", "to")
    assert await refused(to="2031-03") == (422, "wrong-value", "to")
    assert await refused(token="somebody else's") == (401, "no-valid-token", None)
    assert await refused("/v1/reports.csv", token="somebody else's") == (401, "no-valid-token", None)
