"""Databases of a PostgreSQL server that is reached by URL."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from peerline_local.apart import run_apart
from peerline_local.errors import StackError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_CONNECT_SECONDS = 5.0


def with_database(url: str, name: str) -> str:
    """Return the URL of another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def why_no_answer(url: str) -> str | None:
    """Connect once: return None when the server answers, else in a line why it does not."""

    async def ask() -> None:
        connection = await asyncpg.connect(url, timeout=_CONNECT_SECONDS)
        await connection.close()

    try:
        run_apart(ask())
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return (str(error) or type(error).__name__).splitlines()[0]
    return None


def create_database(url: str, name: str) -> str:
    """Make a database where it is missing, and return its URL."""
    _require_plain(name)

    async def create() -> None:
        connection = await asyncpg.connect(url, timeout=_CONNECT_SECONDS)
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
                await connection.execute(f'CREATE DATABASE "{name}"')
        except asyncpg.DuplicateDatabaseError:
            pass  # another process made it between the question and the command
        finally:
            await connection.close()

    _run(create, f"cannot create the database {name}")
    return with_database(url, name)


def drop_database(url: str, name: str) -> None:
    """Remove a database and end its connections; no error where it is missing."""
    _require_plain(name)

    async def drop() -> None:
        connection = await asyncpg.connect(url, timeout=_CONNECT_SECONDS)
        try:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        finally:
            await connection.close()

    _run(drop, f"cannot drop the database {name}")


def _require_plain(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise StackError(f"{name!r} is no database name: lower case letters, digits and _ only")


def _run(work: Callable[[], Coroutine[Any, Any, None]], otherwise: str) -> None:
    try:
        run_apart(work())
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise StackError(f"{otherwise}: {reason}") from None
