"""Ask a Kafka broker that is reached by address whether it can work."""

from __future__ import annotations

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from peerline_local.apart import run_apart

_ANSWER_MS = 5_000


def why_no_answer(bootstrap: str) -> str | None:
    """
    Ask for the cluster: return None when it has a broker, else in a line why it has none.

    A broker that accepts connections but is not registered yet counts as none.
    """

    async def ask() -> bool:
        client = AIOKafkaClient(bootstrap_servers=bootstrap, request_timeout_ms=_ANSWER_MS)
        try:
            await client.bootstrap()
            return bool(client.cluster.brokers())
        finally:
            await client.close()

    try:
        return None if run_apart(ask()) else "no broker has registered"
    except (KafkaError, OSError, TimeoutError, ValueError) as error:
        return (str(error) or type(error).__name__).splitlines()[0]
