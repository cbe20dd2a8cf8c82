"""
The scripted mail server as a process of its own, with the pages and the JSON of peerline_local.mail (`/messages`), and
`/deliveries`, `/acts` (both JSON) and `PUT /chances` (an object of act and probability) beside them:

    python -m tests.support.scripted_smtp FOLDER --port 8125 --page-port 8105 --seed 7 --chance cut-before-250=0.02
"""

import argparse
import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import uvicorn
from peerline_local.mailbox import ENVELOPE, page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from tests.support.scripted_smtp import Delivery, Script, ScriptedServer, chances_of, scripted_smtp


def _pages(server: ScriptedServer, folder: Path) -> Starlette:
    def deliveries(_request: Request) -> JSONResponse:
        listed = [
            asdict(delivery) | {"received_at": delivery.received_at.isoformat()} for delivery in server.deliveries
        ]
        return JSONResponse([{name: each[name] for name in each if name != "content"} for each in listed])

    def acts(_request: Request) -> JSONResponse:
        return JSONResponse({str(act): count for act, count in server.acts.items()})

    async def put_chances(request: Request) -> JSONResponse:
        server.script.chances = chances_of(await request.json())
        return JSONResponse(server.script.chances)

    routes = [
        Route("/deliveries", deliveries),
        Route("/acts", acts),
        Route("/chances", put_chances, methods=["PUT"]),
        Mount("/", page(folder)),
    ]
    return Starlette(routes=routes)


def _into(folder: Path) -> Callable[[Delivery], None]:
    """Keep each delivery as a file, as peerline_local.mail does, so that its page and `/messages` show it."""

    def keep(delivery: Delivery) -> None:
        above = {"from": "", "to": delivery.recipients, "received_at": delivery.received_at.isoformat()}
        name = f"{delivery.received_at:%Y%m%dT%H%M%S.%fZ}-{random.randrange(1 << 32):08x}.eml"
        (folder / f".{name}").write_bytes(f"{ENVELOPE}: {json.dumps(above)}\r\n".encode() + delivery.content)
        (folder / f".{name}").rename(folder / name)

    return keep


async def _serve(given: argparse.Namespace) -> None:
    script = Script(chances=chances_of(dict(chance.split("=") for chance in given.chance)), seed=given.seed)
    async with scripted_smtp(script, port=given.port, kept=_into(given.folder)) as server:
        settings = uvicorn.Config(
            _pages(server, given.folder), host="127.0.0.1", port=given.page_port, log_level="warning"
        )
        await uvicorn.Server(settings).serve()


def main() -> None:
    """Read the command line and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.scripted_smtp")
    parser.add_argument("folder", type=Path, help="where messages are kept")
    parser.add_argument("--port", "--smtp-port", type=int, required=True)
    parser.add_argument("--page-port", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--chance", action="append", default=[], help="ACT=PROBABILITY, as often as wanted")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(_serve(given))


if __name__ == "__main__":
    main()
