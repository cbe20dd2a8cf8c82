"""
A mail server that delivers nothing: it keeps each message as a file, and shows them on a page.

    python -m peerline_local.mail FOLDER --smtp-port 8125 --page-port 8105

Loopback only, no log-in: what arrives may be read by whoever can open the page.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import secrets
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session

from peerline_local.errors import StackError
from peerline_local.home import write_atomically
from peerline_local.mailbox import ENVELOPE, page
from peerline_local.ports import LOOPBACK

logger = logging.getLogger(__name__)

LARGEST_MESSAGE_BYTES = 5 * 1024 * 1024


class Keeper:
    """Keeps each message that aiosmtpd has received, before it answers 250."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  so called by it
        """Write one file, with the envelope in a line of ours above the sender's."""
        received = datetime.now(UTC)
        name = f"{received:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(3)}.eml"
        content = envelope.original_content or b""
        above = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "received_at": received.isoformat(),
        }
        try:
            write_atomically(self._folder / name, f"{ENVELOPE}: {json.dumps(above)}\r\n".encode() + content)
        except (StackError, OSError) as error:
            logger.error("message not kept: %s", error)
            return "452 4.3.1 cannot store the message now"
        logger.info("message kept: %s, %d bytes", name, len(content))
        return f"250 2.0.0 kept as {name}"


async def serve(folder: Path, smtp_port: int, page_port: int, largest_bytes: int) -> None:
    """Receive mail and show it until the process is told to stop."""
    keeper = Keeper(folder)
    loop = asyncio.get_running_loop()
    await loop.create_server(
        lambda: SMTP(keeper, data_size_limit=largest_bytes, ident="Peerline mail", loop=loop),
        host=LOOPBACK,
        port=smtp_port,
    )
    settings = uvicorn.Config(page(folder), host=LOOPBACK, port=page_port, access_log=False)
    await uvicorn.Server(settings).serve()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m peerline_local.mail")
    parser.add_argument("folder", type=Path, help="where messages are kept")
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--page-port", type=int, required=True)
    parser.add_argument("--largest", type=int, default=LARGEST_MESSAGE_BYTES, help="in bytes")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd's, a line per command
    given.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        asyncio.run(serve(given.folder, given.smtp_port, given.page_port, given.largest))
    except OSError as error:
        raise SystemExit(f"mail cannot be received: {error}") from None


if __name__ == "__main__":
    main()
