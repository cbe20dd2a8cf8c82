"""The list of open clocks on a real database: what is in it, page by page, and what it costs."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
import yaml
from chassis.database import Connection
from peerline.events import Event
from peerline_local.commands import deadlines
from peerline_local.errors import StackError
from sla_monitor.main import service as monitor
from sla_monitor.repository import standings
from sla_monitor.settings import Settings

from tests.support.inside import reach_of
from tests.support.promises import SHCP, a_clock, created, logged, matched, released
from tests.support.workplace import Running, Workplace, until

CLOCKS = (
    a_clock("match", firmness="promised"),
    a_clock("answer", ["supporter-notified"], ["supporter-accepted"], warn_before="PT24H"),
)
NOW = datetime.now(UTC).replace(microsecond=0)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def service(workplace: Workplace, tmp_path: Path) -> AsyncIterator[Running]:
    """A monitor of two programmes, with clocks that are due after a day."""
    for name in ("shcp", "other"):
        programme = SHCP | {"id": name, "organisation": name, "clocks": list(CLOCKS)}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(programme))
    described = monitor(workplace.settings(Settings, "sla-monitor", programmes=tmp_path))
    async with workplace.running(described) as running:
        yield running


def of_another(event: Event) -> Event:
    return event.model_copy(update={"programme": event.programme.model_copy(update={"id": "other"})})


async def listed(service: Running, **asked: Any) -> dict[str, Any]:
    answer = await service.client.get("/v1/deadlines", params={"programme": "shcp"} | asked)
    assert answer.status_code == 200, answer.text
    return cast(dict[str, Any], answer.json())


async def shown(service: Running, **asked: Any) -> list[tuple[UUID, str, int | None, str, bool]]:
    found = (await listed(service, **asked))["deadlines"]
    return [(UUID(c["referral_id"]), c["clock"], c["attempt"], c["state"], c["overdue"]) for c in found]


async def test_open_clocks_are_listed_the_earliest_due_first_and_those_that_ended_are_not(
    workplace: Workplace, service: Running
) -> None:
    overdue, running, done, closed, twice, elsewhere = (uuid4() for _ in range(6))
    expected = [
        (overdue, "match", None, "breached", True),
        (running, "match", None, "running", False),
        (twice, "match", None, "running", False),
        (twice, "answer", 2, "approaching", False),
    ]

    await workplace.publish(
        created(overdue, NOW - 2 * DAY),
        created(closed, NOW - 3 * DAY),
        created(done, NOW - 3 * HOUR),
        created(running, NOW - 2 * HOUR),
        created(twice, NOW - HOUR),
        of_another(created(elsewhere, NOW)),
        matched(done, NOW),
        released(twice, NOW),
        logged(twice, "supporter-notified", NOW - HOUR, 1),
        logged(twice, "supporter-notified", NOW, 2),
        logged(closed, "closed", NOW),
    )

    async def is_listed() -> bool:
        return await shown(service) == expected

    await until(is_listed, what="the open clocks", seconds=60)
    assert await shown(service, due_before=(NOW + 22 * HOUR).isoformat()) == expected[:1]
    assert await shown(service, due_before=(NOW + 23 * HOUR).isoformat()) == expected[:2]


async def test_pages_follow_each_other_without_a_gap_or_a_repeat_also_among_equal_due_times(
    workplace: Workplace, service: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    await workplace.publish(*(created(uuid4(), NOW - (number % 3) * HOUR) for number in range(11)))
    await until(lambda: _is_full(service, 11), what="the open clocks", seconds=60)

    pages = [await listed(service, limit=2)]
    while pages[-1]["next"]:
        pages.append(await listed(service, limit=2, after=pages[-1]["next"]))
    whole = await listed(service)
    await deadlines.show(reach_of(workplace, service), "shcp", None, as_json=True)

    assert [clock for page in pages for clock in page["deadlines"]] == whole["deadlines"]
    assert [len(page["deadlines"]) for page in pages] == [2, 2, 2, 2, 2, 1]
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == whole["deadlines"]


async def _is_full(service: Running, number: int) -> bool:
    return len((await listed(service))["deadlines"]) == number


async def test_the_command_says_when_a_clock_is_due_and_what_is_wrong_with_a_question(
    workplace: Workplace, service: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    referral_id, received = uuid4(), NOW - 2 * DAY
    await deadlines.show(reach_of(workplace, service), "shcp", None, as_json=False)
    await workplace.publish(created(referral_id, received))

    async def is_breached() -> bool:
        return await shown(service) == [(referral_id, "match", None, "breached", True)]

    await until(is_breached, what="the breach", seconds=60)
    await deadlines.show(reach_of(workplace, service), "shcp", None, as_json=False)
    with pytest.raises(StackError, match=r"422 wrong-value \(query\.due_before\)"):
        await deadlines.show(reach_of(workplace, service), "shcp", "soon", as_json=False)

    assert capsys.readouterr().out.splitlines() == [
        "Nobody waits for anything",
        f"{received + DAY:%Y-%m-%d %H:%M}Z  breached overdue  match (promised)  {referral_id}",
    ]


@pytest.mark.parametrize(
    "after", ["x", "é", "bnVsbA==", "WyIyMDI2IiwgMSwgMiwgM10=", "WyIyMDI2LTAxLTAxVDAwOjAwOjAwWiJd"]
)
async def test_a_place_that_no_page_has_named_is_refused(service: Running, after: str) -> None:
    answer = await service.client.get("/v1/deadlines", params={"programme": "shcp", "after": after})

    assert (answer.status_code, answer.json()["field"]) == (422, "after")


async def test_only_operators_and_coordinators_see_the_list_and_only_of_a_known_programme(service: Running) -> None:
    nobody = await service.client.get("/v1/deadlines?programme=shcp", headers={"authorization": "Bearer x"})
    unknown = await service.client.get("/v1/deadlines?programme=acme")

    assert (nobody.status_code, unknown.status_code) == (401, 404)


class Explaining:
    """A connection that says what a statement costs instead of what it finds."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.plan: dict[str, Any] = {}

    async def fetch(self, query: str, *values: Any) -> list[Any]:
        said = await self._connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}", *values)
        self.plan = json.loads(said)[0]["Plan"]
        return []

    @property
    def pages(self) -> int:
        """Pages of 8 kB that were looked at."""
        return int(self.plan["Shared Hit Blocks"] + self.plan["Shared Read Blocks"])


