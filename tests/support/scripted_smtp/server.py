"""The scripted mail server itself: as little SMTP as senders need, and every way of not answering."""

import asyncio
import contextlib
import re
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from tests.support.scripted_smtp.script import REFUSALS, Act, Script

LARGEST = 8 * 1024 * 1024
ADDRESS = re.compile(r"<([^<>]*)>")
STAYED_BEFORE_CUT = 200  # bytes of content that are read before a cut in the middle of it


@dataclass(frozen=True)
class Delivery:
    """A message that really is in the mailbox, whatever its sender was told."""

    message_id: str
    recipients: tuple[str, ...]
    act: Act
    received_at: datetime
    content: bytes = field(repr=False)

    @property
    def mail(self) -> EmailMessage:
        """The message, parsed."""
        mail = message_from_bytes(self.content, policy=default)
        assert isinstance(mail, EmailMessage)
        return mail

    @property
    def text(self) -> str:
        """What the message says."""
        body = self.mail.get_body(("plain",))
        return str(body.get_content()) if body else ""


@dataclass
class ScriptedServer:
    """A mail server on a port of the loopback; `kept` is called with each delivery before it is answered."""

    script: Script = field(default_factory=Script)
    port: int = 0
    tls: ssl.SSLContext | None = None
    pace: float = 1.0  # seconds between bytes of a trickled answer
    slow: float = 3.0  # seconds
    taken: str = "250 2.0.0 taken"  # the answer to content that is delivered
    kept: Callable[[Delivery], None] | None = None
    deliveries: list[Delivery] = field(default_factory=list)
    acts: Counter[Act] = field(default_factory=Counter)
    commands: list[str] = field(default_factory=list)  # verbs only, of all connections
    answered: int = 0  # deliveries of which the sender was told
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    _listening: asyncio.Server | None = None

    def delivered(self) -> Counter[str]:
        """How often each message is in the mailbox, by Message-ID."""
        return Counter(delivery.message_id for delivery in self.deliveries)

    def to(self, recipient: str) -> list[Delivery]:
        """What a recipient has got, in order."""
        return [delivery for delivery in self.deliveries if recipient in delivery.recipients]

    async def listen(self) -> None:
        """Take connections, on the same port as before."""
        self._listening = await asyncio.start_server(self._take, "127.0.0.1", self.port, limit=LARGEST)
        self.port = self._listening.sockets[0].getsockname()[1]

    async def go_away(self) -> None:
        """From now on connections are refused; those that are open are ended."""
        assert self._listening
        self._listening.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def keep(self, recipients: list[str], content: bytes, act: Act) -> None:
        """Deliver a message."""
        headers = message_from_bytes(content.partition(b"\r\n\r\n")[0], policy=default)
        message_id = str(headers["Message-ID"] or "").strip()
        delivery = Delivery(message_id, tuple(recipients), act, datetime.now(UTC), content)
        if self.kept:
            self.kept(delivery)
        self.deliveries.append(delivery)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, _Cut):
                await _Conversation(self, reader, writer, self.script.connection()).run()
        finally:
            self._tasks.discard(task)
            writer.transport.abort()


class _Cut(Exception):
    """The server ends the connection here."""


@dataclass
class _Conversation:
    """One connection: what was said on it, command by command."""

    server: ScriptedServer
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    act: Act
    recipients: list[tuple[str, Act]] = field(default_factory=list)

    async def run(self) -> None:
        self.server.acts[self.act] += 1
        if self.act is Act.RESET:
            raise _Cut
        if self.act is Act.NEVER_GREET:
            await self._hang()
        await self._say("421 4.3.2 come back later" if self.act is Act.GREET_421 else "220 scripted ESMTP")
        while self.act is not Act.GREET_421 and (line := await self.reader.readline()):
            verb = line.decode("ascii", "replace").strip().partition(" ")[0].upper()
            self.server.commands.append(verb)
            answer: Callable[[str], Any] = getattr(self, f"_{verb.lower()}", self._unknown)
            await answer(line.decode("ascii", "replace"))

    async def _ehlo(self, _line: str) -> None:
        offered = self.server.tls and not self.writer.get_extra_info("sslcontext")
        await self._say("250-scripted\r\n250-STARTTLS\r\n250 8BITMIME" if offered else "250-scripted\r\n250 8BITMIME")

    async def _starttls(self, _line: str) -> None:
        assert self.server.tls
        await self._say("220 go ahead")
        await self.writer.start_tls(self.server.tls)

    async def _mail(self, _line: str) -> None:
        self.recipients.clear()
        await self._say("250 OK")

    async def _rcpt(self, line: str) -> None:
        found = ADDRESS.search(line)
        recipient = found.group(1) if found else ""
        act = self.server.script.message(recipient)
        self.server.acts[act] += 1
        if act in (Act.RCPT_451, Act.RCPT_550):
            await self._say(REFUSALS[act])
            return
        self.recipients.append((recipient, act))
        await self._say("250 OK")

    async def _data(self, _line: str) -> None:
        if not self.recipients:
            await self._say("503 5.5.1 nobody to send it to")
            return
        act = next((act for _, act in self.recipients if act is not Act.ACCEPT), Act.ACCEPT)
        await self._say("354 go ahead")
        if act is Act.CUT_IN_DATA:
            await self.reader.readexactly(STAYED_BEFORE_CUT)
            raise _Cut
        content = (await self.reader.readuntil(b"\r\n.\r\n"))[:-3].replace(b"\r\n..", b"\r\n.")
        if act in REFUSALS:
            await self._say(REFUSALS[act])
            return
        self.server.keep([recipient for recipient, _ in self.recipients], content, act)
        await self._answer_content(act)

    async def _answer_content(self, act: Act) -> None:
        if act is Act.CUT_BEFORE_250:
            raise _Cut
        if act is Act.HANG_AFTER_DATA:
            await self._hang()
        if act is Act.SLOW:
            await asyncio.sleep(self.server.slow)
        if act is Act.TRICKLE_AFTER_DATA:
            self.act = Act.TRICKLE
        await self._say(self.server.taken)
        self.server.answered += 1
        if act is Act.CUT_AFTER_250:
            self.writer.close()  # in order, so that the answer does arrive
            await self.writer.wait_closed()
            raise _Cut

    async def _rset(self, _line: str) -> None:
        self.recipients.clear()
        await self._say("250 OK")

    async def _noop(self, _line: str) -> None:
        await self._say("250 OK")

    async def _quit(self, _line: str) -> None:
        await self._say("221 bye")
        raise _Cut

    async def _unknown(self, _line: str) -> None:
        await self._say("502 5.5.2 no such command")

    _helo = _noop

    async def _say(self, answer: str) -> None:
        text = f"{answer}\r\n".encode()
        for part in [bytes([byte]) for byte in text] if self.act is Act.TRICKLE else [text]:
            self.writer.write(part)
            await self.writer.drain()
            if self.act is Act.TRICKLE:
                await asyncio.sleep(self.server.pace)

    async def _hang(self) -> None:
        """Say nothing until the other side gives up."""
        while await self.reader.read(1024):
            pass
        raise _Cut


@asynccontextmanager
async def scripted_smtp(script: Script | None = None, **more: Any) -> AsyncIterator[ScriptedServer]:
    """A scripted mail server that listens; `more` as the fields of ScriptedServer."""
    server = ScriptedServer(script or Script(), **more)
    await server.listen()
    try:
        yield server
    finally:
        await server.go_away()
