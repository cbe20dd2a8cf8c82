"""The monitor as a running service, with Kafka, PostgreSQL and HTTP."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import yaml
from peerline.events import (
    DeadlineApproaching,
    DeadlineBreached,
    DeadlineEvent,
    DeadlineMet,
    DeadlineSet,
    Event,
    MatchConfirmed,
    ReferralCreated,
    Topic,
)
from pydantic import ValidationError
from sla_monitor.settings import Settings

from tests.support.pausing import created
from tests.support.workplace import PROGRAMMES, Running, Workplace

WAIT, WARN_BEFORE = timedelta(seconds=8), timedelta(seconds=2)


@pytest.fixture
def programmes(tmp_path: Path) -> Path:
    """A folder with SHCP alone, whose match clock is due in seconds and has no other."""
    programme = yaml.safe_load((PROGRAMMES / "shcp.yaml").read_text())
    due = {"rule": "elapsed", "weekday": "PT8S", "weekend": "PT8S"}
    programme["clocks"] = [{"kind": "match", "firmness": "promised", "due": due, "warn_before": "PT2S"}]
    (tmp_path / "shcp.yaml").write_text(yaml.safe_dump(programme))
    return tmp_path


def a_match(referral: ReferralCreated, confirmed_at: datetime) -> MatchConfirmed:
    return MatchConfirmed(
        event_id=uuid4(),
        referral_id=referral.referral_id,
        programme=referral.programme,
        sequence=1,
        occurred_at=confirmed_at,
        match_id=uuid4(),
        attempt=1,
    )


def about(events: list[Event], referral_id: UUID) -> list[DeadlineEvent]:
    return [event for event in events if isinstance(event, DeadlineEvent) and event.referral_id == referral_id]


async def test_deadlines_are_set_approach_are_breached_and_corrected_on_kafka(
    workplace: Workplace, service: Running, programmes: Path
) -> None:
    kept, missed = (created(programmes, datetime.now(UTC)) for _ in range(2))
    await workplace.publish(kept, missed, a_match(kept, datetime.now(UTC)))

    await workplace.wait_for(Topic.DEADLINES, lambda found: len(about(found, missed.referral_id)) == 3)
    await workplace.publish(a_match(missed, missed.received_at + WAIT))
    events = await workplace.wait_for(Topic.DEADLINES, lambda found: len(about(found, missed.referral_id)) == 4)

    assert [type(event) for event in about(events, kept.referral_id)] == [DeadlineSet, DeadlineMet]
    told = about(events, missed.referral_id)
    assert [type(event) for event in told] == [DeadlineSet, DeadlineApproaching, DeadlineBreached, DeadlineMet]
    assert [event.sequence for event in told] == [1, 2, 3, 4]
    assert {event.due_at for event in told} == {missed.received_at + WAIT}
    assert isinstance(told[3], DeadlineMet)
    assert told[3].corrects == told[2].event_id
    assert told[1].occurred_at >= missed.received_at + WAIT - WARN_BEFORE
    assert told[2].occurred_at >= missed.received_at + WAIT


async def test_the_clocks_of_a_case_are_shown_with_a_sentence_that_explains_the_due_time(
    workplace: Workplace, service: Running, programmes: Path
) -> None:
    referral = created(programmes, datetime.now(UTC))
    await workplace.publish(referral, a_match(referral, referral.received_at))
    await workplace.wait_for(Topic.DEADLINES, lambda found: len(found) == 2)

    answer = await service.client.get(f"/v1/cases/{referral.referral_id}/clocks")

    (clock,) = answer.json()["clocks"]
    assert (clock["clock"], clock["state"], clock["firmness"]) == ("match", "met", "promised")
    assert datetime.fromisoformat(clock["due_at"]) == referral.received_at + WAIT
    assert "(America/New_York)" in clock["explanation"]
    assert "due 8 s of elapsed time later" in clock["explanation"]
    assert clock["explanation"].count(".") == 1


async def test_the_clocks_of_a_case_are_shown_to_operators_and_coordinators_only(
    workplace: Workplace, service: Running
) -> None:
    path = f"/v1/cases/{uuid4()}/clocks"
    tokens = [workplace.tokens["operator"], workplace.tokens["coordinator"], "somebody else's"]

    codes = [
        (await service.client.get(path, headers={"authorization": f"Bearer {token}"})).json()["code"]
        for token in tokens
    ]

    assert codes == ["unknown-case", "unknown-case", "no-valid-token"]


def test_a_programme_with_a_clock_that_nothing_would_start_is_refused_by_name(
    workplace: Workplace, programmes: Path
) -> None:
    programme = yaml.safe_load((programmes / "shcp.yaml").read_text())
    programme["clocks"][0] |= {"kind": "follow-up", "starts": ["closed"], "stops": ["contact-made"]}
    (programmes / "shcp.yaml").write_text(yaml.safe_dump(programme))

    with pytest.raises(ValidationError, match=r"shcp: clocks\.0\.starts: closed ends a case"):
        workplace.settings(Settings, "sla-monitor", programmes=programmes)
