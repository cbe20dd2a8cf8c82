"""Handing messages over to a mail server: encrypted where that is wanted, and on connections that serve for several."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from notifier.sends.smtp import Connections, Deadline, Fate, MailServer, hand_over

from tests.support.scripted_smtp import Act, Script, ScriptedServer, scripted_smtp

CONTENT = b"Message-ID: <1@mail.example>\r\nSubject: Touching base\r\n\r\n.a line that begins with a dot\r\n"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1 with its key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "mail.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def send(post: ScriptedServer, times: int = 1, *, starttls: bool = False) -> list[tuple[Fate, str]]:
    server = MailServer("127.0.0.1", post.port, starttls=starttls, timeout=10)
    async with Connections(server) as connections:
        return [
            await hand_over(connections, "hello@mail.example", "s@staff.example", CONTENT, Deadline.after(10))
            for _ in range(times)
        ]


async def test_a_message_goes_encrypted_to_a_server_whose_certificate_holds(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with scripted_smtp(tls=server_side(certificate)) as post:
        fates = await send(post, starttls=True)

    assert fates == [(Fate.SENT, "250")]
    assert post.commands.index("STARTTLS") < post.commands.index("MAIL")
    assert [delivery.content for delivery in post.deliveries] == [CONTENT]


async def test_nothing_goes_to_a_server_that_cannot_encrypt_or_cannot_prove_who_it_is(certificate: Path) -> None:
    async with scripted_smtp(tls=server_side(certificate)) as unproven, scripted_smtp() as plain:
        fates = [*await send(unproven, starttls=True), *await send(plain, starttls=True)]

    assert [fate for fate, _ in fates] == [Fate.REFUSED, Fate.REFUSED]
    assert unproven.deliveries == plain.deliveries == []
    assert "MAIL" not in unproven.commands + plain.commands


async def test_one_connection_serves_for_several_messages_and_one_that_went_wrong_is_not_used_again() -> None:
    acts = [Act.ACCEPT, Act.ACCEPT, Act.RCPT_550, Act.ACCEPT, Act.CUT_AFTER_250, Act.ACCEPT]
    async with scripted_smtp(Script(messages={"": acts})) as post:
        fates = await send(post, len(acts))

    sent = (Fate.SENT, "250")
    assert fates == [sent, sent, (Fate.FAILED, "550"), sent, sent, sent]
    assert len(post.deliveries) == 5
    assert post.script.counts["connection"] == 3


@pytest.mark.parametrize("answer", ["251 taken", "200 well", "999 what", "what", "354 go on"])
async def test_an_answer_to_the_content_that_is_neither_yes_nor_no_leaves_it_unknown(answer: str) -> None:
    async with scripted_smtp(taken=answer) as post:
        [(fate, _)] = await send(post)

    assert fate is (Fate.SENT if answer.startswith("2") else Fate.UNKNOWN)