_FILL = """
    WITH made AS (
        INSERT INTO referral (referral_id, closed_at)
        SELECT gen_random_uuid(), CASE WHEN $1 THEN now() END FROM generate_series(1, $2::int) RETURNING referral_id
    )
    INSERT INTO clock (referral_id, kind, begun, due_at, open_due_at, programme_id, starts_at, firmness, approached, verdict,
                       corrected, month, entered_after)
    SELECT referral_id, 'match', true, due_at, CASE WHEN NOT $1 THEN due_at END, 'shcp', due_at - interval '1 day',
           'promised', true, CASE WHEN $1 THEN 'breached' END, false, date_trunc('month', due_at), 0
      FROM (SELECT referral_id, now() + random() * interval '1 day' AS due_at FROM made) AS due
"""
"""So many clocks of cases that are closed (and were breached), or open."""


async def test_what_a_page_costs_does_not_grow_with_the_clocks_that_are_closed(service: Running) -> None:
    place = standings.Place(NOW + 12 * HOUR, UUID(int=0), "match", 0)

    async def cost() -> list[Explaining]:
        async with service.transactions.pool.acquire() as connection:
            await connection.execute("VACUUM ANALYZE clock")
            asked = [Explaining(connection), Explaining(connection)]
            for explaining, after in zip(asked, (None, place), strict=True):
                inside = cast(Connection, explaining)
                await standings.open_clocks(inside, "shcp", before=None, after=after, limit=100)
        return asked

    await service.fetch(_FILL, False, 1000)
    few = await cost()
    await service.fetch(_FILL, True, 50_000)
    many = await cost()

    assert [each.plan["Plans"][0]["Index Name"] for each in many] == ["clock_open", "clock_open"]
    assert [after.pages <= before.pages + 10 for before, after in zip(few, many, strict=True)] == [True, True]
