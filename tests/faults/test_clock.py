"""Only the database's clock decides: services whose machine's clock is an hour off decide as if it were right."""

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import yaml
from peerline.events import (
    DeadlineBreached,
    DeadlineEvent,
    DeadlineSet,
    Event,
    MatchProposed,
    MatchReleased,
    Topic,
)
from peerline_local import keys
from peerline_local.demo.overlay import without_waiting
from peerline_local.home import Home
from peerline_local.ports import choose_port_base
from peerline_local.services import PORT_OFFSETS, SERVICES, Options
from peerline_local.stack import Stack
from standardwebhooks import Webhook

from tests.faults.test_kills import a_report, a_table, load, supporters
from tests.support.notifier_place import LINK
from tests.support.servers import Servers
from tests.support.workplace import Workplace, until

FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)
HALF_AN_HOUR = timedelta(minutes=30)
SOON = timedelta(seconds=10)  # so that it comes due while the test looks, and time itself has to decide
# As with the browser: a laptop without libfaketime passes the suite; CI installs it and must use it.
pytestmark = pytest.mark.skipif(FAKETIME is None and "CI" not in os.environ, reason="no libfaketime is installed")


@pytest.fixture(params=["+1h", "-1h"])
def shifted(stack: Servers, workplace: Workplace, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """All services as processes whose clock is wrong; Kafka, PostgreSQL and the mail server are right."""
    assert FAKETIME is not None, "libfaketime is not installed"
    programmes = tmp_path / "programmes"
    programmes.mkdir()
    shcp = without_waiting(yaml.safe_load((Path("deploy/programmes") / "shcp.yaml").read_text()))
    shcp["matching"]["answer_window"] = "PT30M"  # less than the clock is off
    (programmes / "shcp.yaml").write_text(yaml.safe_dump(shcp))
    services = [replace(each, database=f"{workplace.name}_{each.database}") for each in SERVICES]
    options = Options(
        port_base=choose_port_base(PORT_OFFSETS),
        programmes=programmes,
        extra={
            "PEERLINE_TOPIC_PREFIX": workplace.prefix,
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME": request.param,
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        },
    )
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PEERLINE_POSTGRES_URL", stack.postgres.url)
        environment.setenv("PEERLINE_KAFKA_BOOTSTRAP", stack.bootstrap)
        with Stack(Home.at(tmp_path / "home"), options, services=services, topics=lambda _bootstrap: None) as running:
            yield running


async def clock_of(installation: Stack, service: str) -> timedelta:
    """How far the clock of a service is off, by the Date of its answers."""
    async with httpx.AsyncClient(timeout=20, trust_env=False) as client:
        answer = await client.get(f"{installation.url(service)}/live")
    return parsedate_to_datetime(answer.headers["date"]) - datetime.now(UTC)


class Desk:
    """What a coordinator and an incident system do at the doors of an installation."""

    def __init__(self, installation: Stack) -> None:
        self._installation = installation
        self._coordinator = {"authorization": f"Bearer {keys.token(installation.home, 'coordinator')}"}

    async def enter(self, number: int, received_at: datetime) -> httpx.Response:
        """A call that came at this time, about a physician."""
        body = {
            "door": "phone",
            "person": {"system": "npi", "value": f"1{number:09}"},
            "received_at": received_at.isoformat(),
            "request_id": f"call-{number}-{received_at.isoformat()}",
        }
        return await self._post("intake", "/v1/referrals", json=body, headers=self._coordinator)

    async def report(self, number: int, signed_at: datetime) -> httpx.Response:
        """A report that was signed at this time."""
        body = a_report(number, datetime.now(UTC))
        secret = (self._installation.home.secrets / "sources" / "shcp-risk.secret").read_text().strip()
        name = f"msg-{signed_at.isoformat()}"
        headers = {
            "webhook-id": name,
            "webhook-timestamp": str(int(signed_at.timestamp())),
            "webhook-signature": Webhook(secret).sign(name, signed_at, body.decode()),
        }
        return await self._post("intake", "/v1/adverse-events?source=shcp-risk", content=body, headers=headers)

    async def mails(self) -> list[str]:
        async with httpx.AsyncClient(timeout=20, trust_env=False) as client:
            messages = (await client.get(f"{self._installation.mailbox_url}/messages")).json()
        return [json.dumps(message) for message in messages if "@staff.example" in str(message["to"])]

    async def _post(self, service: str, path: str, **what: object) -> httpx.Response:
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            return await client.post(f"{self._installation.url(service)}{path}", **what)  # type: ignore[arg-type]


def named(events: list[Event], kind: type[DeadlineEvent]) -> list[DeadlineEvent]:
    return [event for event in events if isinstance(event, kind) and event.clock == "match"]


@pytest.mark.timeout(240, func_only=True)
async def test_fault_30_a_clock_that_is_an_hour_off_changes_no_decision(shifted: Stack, workplace: Workplace) -> None:
    desk, began = Desk(shifted), datetime.now(UTC)
    columns = ("name", "email", "identifier", "identifier_system", "role")
    people = [(f"P {n}", f"p{n}@elsewhere.example", f"1{n:09}", "npi", "physician") for n in range(8)]
    await load(shifted, "intake", "/v1/directory", a_table(columns, people))
    await load(shifted, "matcher", "/v1/roster", supporters())
    # The promise is 24 hours, for weekends 48: whichever holds, some are due just before and some just after now.
    offs = (-HALF_AN_HOUR, SOON, HALF_AN_HOUR)
    calls = [began - timedelta(hours=hours) + off for hours in (24, 48) for off in offs]

    entered = [await desk.enter(number, at) for number, at in enumerate(calls)]
    of_tomorrow = await desk.enter(6, began + HALF_AN_HOUR)
    now = datetime.now(UTC)
    signed = [await desk.report(7, now - off) for off in (timedelta(), timedelta(hours=1), -timedelta(hours=1))]

    assert [answer.status_code for answer in entered] == [201] * 6

    async def everybody_is_asked() -> bool:
        return len(await desk.mails()) >= 7

    await until(everybody_is_asked, seconds=90, what="the mails")
    deadlines = await workplace.wait_for(
        Topic.DEADLINES, lambda found: len(named(found, DeadlineSet)) == 7, seconds=60, what="the deadlines"
    )
    late = {each.referral_id for each in named(deadlines, DeadlineSet) if each.due_at <= began + SOON}
    deadlines = await workplace.wait_for(
        Topic.DEADLINES, lambda found: len(named(found, DeadlineBreached)) >= len(late), seconds=60, what="the breaches"
    )
    await asyncio.sleep(2)  # what must not happen has had its time
    assert of_tomorrow.status_code == 422
    assert [answer.status_code for answer in signed] == [202, 401, 401]
    check_deadlines(deadlines, late)
    await check_topics(workplace, began)
    await check_links(shifted, await desk.mails())
    for service in SERVICES:
        assert abs(await clock_of(shifted, service.name)) > timedelta(minutes=50), (
            "the clock was right, so nothing was shown"
        )


def check_deadlines(deadlines: list[Event], late: set[UUID]) -> None:
    """Whoever was due by now was breached, nobody else."""
    assert 0 < len(late) < 6
    assert {each.referral_id for each in named(deadlines, DeadlineBreached)} == late


async def check_topics(place: Workplace, began: datetime) -> None:
    """What was decided is dated by the database, what stands on a topic by the broker; nobody's window is over."""
    ended = datetime.now(UTC)
    topics = (Topic.REFERRALS, Topic.MATCHES, Topic.OUTREACH, Topic.DEADLINES)
    events = [event for topic in topics for event in await place.events(topic)]
    records = [record for topic in topics for record in await place.records(topic)]
    stamps = [datetime.fromtimestamp(record.timestamp / 1000, UTC) for record in records]
    logged = [datetime.fromisoformat(dict(record.headers)["ce_time"].decode()) for record in records]
    decided = [event.occurred_at for event in events]
    second = timedelta(seconds=1)
    assert began - second < min(stamps + logged + decided)
    assert max(stamps + logged + decided) < ended + second
    assert len([event for event in events if isinstance(event, MatchProposed)]) == 7
    assert not [event for event in events if isinstance(event, MatchReleased)]


async def check_links(installation: Stack, mails: list[str]) -> None:
    """Nobody's link is over."""
    base = installation.url("notifier")
    paths = [path for mail in mails for path in LINK.findall(mail.replace(base, "http://pages.example"))]
    async with httpx.AsyncClient(timeout=20, trust_env=False) as client:
        answers = [await client.get(f"{base}{path}") for path in paths]
    assert len(answers) >= 7
    assert {answer.status_code for answer in answers} == {200}
    assert all("room" in answer.text.lower() for answer in answers)
