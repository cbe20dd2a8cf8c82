"""What the monitor does not record of pauses and recalculations, and from whom."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from peerline_local.commands import clock as command
from peerline_local.errors import StackError
from sla_monitor.main import service as monitor
from sla_monitor.settings import Settings

from tests.support.inside import reach_of
from tests.support.pausing import (
    AWAY,
    DAY,
    HOUR,
    SECOND,
    TWO_WORKING_DAYS,
    created,
    install,
    install_in_seconds,
    post,
    recorded,
    told,
)
from tests.support.promises import a_clock, logged
from tests.support.workplace import Running, Workplace, until


@pytest.fixture
def programmes(tmp_path: Path) -> Path:
    return install_in_seconds(tmp_path / "programmes")


async def test_what_cannot_be_recorded_is_refused_by_the_name_of_the_field(
    workplace: Workplace, service: Running, programmes: Path
) -> None:
    now = datetime.now(UTC)
    referral = created(programmes, now)
    await workplace.publish(referral)
    await told(workplace, referral.referral_id, 1)
    good: dict[str, Any] = {"code": AWAY, "begins_at": now}
    known = (await recorded(service, referral.referral_id, "pauses", **good))["pause_id"]
    asked: list[tuple[str, dict[str, Any]]] = [
        ("pauses", good | {"ends_at": now - SECOND}),
        (f"pauses/{known}", {"ends_at": now - SECOND}),
        ("pauses", good | {"clock": "lunch"}),
        ("pauses", good | {"code": "Dr. Lark is away"}),
        ("pauses", {"code": AWAY, "begins_at": now.replace(tzinfo=None)}),
        ("pauses", {"code": AWAY, "begins_at": 5}),
        ("pauses", {"code": AWAY}),
        ("pauses", good | {"reason": "x"}),
    ]

    answers = [await post(service, referral.referral_id, path, **given) for path, given in asked]

    assert [(each.status_code, each.json()["code"], each.json().get("field")) for each in answers] == [
        (422, "ends-before-it-begins", "ends_at"),
        (422, "ends-before-it-begins", "ends_at"),
        (422, "unknown-clock", "clock"),
        (422, "wrong-value", "code"),
        (422, "wrong-value", "begins_at"),
        (422, "wrong-value", "begins_at"),
        (422, "missing-field", "begins_at"),
        (422, "wrong-value", "reason"),
    ]
    assert not any("Lark" in each.text for each in answers)


async def test_nothing_is_recorded_of_a_case_that_is_unknown_or_closed_nor_of_an_unknown_pause(
    workplace: Workplace, service: Running, programmes: Path
) -> None:
    now = datetime.now(UTC)
    referral, over = created(programmes, now), created(programmes, now)
    await workplace.publish(referral, over, logged(over.referral_id, "closed", now))
    await told(workplace, over.referral_id, 1)
    await told(workplace, referral.referral_id, 1)
    await until(lambda: _is_closed(service, over.referral_id), what="the case to be closed", seconds=60)
    asked: list[tuple[UUID, str, dict[str, Any]]] = [
        (uuid4(), "pauses", {"code": AWAY, "begins_at": now}),
        (uuid4(), "recalculation", {"code": AWAY}),
        (over.referral_id, "pauses", {"code": AWAY, "begins_at": now}),
        (over.referral_id, "recalculation", {"code": AWAY}),
        (referral.referral_id, f"pauses/{uuid4()}", {"ends_at": now}),
    ]

    answers = [await post(service, referral_id, path, **given) for referral_id, path, given in asked]

    assert [(each.status_code, each.json()["code"]) for each in answers] == [
        (404, "unknown-case"),
        (404, "unknown-case"),
        (409, "case-closed"),
        (409, "case-closed"),
        (404, "unknown-pause"),
    ]
    assert [row[0] for row in await service.fetch("SELECT count(*) FROM referral")] == [2]
    with pytest.raises(StackError, match="404 unknown-case"):
        await command.record(reach_of(workplace, service), f"{uuid4()}/recalculation", {"code": AWAY})


async def _is_closed(service: Running, referral_id: UUID) -> bool:
    return bool(
        await service.fetch("SELECT FROM referral WHERE referral_id = $1 AND closed_at IS NOT NULL", referral_id)
    )


async def test_only_a_coordinator_records_pauses_and_a_key_names_the_same_pause_again(
    workplace: Workplace, service: Running, programmes: Path
) -> None:
    referral = created(programmes, datetime.now(UTC))
    await workplace.publish(referral)
    await told(workplace, referral.referral_id, 1)
    path, keyed = f"/v1/cases/{referral.referral_id}/pauses", {"idempotency-key": "call-1"}
    given = [{"code": AWAY, "begins_at": datetime.now(UTC).isoformat(), "clock": "first-contact"} for _ in range(2)]
    operator = {"authorization": f"Bearer {workplace.tokens['operator']}"}

    refused = [
        (await service.client.post(each, json=given[0], headers=headers)).status_code
        for each in (path, f"{path}/{uuid4()}", f"/v1/cases/{referral.referral_id}/recalculation")
        for headers in (operator, {"authorization": "Bearer x"})
    ]
    taken = [(await service.client.post(path, json=each, headers=keyed)).json() for each in given]

    assert refused == [403, 401] * 3
    assert taken[0] == taken[1]
    assert len(taken[0]["pauses"]) == 1


async def test_a_pause_that_leads_to_a_year_without_days_off_is_refused_and_leaves_nothing(
    workplace: Workplace, tmp_path: Path
) -> None:
    folder = install(tmp_path / "programmes", a_clock("match", firmness="promised", due=TWO_WORKING_DAYS))
    referral, begins = created(folder, datetime.now(UTC)), datetime.now(UTC) + HOUR
    async with workplace.running(monitor(workplace.settings(Settings, "sla-monitor", programmes=folder))) as running:
        await workplace.publish(referral)
        await told(workplace, referral.referral_id, 1)

        answer = await post(
            running, referral.referral_id, "pauses", code=AWAY, begins_at=begins, ends_at=begins + 1200 * DAY
        )
        kept = await running.client.get(f"/v1/cases/{referral.referral_id}/clocks")

    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (
        422,
        "calendar-without-the-year",
        "ends_at",
    )
    assert kept.json()["pauses"] == []
