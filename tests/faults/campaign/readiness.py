"""What services say of themselves: whether they are ready, and how much they have yet to take and to say."""

import re

import httpx

LAG = re.compile(r"(?m)^peerline_(?:consumer_lag|outbox_rows) (\S+)$")


def lag(metrics: str) -> float:
    """Records that are not taken yet, and events that are not published, of all services together."""
    return sum(map(float, LAG.findall(metrics)))


async def why_unready(client: httpx.AsyncClient, service: str, url: str) -> str:
    """The checks of a service that fail, empty where it is ready."""
    try:
        answer = (await client.get(f"{url}/ready")).json()
    except (httpx.HTTPError, ValueError) as error:
        return f"{service}: {type(error).__name__}"
    failing = [name for name, check in answer["checks"].items() if not check["ok"]]
    return f"{service}: {', '.join(failing)}" if failing or not answer["ready"] else ""
