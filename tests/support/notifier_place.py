"""A notifier with a scripted mail server, and the events that others would send it. No tests here."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import yaml
from aiosmtpd.smtp import SMTP, Envelope, Session
from chassis import Service
from notifier.main import service
from notifier.settings import Settings
from peerline.compartments import ContactProfile, SupporterContact, Withdrawal, WithdrawalKind
from peerline.events import (
    Audience,
    Event,
    MatchConfirmed,
    MatchProposed,
    OutreachLogged,
    ProgrammeRef,
    ReferralCreated,
    ReferralWithdrawn,
    Sealed,
    Topic,
)
from peerline.events.base import Part
from peerline.events.matches import MatchEvent

from tests.support.scripted_smtp import ScriptedServer
from tests.support.workplace import PROGRAMMES, Running, Workplace, until

M = TypeVar("M", bound=MatchEvent)
NOW = datetime(2026, 6, 9, 14, 15, tzinfo=UTC)
PHYSICIAN = ContactProfile(name="Dr Quorinda Ambroquaithe", email="quorinda@staff.example", phone="+1 207 555 0137")
SUPPORTER = SupporterContact(supporter_id="sup-1", name="Dr Fenwor Zandeer", email="fenwor@staff.example")
LINK = re.compile(r"http://pages\.example(/[sp]/[\w-]{43})")
FORM = re.compile(r'name="form" value="(\w+)"')


@dataclass
class Post:
    """A mail server that does as it is told: `answers` are given to DATA in turn, then 250."""

    answers: list[str] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    refuse_recipient: str = ""
    cut_after_data: bool = False
    port: int = 0

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.refuse_recipient:
            return self.refuse_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  the name aiosmtpd calls
        if self.answers:
            return self.answers.pop(0)
        mail = message_from_bytes(envelope.original_content or b"", policy=default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.recipients.append(list(envelope.rcpt_tos))
        if self.cut_after_data and isinstance(server.transport, asyncio.WriteTransport):
            server.transport.abort()
        return "250 taken"

    def texts(self) -> list[str]:
        return [str(part.get_content()) for mail in self.mails if (part := mail.get_body(("plain",)))]

    def links(self) -> list[str]:
        """The private pages' paths, in the order of the mails."""
        return [path for text in self.texts() for path in LINK.findall(text)]


