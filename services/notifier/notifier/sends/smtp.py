"""Handing one message for one recipient to a mail server, and how sure we are of what became of it."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

import aiosmtplib

PERMANENT = 500


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


async def hand_over(
    server: MailServer, sender: str, recipient: str, content: bytes, deadline: float
) -> tuple[Fate, str]:
    """
    Hand a message over before `deadline`, in the time of the running loop. Gives its fate and a code: an SMTP status, or what happened instead; raises nothing.

    Until the content is on its way a lost connection means that nothing arrived; from then on only the
    server's answer tells. When the time for the message is over, nobody knows.
    """
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        start_tls=server.starttls,
        username=server.username,
        password=server.password,
        timeout=server.timeout / 2,  # a server that does not even greet in half the time has taken nothing
    )
    try:
        async with asyncio.timeout_at(deadline):
            if refusal := await _address(client, sender, recipient):
                return refusal
            return await _content(client, content)
    except TimeoutError:
        return Fate.UNKNOWN, "timeout"
    finally:
        client.close()


async def _address(client: aiosmtplib.SMTP, sender: str, recipient: str) -> tuple[Fate, str] | None:
    """Connect and name the recipient; gives a fate only where that ended it."""
    try:
        await client.connect()
    except aiosmtplib.SMTPConnectTimeoutError:
        return Fate.REFUSED, "no-connection"
    except aiosmtplib.SMTPTimeoutError:
        raise
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:  # also 5xx here: of the server, not the message
        return Fate.REFUSED, _code(error)
    try:
        await client.mail(sender)
        await client.rcpt(recipient)
    except UnicodeEncodeError:
        return Fate.FAILED, "address"
    except aiosmtplib.SMTPTimeoutError:
        raise
    except (aiosmtplib.SMTPException, OSError) as error:
        return _refusal(error)
    return None


async def _content(client: aiosmtplib.SMTP, content: bytes) -> tuple[Fate, str]:
    try:
        await client.data(content)
    except aiosmtplib.SMTPTimeoutError:
        raise
    except aiosmtplib.SMTPResponseException as error:
        return _refusal(error)
    except (aiosmtplib.SMTPException, OSError) as error:
        return Fate.UNKNOWN, _code(error)
    with contextlib.suppress(aiosmtplib.SMTPException, OSError):
        await client.quit(timeout=1)
    return Fate.SENT, "250"


def _refusal(error: Exception) -> tuple[Fate, str]:
    permanent = isinstance(error, aiosmtplib.SMTPResponseException) and error.code >= PERMANENT
    return Fate.FAILED if permanent else Fate.REFUSED, _code(error)


def _code(error: Exception) -> str:
    """A status or an error's class; never its text, which repeats addresses."""
    return str(error.code) if isinstance(error, aiosmtplib.SMTPResponseException) else type(error).__name__
