import base64
import json
import time
from pathlib import Path

import httpx
import pytest
from peerline.programme import read_programmes
from peerline_local.commands.events import chosen, line_of
from peerline_local.commands.feed import messages
from peerline_local.demo.doors import signed, webhook_secret
from peerline_local.demo.overlay import coordinators, overlaid, without_waiting
from peerline_local.demo.reach import refusal
from peerline_local.demo.records import Record
from peerline_local.errors import StackError
from peerline_local.home import Home
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SECRET = b"a secret of tests, 24 or more"
PROGRAMMES = Path(__file__).parents[3] / "deploy" / "programmes"


def test_a_signature_is_what_the_standard_asks_for() -> None:
    body = b'{"a": 1}'

    headers = signed(SECRET, "msg-1", body, at=time.time())

    Webhook(base64.b64encode(SECRET).decode()).verify(body, headers)


def test_another_body_does_not_have_the_signature() -> None:
    headers = signed(SECRET, "msg-1", b"one", at=time.time())

    with pytest.raises(WebhookVerificationError):
        Webhook(base64.b64encode(SECRET).decode()).verify(b"two", headers)


def test_a_source_without_secret_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="no source 'nobody'"):
        webhook_secret(Home.at(tmp_path), "nobody")


def test_ndjson_is_a_message_a_line() -> None:
    assert messages(Path("a.ndjson"), b'{"a":1}\n\n{"b":2}\n') == [b'{"a":1}', b'{"b":2}']
    assert messages(Path("a.json"), b'{\n"a":1}\n') == [b'{\n"a":1}\n']


def test_a_refusal_is_told_by_code_and_field() -> None:
    problem = httpx.Response(422, json={"code": "wrong-value", "field": "AdverseEvent.actuality", "status": 422})

    assert refusal(problem) == "422 wrong-value (AdverseEvent.actuality)"
    assert refusal(httpx.Response(502, text="<html>")) == "502"


def test_the_feed_is_shown_only_when_asked_for() -> None:
    assert "peerline.adverse-events.v1" not in chosen([], feed=False)
    assert "peerline.adverse-events.v1" in chosen([], feed=True)
    assert chosen(["matches"], feed=False) == ["peerline.matches.v1"]
    with pytest.raises(StackError, match="clinical"):
        chosen(["adverse-events"], feed=False)
    with pytest.raises(StackError, match="no topic"):
        chosen(["nothing"], feed=False)


def test_a_record_is_shown_as_it_is() -> None:
    headers = (
        ("ce_type", b"peerline.deadline-set.v1"),
        ("ce_time", b"2026-06-09T12:00:00Z"),
        ("empty", None),
    )
    record = Record("peerline.deadlines.v1", 2, 7, b"key", headers, b'{"clock": "match"}')

    shown = json.loads(json.dumps(record.as_json()))

    assert shown["body"] == {"clock": "match"}
    assert shown["headers"]["ce_type"] == "peerline.deadline-set.v1"
    assert shown["headers"]["empty"] is None
    assert line_of(record).split() == [
        "2026-06-09",
        "12:00:00",
        "deadlines/2/7",
        "deadline-set",
        "key",
        "match",
    ]


def test_a_record_that_is_no_json_or_no_text_can_be_shown_too() -> None:
    record = Record("peerline.adverse-events.v1", 0, 0, None, (), b"\xff{")

    assert json.dumps(record.as_json())


def test_the_overlay_takes_away_the_waiting_and_keeps_the_promises(tmp_path: Path) -> None:
    real = read_programmes(PROGRAMMES)

    overlay = read_programmes(overlaid(PROGRAMMES, Home.at(tmp_path)))

    assert overlay.keys() == real.keys()
    for programme in overlay.values():
        assert programme.contact.after_report.total_seconds() == 0
        assert programme.contact.hours.from_ == programme.contact.hours.to
        assert programme.matching.cool_off.total_seconds() == 0
        assert programme.clocks == real[programme.id].clocks
        assert programme.matching.different == real[programme.id].matching.different
        assert programme.matching.answer_window == real[programme.id].matching.answer_window


def test_the_overlay_leaves_what_it_is_given_as_it_was() -> None:
    given = {"id": "x", "contact": {"silence": "P5D"}}

    changed = without_waiting(given)

    assert given == {"id": "x", "contact": {"silence": "P5D"}}
    assert changed["contact"]["silence"] == "P5D"


def test_every_programme_has_a_coordinator_to_tell() -> None:
    assert set(coordinators(read_programmes(PROGRAMMES))) >= {"shcp", "rcaps"}
