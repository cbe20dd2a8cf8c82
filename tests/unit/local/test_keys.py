"""The stack's weekly keys: there ahead of their week, kept as long as topics need them, then destroyed."""

import json
from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from peerline.compartments import Origin
from peerline.events import Audience
from peerline.sealing import Opener, Sealer, Unreadable
from peerline_local import keys
from peerline_local.home import Home

SUNDAY_NIGHT = datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC)
MONDAY = SUNDAY_NIGHT + timedelta(seconds=1)
KEPT_ON_TOPICS = timedelta(days=35)
REFERRAL = UUID(int=7)


def sealed(public: Path, at: datetime) -> str:
    sealer = Sealer(json.loads(public.read_text()))
    return sealer.seal(Audience.DESK, Origin(door="phone"), referral_id=REFERRAL, event_type="referral-created", now=at)


def opens(home: Home, compartment: str) -> bool:
    opener = Opener(json.loads(keys.opening_keys(home, "desk").read_text()))
    try:
        opener.open(compartment, Origin, referral_id=REFERRAL, event_type="referral-created")
    except Unreadable:
        return False
    return True


def kid_of(compartment: str) -> str:
    """The key with which this was sealed."""
    header = compartment.partition(".")[0]
    return str(json.loads(urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"])


def test_a_week_has_its_own_key_from_its_first_second_without_another_rotation(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    public = keys.sealing_keys(home, SUNDAY_NIGHT)

    before, after = sealed(public, SUNDAY_NIGHT), sealed(public, MONDAY)

    assert (kid_of(before), kid_of(after)) == ("desk.2026-W47", "desk.2026-W48")


def test_whoever_starts_before_or_after_a_rotation_opens_what_is_sealed_after_or_before_it(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    old_public = tmp_path / "old.json"
    old_public.write_text(keys.sealing_keys(home, SUNDAY_NIGHT).read_text())
    old_private = keys.opening_keys(home, "desk").read_text()

    new_public = keys.sealing_keys(home, MONDAY)
    by_old_writer, by_new_writer = sealed(old_public, MONDAY), sealed(new_public, MONDAY)

    assert opens(home, by_old_writer)
    assert opens(home, by_new_writer)
    keys.opening_keys(home, "desk").write_text(old_private)
    assert opens(home, by_new_writer)


@pytest.mark.parametrize("second_of_week", [0, 3 * 86_400, 7 * 86_400 - 1])
def test_a_key_lives_as_long_as_its_topic_and_a_week_more_and_is_then_destroyed(
    tmp_path: Path, second_of_week: int
) -> None:
    home = Home.at(tmp_path)
    at = MONDAY + timedelta(seconds=second_of_week)
    compartment = sealed(keys.sealing_keys(home, at), at)

    end_of_week = MONDAY + timedelta(weeks=1)
    keys.sealing_keys(home, at + KEPT_ON_TOPICS)
    while_on_topic = opens(home, compartment)
    keys.sealing_keys(home, end_of_week + timedelta(days=42) - timedelta(seconds=1))
    at_the_last = opens(home, compartment)
    keys.sealing_keys(home, end_of_week + timedelta(days=42))

    assert while_on_topic
    assert at_the_last
    assert not opens(home, compartment)


def test_a_year_of_weekly_rotations_never_lacks_a_key(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    sent: list[tuple[datetime, str]] = []

    for week in range(54):  # past a year's end, whose last week is the first of the next
        now = SUNDAY_NIGHT + timedelta(weeks=week)
        sent.append((now, sealed(keys.sealing_keys(home, now), now)))
        assert all(opens(home, each) for at, each in sent if now - at <= KEPT_ON_TOPICS)
        assert len(json.loads(keys.opening_keys(home, "desk").read_text())["keys"]) <= 15
