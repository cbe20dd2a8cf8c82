"""When a coordinator is told, and what such a message says."""

import re
from datetime import UTC, date, datetime, time, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from notifier.domain.hours import ContactHours
from notifier.domain.notices import GATHERED, Notice, Pace, Told, Untold, notice_due
from notifier.repository.notices import Count, Late
from notifier.sends.coordinators import OTHER, WORDS, Waiting, write
from notifier.sends.letters import Sender
from peerline.programme import Programme, read_programmes
from peerline.texts import TELLING_WORDS

PROGRAMMES = list(read_programmes(Path(__file__).parents[3] / "deploy" / "programmes").values())
HOURS = ContactHours(time(8), time(20), frozenset(range(1, 8)), ZoneInfo("America/New_York"))
NOON = datetime(2026, 6, 9, 16, 0, tzinfo=UTC)
NIGHT = datetime(2026, 6, 9, 6, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PACE = Pace()
LATE = Late(NIGHT, NIGHT + 90 * MINUTE, NOON, NOON)


def test_what_is_urgent_is_told_at_once_also_at_night() -> None:
    assert notice_due(Untold(is_urgent=True, since=NIGHT), Told(), HOURS, PACE, NIGHT) is Notice.URGENT


def test_a_second_urgent_message_waits_until_the_first_is_a_quarter_of_an_hour_old() -> None:
    untold = Untold(is_urgent=True, since=NIGHT)
    told = Told(urgent_at=NIGHT)

    assert notice_due(untold, told, HOURS, PACE, NIGHT + PACE.urgent_every - MINUTE) is None
    assert notice_due(untold, told, HOURS, PACE, NIGHT + PACE.urgent_every) is Notice.URGENT


def test_the_rest_is_told_in_contact_hours_once_it_was_gathered() -> None:
    untold = Untold(is_urgent=False, since=NOON)

    assert notice_due(untold, Told(), HOURS, PACE, NOON + GATHERED - MINUTE) is None
    assert notice_due(untold, Told(), HOURS, PACE, NOON + GATHERED) is Notice.DIGEST
    assert notice_due(Untold(is_urgent=False, since=NIGHT - GATHERED), Told(), HOURS, PACE, NIGHT) is None


@pytest.mark.parametrize(("last", "due"), [(date(2026, 6, 9), None), (date(2026, 6, 8), Notice.DIGEST)])
def test_there_is_one_digest_a_day_of_the_programmes_zone(last: date, due: Notice | None) -> None:
    untold = Untold(is_urgent=False, since=NOON - timedelta(hours=3))

    assert notice_due(untold, Told(digest_on=last), HOURS, PACE, NOON) is due


def said(programme: Programme, kind: Notice, *counts: Count) -> EmailMessage:
    sender = Sender("hello@mail.example", "https://pages.example")
    letter = write(kind, Waiting(counts), programme, sender, message_id="1f", at=NOON)
    mail = message_from_bytes(letter.content, policy=default)
    assert isinstance(mail, EmailMessage)
    return mail


@pytest.mark.parametrize("programme", PROGRAMMES, ids=[programme.id for programme in PROGRAMMES])
@pytest.mark.parametrize("kind", Notice)
def test_no_message_to_a_coordinator_tells_a_bystander_what_it_is_about(programme: Programme, kind: Notice) -> None:
    counts = [Count(each, 2, timedelta(hours=5)) for each in [*WORDS, "of-tomorrow"]]
    mail = said(programme, kind, *counts, Count("deadline-breached", 2, timedelta(hours=5), LATE))
    plain, html = (str(part.get_content()) for name in ("plain", "html") if (part := mail.get_body((name,))))

    outside = " ".join(str(mail[name]) for name in ("From", "To", "Subject"))
    assert TELLING_WORDS.findall(outside + plain + re.sub(r"<[^>]+>", "", html)) == []
    assert mail["Subject"] == programme.texts.subject
    assert programme.coordinator.phone in plain
    assert f"2 × {OTHER} (the oldest for 5 h)" in plain


@pytest.mark.parametrize(
    ("late", "times"),
    [
        (LATE, "due Tue 09 Jun 02:00 EDT to Tue 09 Jun 03:30 EDT, noticed Tue 09 Jun 12:00 EDT"),
        (Late(NIGHT, NIGHT, NOON, NOON), "due Tue 09 Jun 02:00 EDT, noticed Tue 09 Jun 12:00 EDT"),
    ],
    ids=["several", "one"],
)
def test_a_breach_that_was_noticed_late_is_told_with_both_times_on_the_programmes_wall(late: Late, times: str) -> None:
    [shcp] = [programme for programme in PROGRAMMES if programme.id == "shcp"]

    mail = said(shcp, Notice.URGENT, Count("deadline-breached", 3, timedelta(hours=5), late))

    body = mail.get_body(("plain",))
    assert body is not None
    assert f"which were noticed late: {times} (the oldest for 5 h)" in " ".join(str(body.get_content()).split())
