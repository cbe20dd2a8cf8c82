"""What must not end in a service, and how the process ends with it."""

import asyncio
import os
import signal

import pytest
from chassis import service
from chassis.service import _cancel, _never_ending


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The signals that this process sends itself."""
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda _pid, number: sent.append(number))
    return sent


async def test_work_that_a_library_cancels_ends_the_process(signals: list[int]) -> None:
    async def work() -> None:
        inner = asyncio.create_task(asyncio.sleep(60))
        inner.cancel()
        await inner

    await _never_ending(work())

    assert signals == [signal.SIGTERM]


async def test_work_that_is_cancelled_as_asked_ends_in_peace(signals: list[int]) -> None:
    task = asyncio.create_task(_never_ending(asyncio.sleep(60)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert task.cancelled()
    assert signals == []


async def test_work_whose_clean_up_fails_when_it_is_cancelled_ends_all_the_same(
    signals: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "LEAVE", 0.01)
    failures = 0

    async def work() -> None:
        nonlocal failures
        while True:
            try:
                try:
                    await asyncio.sleep(60)
                finally:
                    if not failures:
                        raise ConnectionError  # as a rollback does, on a connection that has just gone
            except ConnectionError:
                failures += 1

    task = asyncio.create_task(_never_ending(work()))
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await _cancel(task)

    assert failures == 1
    assert task.cancelled()
    assert signals == []
