"""Compartments open for their audience, in their place, and for nobody else."""

import base64
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peerline.compartments import ContactProfile
from peerline.events import Audience
from peerline.sealing import STEP, Opener, Sealer, Unreadable, epoch_of, key_set, new_key

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
REFERRAL = UUID(int=7)
PERSON = ContactProfile(name="Ada Quillfeather", email="ada@example.org")
KEY = new_key("notifier", NOW)
SEALER = Sealer(key_set([KEY], private=False))
OPENER = Opener(key_set([KEY], private=True))


def sealed(content: ContactProfile = PERSON, *, now: datetime = NOW, sealer: Sealer = SEALER) -> str:
    return sealer.seal(Audience.NOTIFIER, content, referral_id=REFERRAL, event_type="referral-created", now=now)


def test_an_audience_opens_what_was_sealed_for_it() -> None:
    opened = OPENER.open(sealed(), ContactProfile, referral_id=REFERRAL, event_type="referral-created")

    assert opened == PERSON


@pytest.mark.parametrize(
    ("referral", "event_type"), [(UUID(int=8), "referral-created"), (REFERRAL, "referral-amended")]
)
def test_a_compartment_that_was_moved_does_not_open(referral: UUID, event_type: str) -> None:
    with pytest.raises(Unreadable, match="moved"):
        OPENER.open(sealed(), ContactProfile, referral_id=referral, event_type=event_type)


def test_another_audiences_key_does_not_open() -> None:
    stranger = Opener(key_set([new_key("desk", NOW)], private=True))

    with pytest.raises(Unreadable, match="no-key"):
        stranger.open(sealed(), ContactProfile, referral_id=REFERRAL, event_type="referral-created")


@given(st.text(max_size=300))
@settings(max_examples=50)
def test_whatever_is_not_a_compartment_is_unreadable_and_never_another_error(text: str) -> None:
    with pytest.raises(Unreadable):
        OPENER.open(text, ContactProfile, referral_id=REFERRAL, event_type="referral-created")


@given(st.integers(0, 2000))
@settings(max_examples=50)
def test_a_damaged_compartment_is_unreadable(place: int) -> None:
    text = sealed()
    place %= len(text)
    damaged = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]

    try:
        opened = OPENER.open(damaged, ContactProfile, referral_id=REFERRAL, event_type="referral-created")
    except Unreadable:
        return
    assert opened == PERSON  # the last character of a base64 part may carry unused bits


def test_the_length_of_a_compartment_tells_nothing_about_a_name() -> None:
    short = sealed(ContactProfile(name="Li"))
    long = sealed(ContactProfile(name="Bartholomea Quillfeather-Winterbottom"))

    assert len(short) == len(long)
    ciphertext = base64.urlsafe_b64decode(short.split(".")[3] + "==")
    assert len(ciphertext) == STEP


def test_the_header_names_audience_epoch_referral_and_event() -> None:
    header = json.loads(base64.urlsafe_b64decode(sealed().split(".")[0] + "=="))

    assert (header["kid"], header["sub"], header["evt"]) == ("notifier.2026-W47", str(REFERRAL), "referral-created")


def test_the_latest_epoch_that_has_begun_is_used() -> None:
    past, future = new_key("notifier", NOW - timedelta(weeks=3)), new_key("notifier", NOW + timedelta(weeks=1))
    sealer = Sealer(key_set([past, KEY, future], private=False))
    later = sealed(sealer=sealer, now=NOW + timedelta(days=9))

    opened = Opener(key_set([future], private=True)).open(
        later, ContactProfile, referral_id=REFERRAL, event_type="referral-created"
    )

    assert opened == PERSON
    assert (
        f'"kid":"notifier.{epoch_of(NOW)}"'
        in base64.urlsafe_b64decode(sealed(sealer=sealer).split(".")[0] + "==").decode()
    )


def test_a_sealer_needs_no_private_key() -> None:
    assert all("d" not in key for key in key_set([KEY], private=False)["keys"])


@pytest.mark.parametrize(
    ("kid", "behind"),
    [
        ("notifier.2026-W48", True),  # this week's, where we hold last week's only
        ("notifier.2026-W46", False),  # gone
        ("notifier.2026-W49", False),  # not begun: no writer can have used it rightly
        ("", False),
    ],
)
def test_a_key_is_yet_to_come_if_its_week_has_begun_and_is_later_than_all_of_ours(kid: str, behind: bool) -> None:
    opener = Opener(key_set([new_key("notifier", NOW), new_key("zoo", NOW + timedelta(weeks=9))], private=True))

    assert opener.is_behind(kid, NOW + timedelta(weeks=1)) is behind
