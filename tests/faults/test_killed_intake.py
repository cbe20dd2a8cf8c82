"""Intake is killed after a commit and before its answer; whoever asks again gets the answer that was lost."""

import base64
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from peerline.events import ReferralCreated, Topic
from standardwebhooks import Webhook

from tests.faults.killed_place import a_process, client_of, doubled_ids, named
from tests.support.killed import Child, Point
from tests.support.workplace import REPOSITORY, Workplace, until

PEOPLE = (
    "name,email,identifier_system,identifier,role\n"
    "Ada Kestrel,ada@example.org,npi,1001,physician\n"
    "Ben Heron,ben@example.org,npi,1002,physician\n"
)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A folder with the webhook secret of one incident system."""
    (tmp_path / "shcp-risk-webhook").write_text("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())
    (tmp_path / "rehearsal.secret").write_text((tmp_path / "shcp-risk-webhook").read_text())
    return tmp_path


def a_report(recorded: datetime) -> str:
    person = {"identifier": {"system": "npi", "value": "1001"}}
    return json.dumps(
        {
            "peerline": "incident-report/1",
            "incident_id": "EV-1",
            "occurred_at": recorded.isoformat(),
            "recorded_at": recorded.isoformat(),
            "actuality": "actual",
            "severity": 3,
            "participants": [person],
        }
    )


async def report(client: httpx.AsyncClient, folder: Path, body: str) -> httpx.Response:
    now, key = datetime.now(UTC), (folder / "shcp-risk-webhook").read_text()
    headers = {
        "webhook-id": "delivery-1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(key).sign("delivery-1", now, body),
        "peerline-source": "shcp-risk",
    }
    return await client.post("/v1/adverse-events", content=body, headers=headers)


async def request(client: httpx.AsyncClient, received: datetime) -> httpx.Response:
    asked: dict[str, Any] = {
        "door": "phone",
        "person": {"system": "npi", "value": "1002"},
        "received_at": received.isoformat(),
        "request_id": "call-1",
    }
    return await client.post("/v1/referrals", json=asked)


@asynccontextmanager
async def answering(place: Workplace, child: Child) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a process, once that takes what is said: its database was compared with its topic."""
    async with client_of(place, child) as client:

        async def answers() -> bool:
            try:
                checks = (await client.get("/ready")).json()["checks"]
                return bool(checks.get("restored", {}).get("ok"))
            except httpx.HTTPError:
                return False

        await until(answers, seconds=60, what="intake to answer")
        yield client


async def test_fault_01_an_answer_that_was_lost_with_intake_is_given_again_and_nothing_is_entered_twice(
    workplace: Workplace, secret: Path
) -> None:
    intake: dict[str, Any] = {"sources": REPOSITORY / "deploy" / "sources.yaml", "source_secrets": secret}
    earlier = datetime.now(UTC) - timedelta(minutes=30)
    body = a_report(earlier)

    at_the_webhook = Point("before", "intake.api.adverse_events:JSONResponse")
    at_the_request = Point("before", "intake.api.referrals:JSONResponse")

    async with (
        a_process(workplace, "intake", at_the_webhook, **intake) as dying,
        answering(workplace, dying) as client,
    ):
        loaded = await client.put("/v1/directory", content=PEOPLE, headers={"content-type": "text/csv"})
        with pytest.raises(httpx.TransportError):
            await report(client, secret, body)
        await dying.struck()
    async with (
        a_process(workplace, "intake", at_the_request, **intake) as dying,
        answering(workplace, dying) as client,
    ):
        reported = await report(client, secret, body)
        with pytest.raises(httpx.TransportError):
            await request(client, earlier)
        await dying.struck()
    async with a_process(workplace, "intake", **intake) as second, answering(workplace, second) as client:
        again = await report(client, secret, body)
        entered, entered_again = await request(client, earlier), await request(client, earlier)
        events = await workplace.wait_for(Topic.REFERRALS, lambda found: len(found) >= 2, seconds=60)
        await second.ready()

    assert loaded.json()["new"] == 2, loaded.text
    assert (reported.status_code, reported.json()["offered"]) == (202, 1)
    assert (again.status_code, again.json()) == (202, reported.json())
    assert (entered.status_code, entered.json()["outcome"]) == (201, "offered")
    assert (entered_again.status_code, entered_again.json()) == (201, entered.json())
    assert len({event.referral_id for event in named(events, ReferralCreated)}) == len(events) == 2
    assert await doubled_ids(workplace, Topic.REFERRALS) == []
