"""What services say of themselves: whether they are ready, and how much they have yet to take and to say."""

import re

import httpx

BEHIND = re.compile(r"(?m)^peerline_inputs_behind_seconds (\S+)$")
LAG = re.compile(r"(?m)^peerline_(?:consumer_lag|outbox_rows) (\S+)$")


def lag(metrics: str, seconds: float) -> str:
    """
    What is known not to be taken or published yet, in words, and what may not be, where a service is so much behind.

    The latter is noticed also of a partition that nobody reads just now, since its owner was killed.
    """
    if records := sum(map(float, LAG.findall(metrics))):
        return f"{records} records"
    behind = max(map(float, BEHIND.findall(metrics)), default=float("inf"))
    return f"{behind} s" if behind > seconds else ""


async def why_unready(client: httpx.AsyncClient, service: str, url: str) -> str:
    """The checks of a service that fail, empty where it is ready."""
    try:
        answer = (await client.get(f"{url}/ready")).json()
    except (httpx.HTTPError, ValueError) as error:
        return f"{service}: {type(error).__name__}"
    failing = [name for name, check in answer["checks"].items() if not check["ok"]]
    return f"{service}: {', '.join(failing)}" if failing or not answer["ready"] else ""
