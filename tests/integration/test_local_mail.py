"""Mail that is kept instead of delivered."""

import smtplib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest
from peerline_local.ports import accepts, choose_free_port
from peerline_local.processes import Process, Program


@dataclass(frozen=True)
class Mail:
    folder: Path
    smtp_port: int
    page: str

    def send(self, message: EmailMessage, *recipients: str) -> None:
        with smtplib.SMTP("127.0.0.1", self.smtp_port) as client:
            client.send_message(message, "desk@example.org", recipients)


@pytest.fixture(scope="module")
def mail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mail]:
    folder = tmp_path_factory.mktemp("home")
    smtp_port = choose_free_port()
    page_port = choose_free_port(besides=[smtp_port])
    ports = ("--smtp-port", str(smtp_port), "--page-port", str(page_port), "--largest", "20000")
    command = (sys.executable, "-m", "peerline_local.mail", str(folder / "mail"), *ports)
    process = Process(Program("mail", command, folder / "logs" / "mail.log", folder / "mail.json"))
    process.start()
    try:
        process.wait_until_ready(lambda: None if accepts(page_port) and accepts(smtp_port) else "not yet", 20)
        yield Mail(folder / "mail", smtp_port, f"http://127.0.0.1:{page_port}")
    finally:
        process.stop()


def a_message(subject: str, body: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Desk <desk@example.org>"
    message["To"] = "somebody@example.org"
    message["Subject"] = subject
    message["Message-ID"] = "<fixed@example.org>"
    message.set_content(body)
    return message


def test_a_message_is_kept_in_one_file_with_its_recipients_as_given(mail: Mail) -> None:
    mail.send(a_message("For two", "Grüße\n"), "one@example.org", "two@example.org")

    (found,) = [m for m in httpx.get(f"{mail.page}/messages").json() if m["subject"] == "For two"]
    assert found["to"] == ["one@example.org", "two@example.org"]
    assert found["from"] == "Desk <desk@example.org>"
    assert found["message_id"] == "<fixed@example.org>"
    assert found["body"] == "Grüße\n"
    assert (mail.folder / f"{found['id']}.eml").exists()
    assert not [path for path in mail.folder.iterdir() if path.suffix != ".eml"]


def test_messages_are_found_by_recipient(mail: Mail) -> None:
    mail.send(a_message("Found", "x"), "wanted@example.org")
    mail.send(a_message("Not found", "x"), "another@example.org")

    found = httpx.get(f"{mail.page}/messages", params={"to": "wanted@example.org"}).json()

    assert [message["subject"] for message in found] == ["Found"]


def test_a_page_shows_links_and_never_a_messages_markup(mail: Mail) -> None:
    body = 'Open http://127.0.0.1:8103/t/abc?x=1&y="2. <script>alert(1)</script>\n'
    mail.send(a_message("<b>Bold</b>", body), "reader@example.org")
    (found,) = httpx.get(f"{mail.page}/messages", params={"to": "reader@example.org"}).json()

    listing = httpx.get(mail.page).text
    page = httpx.get(f"{mail.page}/messages/{found['id']}")

    assert "&lt;b&gt;Bold&lt;/b&gt;" in listing
    assert '<a href="http://127.0.0.1:8103/t/abc?x=1&amp;y=">' in page.text
    assert "<script>" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_a_message_that_is_too_large_is_refused(mail: Mail) -> None:
    with pytest.raises(smtplib.SMTPResponseException) as refused:
        mail.send(a_message("Large", "long line\n" * 4000), "reader@example.org")

    assert refused.value.smtp_code == 552


def test_another_hosts_name_and_a_file_outside_are_refused(mail: Mail) -> None:
    assert httpx.get(mail.page, headers={"Host": "evil.example"}).status_code == 400
    assert httpx.get(f"{mail.page}/messages/..%2f..%2fetc%2fpasswd").status_code == 404
