"""What messages say. Neutral outside, routine inside: no name of a physician, nothing clinical, no reason."""

from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address, BaseHeader, HeaderRegistry
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache, lru_cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from peerline.programme import Programme

from notifier.domain.facts import Message

TEMPLATES = Environment(
    loader=PackageLoader("notifier"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class _Headers(HeaderRegistry):
    """Parses a header as it is set, as the policy does; what all messages say only once: two fifths of their time."""

    SAME = frozenset({"Subject", "Auto-Submitted", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"})

    def __init__(self) -> None:
        super().__init__()
        self._class_of = cache(super().__getitem__)
        self._parsed = lru_cache(maxsize=256)(super().__call__)

    def __getitem__(self, name: str) -> type[BaseHeader]:
        return self._class_of(name)

    def __call__(self, name: str, value: Any) -> BaseHeader:
        return self._parsed(name, value) if name in self.SAME else super().__call__(name, value)


POLICY = SMTP.clone(header_factory=_Headers())


@dataclass(frozen=True)
class Sender:
    """The address that mail comes from, and under which address the private pages are."""

    address: str
    public_url: str


@dataclass(frozen=True)
class Letter:
    """A message that can be handed over: the envelope's recipient and the content."""

    recipient: str
    content: bytes


def write(
    message: Message, programme: Programme, sender: Sender, *, to: str, link: str, message_id: str, at: datetime
) -> Letter:
    """The message for one recipient; `link` is empty where it has none. Raises ValueError for an impossible address."""
    text = TEMPLATES.get_template(f"mail_{message}.txt").render(programme=programme, link=link)
    return compose(programme, sender, to=to, text=text, link=link, message_id=message_id, at=at)


def compose(
    programme: Programme, sender: Sender, *, to: str, text: str, link: str = "", message_id: str, at: datetime
) -> Letter:
    """
    A text as a message, in both forms. Raises ValueError for an impossible address.

    Empty lines part its paragraphs. `message_id` is the part of the Message-ID before the @.
    """
    if not to.isprintable() or to.count("@") != 1 or " " in to:
        raise ValueError("address")
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n") if paragraph.strip()]
    mail = EmailMessage(policy=POLICY)
    mail["From"] = _address("From", programme.texts.sender, sender.address)
    mail["To"] = to
    mail["Reply-To"] = _address("Reply-To", programme.coordinator.name, programme.coordinator.email)
    mail["Subject"] = programme.texts.subject
    mail["Date"] = at
    mail["Message-ID"] = f"<{message_id}@{sender.address.partition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n\n".join(paragraphs) + "\n", cte="quoted-printable")
    html = TEMPLATES.get_template("mail.html").render(paragraphs=paragraphs, link=link)
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    return Letter(to, mail.as_bytes())


@lru_cache(maxsize=256)
def _address(header: str, name: str, address: str) -> BaseHeader:
    parsed: BaseHeader = POLICY.header_factory(header, (Address(name, addr_spec=address),))
    return parsed
