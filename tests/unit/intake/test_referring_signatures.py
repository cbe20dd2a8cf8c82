"""Webhook signatures, against the reference library."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intake.signatures import SecretFault, WebhookSecrets, is_recent, read_secrets
from intake.sources import parse_sources
from standardwebhooks import Webhook

SECRET = b"0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 6, 9, 12, tzinfo=UTC)
SOURCES = parse_sources(
    """
sources:
  - {id: risk, organisation: shcp, name: Risk, secret: risk-webhook, zone: America/New_York}
  - {id: files, organisation: shcp, name: Files, zone: America/New_York}
"""
)


def headers_of(body: str, message_id: str = "msg-1", at: datetime = NOW) -> dict[str, str]:
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(SECRET).sign(message_id, at, body),
    }


def accepts(secrets: WebhookSecrets, source: str, body: bytes, headers: dict[str, str], now: datetime) -> bool:
    return secrets.verify(source, body, headers) and is_recent(headers, now)


@given(body=st.text(), message_id=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1))
def test_what_the_reference_library_signs_is_accepted(body: str, message_id: str) -> None:
    secrets = WebhookSecrets({"risk": [b"x" * 32, SECRET]})

    assert accepts(secrets, "risk", body.encode(), headers_of(body, message_id), NOW)
    assert not accepts(secrets, "risk", body.encode() + b" ", headers_of(body, message_id), NOW)
    assert not accepts(secrets, "other", body.encode(), headers_of(body, message_id), NOW)


@given(name=st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), value=st.text(max_size=60))
def test_a_header_that_is_not_the_signers_is_refused_whatever_it_holds(name: str, value: str) -> None:
    headers = headers_of("{}")
    if headers[name] != value:
        assert not accepts(WebhookSecrets({"risk": [SECRET]}), "risk", b"{}", headers | {name: value}, NOW)


@pytest.mark.parametrize(
    ("age", "accepted"),
    [(timedelta(minutes=5), True), (timedelta(minutes=5, seconds=1), False), (-timedelta(minutes=6), False)],
)
def test_a_signature_holds_for_five_minutes(age: timedelta, accepted: bool) -> None:
    headers = headers_of("{}", at=NOW - age)

    assert accepts(WebhookSecrets({"risk": [SECRET]}), "risk", b"{}", headers, NOW) is accepted


def test_one_good_signature_among_others_is_enough() -> None:
    headers = headers_of("{}")
    headers["webhook-signature"] = f"v2,abc v1,!! {headers['webhook-signature']} v1"

    assert accepts(WebhookSecrets({"risk": [SECRET]}), "risk", b"{}", headers, NOW)


def test_an_old_and_a_new_secret_are_both_accepted(tmp_path: Path) -> None:
    lines = [b"y" * 24, SECRET]
    (tmp_path / "risk-webhook").write_text("\n".join("whsec_" + base64.b64encode(s).decode() for s in lines))

    assert accepts(read_secrets(tmp_path, SOURCES), "risk", b"{}", headers_of("{}"), NOW)


def test_a_secret_file_may_bear_the_sources_name(tmp_path: Path) -> None:
    (tmp_path / "risk.secret").write_text(base64.b64encode(SECRET).decode())

    assert accepts(read_secrets(tmp_path, SOURCES), "risk", b"{}", headers_of("{}"), NOW)


@pytest.mark.parametrize("text", [None, "", "whsec_", "short", "whsec_!"])
def test_a_source_without_a_usable_secret_stops_the_service(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "risk-webhook").write_text(text)

    with pytest.raises(SecretFault, match=r"PEERLINE_SOURCE_SECRETS: risk.*no usable secret for risk"):
        read_secrets(tmp_path, SOURCES)
