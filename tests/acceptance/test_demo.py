"""The main job, seen from outside: one run of the demo, and nothing of what it fed to be found elsewhere."""

import json
from datetime import UTC, datetime

import psutil
import pytest
from peerline_local.demo.comparison.mail import links
from peerline_local.demo.samples import Samples, make_samples
from peerline_local.mailbox import read_messages

from tests.acceptance.conftest import LONGEST_SECONDS, Demo

pytestmark = pytest.mark.timeout(LONGEST_SECONDS + 60)

FIELDS = {
    *("incidents", "physicians_involved", "referrals", "joined", "unresolved", "not_eligible"),
    *("matches_confirmed", "supporters_notified", "invitations_sent", "contacts_shown", "deadlines"),
    *("clocks", "quarantined", "missing", "duplicates", "wrong", "seconds"),
}


@pytest.fixture(scope="session")
def samples() -> Samples:
    """The same people as in the demo, which has the same seed; its incidents have other dates."""
    return make_samples(datetime.now(UTC))


def test_nobody_is_missed_and_nobody_is_contacted_twice(demo: Demo) -> None:
    assert demo.outcome["missing"] == []
    assert demo.outcome["duplicates"] == []
    assert demo.outcome["wrong"] == []
    assert demo.exit_code == 0, demo.progress[-2000:]


def test_the_outcome_has_every_number(demo: Demo, samples: Samples) -> None:
    outcome = demo.outcome

    assert outcome.keys() == FIELDS
    assert outcome["incidents"] == len(samples.incidents)
    assert outcome["physicians_involved"] == len(samples.offers)
    assert outcome["referrals"] + outcome["joined"] == outcome["physicians_involved"]
    assert outcome["unresolved"] == samples.strangers
    assert outcome["quarantined"] == samples.must_be_quarantined
    assert outcome["contacts_shown"] <= outcome["matches_confirmed"] <= outcome["supporters_notified"]
    assert outcome["deadlines"]["breached"] >= 1
    assert outcome["deadlines"]["set"] >= outcome["deadlines"]["met"] + outcome["deadlines"]["breached"]


def test_a_clock_of_each_kind_is_shown_with_its_explanation(demo: Demo) -> None:
    shown = {clock["clock"]: clock for clock in demo.outcome["clocks"]}
    said = " ".join(demo.progress.split())

    beginnings = {kind: clock["explanation"].split(" ")[:3] for kind, clock in shown.items()}
    assert list(shown) == ["match", "first-contact", "answer", "response", "follow-up", "resources"]
    assert {clock["state"] for clock in shown.values()} <= {"met", "breached"}  # what was keyed late is breached
    assert {kind: words[2] for kind, words in beginnings.items() if words[0] == "started"} == {
        "answer": "supporter-notified",
        "response": "contact-attempted",
        "follow-up": "contact-made",
        "resources": "resources-permitted",
    }
    for clock in shown.values():
        assert f"{clock['clock']} ({clock['firmness']}): {clock['state']}" in said
        assert clock["explanation"] in said


def test_every_message_has_one_recipient_and_a_neutral_subject(demo: Demo) -> None:
    messages = read_messages(demo.home / "mail")

    assert len(messages) >= demo.outcome["supporters_notified"]
    assert {len(message.to) for message in messages} == {1}
    assert {message.subject for message in messages} == {"Touching base"}


def test_no_message_names_a_physician_or_what_happened(demo: Demo, samples: Samples) -> None:
    supporters = {supporter.person.id for supporter in samples.people.supporters}
    others = [person.name for person in samples.people.everyone if person.id not in supporters]
    telling = {name.family.lower() for name in others} | {name.email for name in others}

    for message in read_messages(demo.home / "mail"):
        assert not [word for word in telling if word in message.body.lower()], message.id


def test_topics_are_searched_as_they_are(demo: Demo) -> None:
    """Else the search below would find nothing in compressed segments."""
    content = b"".join(path.read_bytes() for path in demo.segments())

    assert b"peerline.referral-created.v1" in content
    assert b'"received_at"' in content


def test_no_canary_is_anywhere_but_where_it_belongs(demo: Demo, samples: Samples) -> None:
    canaries = [canary.lower().encode() for canary in samples.canaries()]

    leaks: list[str] = []
    for place, content in demo.left_behind():
        text = content.lower()
        leaks += [f"{place}: {canary.decode()}" for canary in canaries if canary in text]

    assert leaks == []


def test_no_private_link_is_anywhere_but_in_its_message(demo: Demo) -> None:
    tokens = {link.rpartition("/")[2].encode() for one in read_messages(demo.home / "mail") for link in links(one)}

    leaks: list[str] = []
    for place, content in demo.left_behind():
        found = sum(token in content for token in tokens)
        leaks += [f"{place}: {found} of {len(tokens)}"] if found else []

    assert len(tokens) > 40
    assert leaks == []


def test_the_search_would_find_a_canary(demo: Demo, samples: Samples) -> None:
    feed = b"".join(
        path.read_bytes() for path in (demo.home / "kafka" / "log").glob("peerline.adverse-events*/*.log")
    ).lower()

    assert any(phrase.lower().encode() in feed for phrase in samples.canaries())


def test_nothing_is_readable_in_the_databases(demo: Demo, samples: Samples) -> None:
    names = [person.name.family.lower().encode() for person in samples.people.everyone]

    leaks: list[str] = []
    for path in (demo.home / "postgres").rglob("*"):
        if path.is_file():
            text = path.read_bytes().lower()
            leaks += [f"{path.name}: {name.decode()}" for name in names if name in text]

    assert leaks == []


def test_refusals_say_which_field_and_nothing_else(demo: Demo) -> None:
    answers = [json.loads(line) for line in (demo.home / "demo" / "answers.jsonl").read_text().splitlines()]
    refused = [answer for answer in answers if answer["status"] >= 400]

    assert {answer["status"] for answer in refused} == {401, 413, 422}
    for answer in refused:
        assert json.loads(answer["body"]).keys() <= {"type", "title", "status", "code", "field"}


def test_one_trace_leads_from_the_door_to_the_mail(demo: Demo) -> None:
    services: dict[str, set[str]] = {}
    for path in (demo.home / "logs").glob("*.spans.jsonl"):
        for line in path.read_text().splitlines():
            span = json.loads(line)
            trace = span.get("trace_id") or span["context"]["trace_id"]
            services.setdefault(trace, set()).add(path.name.removesuffix(".spans.jsonl"))

    assert any({"intake", "matcher", "notifier"} <= passed for passed in services.values())


def test_nothing_is_left_running(demo: Demo) -> None:
    home = str(demo.home)

    left = [process.pid for process in psutil.process_iter() if _belongs_to(process, home)]

    assert left == []
    assert not (demo.home / "state.json").exists()


def _belongs_to(process: psutil.Process, home: str) -> bool:
    try:
        return any(home in part for part in process.cmdline())
    except psutil.Error:
        return False
