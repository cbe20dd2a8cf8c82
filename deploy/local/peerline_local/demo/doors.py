"""Handing adverse events in, at each of the three ways there are for incident systems."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from peerline_local.demo.reach import Reach
from peerline_local.errors import StackError
from peerline_local.home import Home

FEED = "peerline.adverse-events.v1"
SOURCE_HEADER = "peerline-source"
# The broker refuses larger records; so does intake's webhook.
LARGEST_RECORD_BYTES = 1024 * 1024 - 1024


def signed(secret: bytes, message_id: str, body: bytes, *, at: float) -> dict[str, str]:
    """
    Return the headers of Standard Webhooks for a body sent `at` (seconds since 1970).

    Ours, not the library's, which takes text only: some bodies here are no text on purpose.
    """
    stamp = str(int(at))
    content = b".".join([message_id.encode(), stamp.encode(), body])
    signature = base64.b64encode(hmac.digest(secret, content, hashlib.sha256)).decode()
    return {"webhook-id": message_id, "webhook-timestamp": stamp, "webhook-signature": f"v1,{signature}"}


def webhook_secret(home: Home, source: str) -> bytes:
    """Return a source's webhook secret from the home; StackError where it has none."""
    path = home.secrets / "sources" / f"{source}.secret"
    try:
        text = path.read_text(encoding="utf-8").strip()
        return base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except FileNotFoundError:
        raise StackError(f"no source {source!r} is known here: see deploy/sources.yaml") from None
    except (binascii.Error, ValueError):
        raise StackError(f"{path} is no webhook secret") from None


async def post_report(
    client: httpx.AsyncClient, home: Home, source: str, body: bytes, *, message_id: str, forged: bool = False
) -> httpx.Response:
    """Send one report to intake's webhook; `forged` signs with a secret that is not the source's."""
    secret = secrets.token_bytes(32) if forged else webhook_secret(home, source)
    headers = {
        **signed(secret, message_id, body, at=time.time()),
        SOURCE_HEADER: source,
        "content-type": "application/json",
    }
    return await client.post("/v1/adverse-events", content=body, headers=headers)


async def import_table(client: httpx.AsyncClient, source: str, body: bytes) -> httpx.Response:
    """Hand a source's CSV file to intake."""
    return await client.post(
        "/v1/imports", params={"source": source}, content=body, headers={"content-type": "text/csv"}
    )


async def produce(reach: Reach, source: str, records: Iterable[tuple[str, bytes]]) -> int:
    """Write records (key, value) to the feed topic in this order; return how many."""
    producer = AIOKafkaProducer(bootstrap_servers=reach.kafka_bootstrap)
    try:
        await producer.start()
        sent = [
            await producer.send(FEED, value, key.encode(), headers=[(SOURCE_HEADER, source.encode())])
            for key, value in records
        ]
        for one in sent:
            await one
        return len(sent)
    except KafkaError as error:
        raise StackError(f"Kafka did not take the records: {type(error).__name__}") from None
    finally:
        await producer.stop()