@asynccontextmanager
async def post_office(post: Post) -> AsyncIterator[Post]:
    """The mail server, listening."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(post, loop=loop), "127.0.0.1", 0)
    post.port = server.sockets[0].getsockname()[1]
    try:
        yield post
    finally:
        server.close()


def programmes(folder: Path, **contact: Any) -> Path:
    """SHCP with contact hours all day, and the same as a programme that makes the first contact itself."""
    folder.mkdir(parents=True, exist_ok=True)
    said = yaml.safe_load((PROGRAMMES / "shcp.yaml").read_text())
    said["contact"] |= {"hours": {"from": "00:00", "to": "00:00"}} | contact
    said["texts"]["signature"] = "The program coordinator"
    (folder / "shcp.yaml").write_text(yaml.safe_dump(said))
    (folder / "first.yaml").write_text(yaml.safe_dump(said | {"id": "first", "first_contact": "programme"}))
    return folder


def notifier(place: Workplace, post: Post | ScriptedServer, **more: Any) -> Service:
    """Notifier as it runs, with this mail server."""
    overlay = more.pop("programmes", None) or programmes(place.folder / "programmes")
    values: dict[str, Any] = {
        "smtp_from": "hello@mail.example",
        "smtp_host": "127.0.0.1",
        "smtp_port": post.port,
        "public_url": "http://pages.example",
        "programmes": overlay,
        "urgent_every": timedelta(0),
    }
    return service(place.settings(Settings, "notifier", **values | more))


@dataclass
class Referral:
    """One referral, as intake and matcher would speak of it."""

    place: Workplace
    name: str = "1"
    programme: str = "shcp"

    @property
    def id(self) -> UUID:
        return self.place.ids.referral(self.programme, "test", self.name, "person")

    def _common(self, kind: type[Event], sequence: int, *parts: int) -> dict[str, Any]:
        return {
            "event_id": self.place.ids.event(kind.name, self.id, *parts),
            "referral_id": self.id,
            "programme": ProgrammeRef(id=self.programme, digest="0" * 16),
            "sequence": sequence,
            "occurred_at": NOW,
        }

    def _sealed(self, kind: type[Event], content: Part) -> Sealed:
        sealed = self.place.sealer.seal(
            Audience.NOTIFIER, content, referral_id=self.id, event_type=kind.name, now=datetime.now(UTC)
        )
        return Sealed(notifier=sealed)

    def created(self, contact: ContactProfile = PHYSICIAN) -> ReferralCreated:
        sealed = self._sealed(ReferralCreated, contact)
        return ReferralCreated(**self._common(ReferralCreated, 1), received_at=NOW, sealed=sealed)

    def withdrawn(self, kind: WithdrawalKind = WithdrawalKind.WITHDRAWN) -> ReferralWithdrawn:
        sealed = self._sealed(ReferralWithdrawn, Withdrawal(kind=kind))
        return ReferralWithdrawn(**self._common(ReferralWithdrawn, 2, 2), sealed=sealed)

    def match(self, kind: type[M], attempt: int = 1, **more: Any) -> M:
        match_id = self.place.ids.match(self.id, attempt)
        return kind(**self._common(kind, attempt, attempt), match_id=match_id, attempt=attempt, **more)

    def proposed(self, attempt: int = 1, supporter: SupporterContact = SUPPORTER) -> MatchProposed:
        return self.match(MatchProposed, attempt, sealed=self._sealed(MatchProposed, supporter))

    def confirmed(self, attempt: int = 1) -> MatchConfirmed:
        return self.match(MatchConfirmed, attempt)


async def steps(place: Workplace, referral_id: UUID | None = None) -> list[str]:
    """The public steps that notifier has logged, in order."""
    logged = [event for event in await place.events(Topic.OUTREACH) if isinstance(event, OutreachLogged)]
    return [event.step or "" for event in logged if referral_id in (None, event.referral_id)]


async def expect_steps(place: Workplace, expected: list[str], referral_id: UUID | None = None) -> None:
    """Wait until exactly these public steps have been logged."""

    async def as_expected() -> bool:
        return await steps(place, referral_id) == expected

    await until(as_expected, what=f"{expected}")


async def wait_for_step(place: Workplace, step: str, seconds: float = 20) -> None:
    async def logged() -> bool:
        return step in await steps(place)

    await until(logged, seconds=seconds, what=step)


async def wait_until(condition: Callable[[], bool], what: str, seconds: float = 20) -> None:
    async def holds() -> bool:
        return condition()

    await until(holds, seconds=seconds, what=what)


async def press(running: Running, path: str, action: str) -> str:
    """Read the form of a page, press a button on it, and give the page as it is then."""
    page = (await running.client.get(path)).text
    form = FORM.search(page)
    data = {"action": action, "form": form.group(1) if form else ""}
    answer = await running.client.post(path, data=data)
    assert answer.status_code == 303
    return (await running.client.get(answer.headers["location"])).text


async def show(running: Running, path: str, words: str) -> str:
    """The page, once it holds these words."""
    found = ""

    async def holds() -> bool:
        nonlocal found
        found = (await running.client.get(path)).text
        return words in found

    await until(holds, what=f"a page that says {words!r}")
    return found


async def asked(place: Workplace, post: Post, referral: Referral) -> str:
    """A referral whose supporter has been asked; gives the path of the private page."""
    await place.publish(referral.created(), referral.proposed())
    await wait_until(lambda: bool(post.links()), "a link")
    await wait_for_step(place, "supporter-notified")
    return post.links()[-1]


async def shown(place: Workplace, post: Post, running: Running, referral: Referral) -> str:
    """A referral whose supporter has the contact; gives the path of the private page."""
    page = await asked(place, post, referral)
    await press(running, page, "yes")
    await place.publish(referral.confirmed())
    await show(running, page, PHYSICIAN.name)
    await press(running, page, "show-contact")
    return page


async def worklist(running: Running) -> list[str]:
    return [item["kind"] for item in (await running.client.get("/v1/worklist")).json()["items"]]
