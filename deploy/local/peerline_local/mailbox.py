"""The messages that were kept: read from their files, and shown on a page or as JSON."""

from __future__ import annotations

import email
import email.policy
import json
import re
from dataclasses import asdict, dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import EmailMessage
from functools import lru_cache
from html import escape
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

# The first line of each file, JSON: what the sending server said, whatever the message says.
ENVELOPE = "X-Peerline-Envelope"

_ADDRESS = re.compile(r"https?://[^\s<>\"']+")
_MESSAGE_NAME = re.compile(r"[0-9A-Za-z.-]+")

_HEADERS = {
    # Nothing on these pages is fetched or run, whatever a message says.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem;
       color: #222; background: #fff }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid #ddd; vertical-align: top }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; background: #f6f6f6;
      padding: 1rem }
dt { font-weight: 600 } dd { margin: 0 0 .4rem; overflow-wrap: anywhere }
a { color: #0645ad }
"""


@dataclass(frozen=True)
class Message:
    """One message as it was received. `to` are the envelope's recipients, in order."""

    id: str
    to: tuple[str, ...]
    sender: str
    subject: str
    message_id: str
    received_at: str
    body: str
    attachments: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """The message as `GET /messages` gives it."""
        content = asdict(self)
        return {"from" if key == "sender" else key: value for key, value in content.items()}


def read_messages(folder: Path) -> list[Message]:
    """Return all messages, the newest first."""
    names = sorted((path.name for path in folder.glob("*.eml")), reverse=True)
    return [_read(folder / name) for name in names if not name.startswith(".")]


@lru_cache(maxsize=4096)
def _read(path: Path) -> Message:
    """Read a message; its file never changes, so what was read is remembered."""
    first_line, _, content = path.read_bytes().partition(b"\r\n")
    envelope = json.loads(first_line.partition(b":")[2])
    parsed = email.message_from_bytes(content, policy=email.policy.default)
    # As they were sent: parsed addresses and ids can raise anything where they are malformed.
    headers = {name.lower(): str(value) for name, value in reversed(list(parsed.raw_items()))}
    return Message(
        id=path.stem,
        to=tuple(envelope["to"]),
        sender=_decoded(headers.get("from", envelope["from"])),
        subject=_decoded(headers.get("subject", "")),
        message_id=headers.get("message-id", "").strip(),
        received_at=envelope["received_at"],
        body=_body(parsed),
        attachments=tuple(part.get_filename() or "" for part in parsed.iter_attachments()),
    )


def _decoded(header: str) -> str:
    """Return a header as it is meant to be read: in one line, its encoded words decoded."""
    line = " ".join(header.split())
    try:
        return str(make_header(decode_header(line)))
    except (HeaderParseError, LookupError, ValueError):
        return line


def _body(message: EmailMessage) -> str:
    part = message.get_body(preferencelist=("plain", "html"))
    if part is None:
        return ""
    try:
        return str(part.get_content()).replace("\r\n", "\n")
    except (LookupError, ValueError):  # an unknown character set
        payload = part.get_payload(decode=True)
        return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""


def page(folder: Path) -> Starlette:
    """Return the web page over a folder of messages."""
    mailbox = _Mailbox(folder)
    return Starlette(
        routes=[
            Route("/", mailbox.show_all),
            Route("/messages", mailbox.give_all),
            Route("/messages/{name}", mailbox.show_one),
            Route("/live", _say_yes),
            Route("/ready", _say_yes),
        ],
        # A page elsewhere could give its own name to the loopback address, and read from here.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])],
    )


class _Mailbox:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def show_all(self, request: Request) -> Response:
        return _html("Messages", _table(read_messages(self._folder)))

    async def show_one(self, request: Request) -> Response:
        name = request.path_params["name"]
        path = self._folder / f"{name}.eml"
        if not _MESSAGE_NAME.fullmatch(name) or not path.exists():
            return _html("No such message", "<p>It is not here.</p>", status=404)
        message = _read(path)
        return _html(message.subject or "(no subject)", _details(message))

    async def give_all(self, request: Request) -> Response:
        wanted = request.query_params.get("to")
        messages = read_messages(self._folder)
        found = [message.as_json() for message in messages if wanted is None or wanted in message.to]
        return JSONResponse(found, headers=_HEADERS)


async def _say_yes(request: Request) -> Response:
    return PlainTextResponse("ready")


def _html(title: str, content: str, status: int = 200) -> HTMLResponse:
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{_STYLE}</style></head><body><main><h1>{escape(title)}</h1>{content}</main></body></html>"
    )
    return HTMLResponse(text, status_code=status, headers=_HEADERS)


def _table(messages: list[Message]) -> str:
    if not messages:
        return "<p>None yet.</p>"
    rows = "".join(
        f"<tr><td>{escape(m.received_at[:19].replace('T', ' '))}</td>"
        f"<td>{escape(', '.join(m.to))}</td>"
        f'<td><a href="/messages/{escape(m.id)}">{escape(m.subject or "(no subject)")}</a></td></tr>'
        for m in messages
    )
    return f"<table><tr><th>Received (UTC)</th><th>To</th><th>Subject</th></tr>{rows}</table>"


def _details(message: Message) -> str:
    facts = {
        "From": message.sender,
        "To": ", ".join(message.to),
        "Received": message.received_at,
        "Message-ID": message.message_id,
        "Attached": ", ".join(message.attachments),
    }
    shown = "".join(f"<dt>{k}</dt><dd>{escape(v)}</dd>" for k, v in facts.items() if v)
    return f'<dl>{shown}</dl><pre>{_linked(message.body)}</pre><p><a href="/">All messages</a></p>'


def _linked(text: str) -> str:
    """Escape a text, and make a link of each web address in it."""
    parts: list[str] = []
    end = 0
    for match in _ADDRESS.finditer(text):
        address = match.group().rstrip(".,;:!?)]")
        parts.append(escape(text[end : match.start()]))
        parts.append(f'<a href="{escape(address)}">{escape(address)}</a>')
        end = match.start() + len(address)
    return "".join([*parts, escape(text[end:])])
