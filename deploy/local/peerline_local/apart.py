"""Await something from code that is not asynchronous, whether or not a loop runs around it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Answer = TypeVar("Answer")


def run_apart(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Run a coroutine to its end in a thread and loop of its own; return or raise what it does."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
