"""
The least that accepts a webhook durably: FastAPI, asyncpg, one row and one commit a request; nothing is verified or read.

    python -m tests.benchmarks.bare DATABASE_URL PORT

Uvicorn and the pool are set as the chassis sets them.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import uvicorn
from chassis.database import PATIENCE
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

TABLE = "CREATE TABLE accepted (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, body bytea NOT NULL)"


def app(url: str) -> FastAPI:
    """The service on a database, whose table it makes."""

    @asynccontextmanager
    async def live(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(
            url, min_size=1, max_size=8, command_timeout=60, server_settings=PATIENCE
        ) as app.state.pool:
            await app.state.pool.execute(TABLE)
            yield

    bare = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=live)
    bare.post("/v1/adverse-events")(take)
    bare.get("/ready")(ready)
    return bare


async def take(request: Request) -> JSONResponse:
    """Store a body; 202 once it is committed."""
    await request.app.state.pool.execute("INSERT INTO accepted (body) VALUES ($1)", await request.body())
    return JSONResponse({"accepted": True}, 202)


async def ready() -> dict[str, bool]:
    """That the database answers: it was asked before."""
    return {"ready": True}


def main() -> None:
    """Serve until told to stop."""
    uvicorn.run(
        app(sys.argv[1]),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        loop="uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )


if __name__ == "__main__":
    main()
