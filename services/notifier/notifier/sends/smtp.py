"""Handing one message for one recipient to a mail server, and how sure we are of what became of it."""

import asyncio
import contextlib
import re
import time
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import TracebackType

import aiosmtplib

START_INPUT, TAKEN = 354, 250
LINE_BEGINS_WITH_DOT = re.compile(rb"(?m)^\.")
# Runs on while the process is frozen and, where the system has it, while the machine sleeps; event loops' clocks do not.
CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Fate(StrEnum):
    """What became of a message: taken, not taken now, not taken ever, or nobody knows."""

    SENT = "sent"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class MailServer:
    """Where mail leaves. `timeout` in seconds holds for one message, everything included."""

    host: str
    port: int
    starttls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout: float = 30
    tries: int = 8
    retry_base: timedelta = timedelta(seconds=30)
    retry_cap: timedelta = timedelta(minutes=30)

    @property
    def abandoned_after(self) -> timedelta:
        """After this time nobody can still be sending a message: the timeout is over, with room to spare."""
        return timedelta(seconds=2 * self.timeout + 5)


@dataclass(frozen=True)
class Deadline:
    """An instant on this machine until which a message may be sent."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """The instant in so many seconds."""
        return cls(time.clock_gettime(CLOCK) + seconds)

    @property
    def left(self) -> float:
        """Seconds until then, negative afterwards."""
        return self.at - time.clock_gettime(CLOCK)


class Connections:
    """Connections to one mail server, kept while there is more to send. Each message has an envelope of its own."""

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._idle: list[aiosmtplib.SMTP] = []

    async def __aenter__(self) -> "Connections":
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Take leave; a server that does not answer that is left."""
        await asyncio.gather(*(_quit(client) for client in self._idle))

    async def begin(self, sender: str) -> aiosmtplib.SMTP:
        """A connection with an envelope that has its sender; raises aiosmtplib.SMTPException, OSError, ValueError."""
        while self._idle:
            client = self._idle.pop()
            try:
                await client.mail(sender)
                return client
            except (aiosmtplib.SMTPException, OSError):  # closed meanwhile, or the server has had enough of it
                client.close()
        client = self._new()
        try:
            await client.connect()
            await client.mail(sender)
        except BaseException:
            client.close()
            raise
        return client

    def keep(self, client: aiosmtplib.SMTP) -> None:
        """Keep a connection on which a message was taken, for the next one."""
        self._idle.append(client)

    def _new(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            start_tls=server.starttls,
            username=server.username,
            password=server.password,
            timeout=server.timeout / 2,  # for each answer: a server that does not even greet is soon given up
        )


async def hand_over(
    connections: Connections, sender: str, recipient: str, content: bytes, deadline: Deadline
) -> tuple[Fate, str]:
    """
    Hand a message over before `deadline`. Gives its fate and a code: an SMTP status, or what happened instead; raises nothing.

    Until the content is on its way nothing can have arrived, whatever goes wrong; from then on only the server's
    answer tells. After the deadline no content is sent: by then others may have given the message up as unknown.
    """
    try:
        async with asyncio.timeout(deadline.left):
            client = await connections.begin(sender)
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:  # also 5xx here: of the server, not the message
        return Fate.REFUSED, _code(error)
    fate = None
    try:
        fate, code = await _refusal(client, recipient, deadline) or await _content(client, content, deadline)
        return fate, code
    finally:
        if fate is Fate.SENT:
            connections.keep(client)
        else:
            client.close()


async def _refusal(client: aiosmtplib.SMTP, recipient: str, deadline: Deadline) -> tuple[Fate, str] | None:
    """Name the recipient and ask to send the content; None where the server awaits it."""
    try:
        async with asyncio.timeout(deadline.left):
            await client.rcpt(recipient)
            answer = await client.execute_command(b"DATA")
    except ValueError:
        return Fate.FAILED, "address"
    except aiosmtplib.SMTPResponseException as error:
        return _by_code(error.code, otherwise=Fate.REFUSED)
    except (aiosmtplib.SMTPException, OSError) as error:
        return Fate.REFUSED, _code(error)
    if answer.code != START_INPUT:
        return _by_code(answer.code, otherwise=Fate.REFUSED)
    return None


async def _content(client: aiosmtplib.SMTP, content: bytes, deadline: Deadline) -> tuple[Fate, str]:
    """Send the content, if there is time left. From then on, whatever is not an answer leaves it unknown."""
    # Asked here, not of a timer: a process that was frozen may find its answer there before its timer has run.
    if client.protocol is None or deadline.left <= 0:
        return Fate.REFUSED, "timeout"
    try:
        async with asyncio.timeout(deadline.left):
            client.protocol.write(LINE_BEGINS_WITH_DOT.sub(b"..", content) + b".\r\n")
            answer = await client.protocol.read_response()
    except (aiosmtplib.SMTPException, OSError) as error:
        return Fate.UNKNOWN, _code(error)
    if answer.code // 100 == TAKEN // 100:
        return Fate.SENT, str(answer.code)
    return _by_code(answer.code, otherwise=Fate.UNKNOWN)


async def _quit(client: aiosmtplib.SMTP) -> None:
    with contextlib.suppress(aiosmtplib.SMTPException, OSError):
        await client.quit(timeout=1)
    client.close()


def _by_code(code: int, *, otherwise: Fate) -> tuple[Fate, str]:
    """The fate by a status that does not say yes; `otherwise` where it is none."""
    fates = {4: Fate.REFUSED, 5: Fate.FAILED}
    return fates.get(code // 100, otherwise), str(code)


def _code(error: Exception) -> str:
    """A status or an error's class; never its text, which repeats addresses."""
    if isinstance(error, TimeoutError):
        return "timeout"
    return str(error.code) if isinstance(error, aiosmtplib.SMTPResponseException) else type(error).__name__
