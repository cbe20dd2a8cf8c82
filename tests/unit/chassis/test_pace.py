"""The short rest between two goes."""

import asyncio

import pytest
from chassis.pace import REST, Pace


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was slept, each time; nobody does."""
    found: list[float] = []

    async def note(seconds: float) -> None:
        found.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", note)
    return found


async def test_what_comes_first_or_after_a_quiet_moment_never_waits(
    slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    pace = Pace()

    await pace.rest()
    pace.ended()
    now = asyncio.get_running_loop().time()
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now + 2 * REST, raising=False)
    await pace.rest()

    assert slept == []


async def test_what_follows_at_once_waits_for_the_rest_of_the_rest(slept: list[float]) -> None:
    pace = Pace()

    pace.ended()
    await pace.rest()

    assert len(slept) == 1
    assert 0 < slept[0] <= REST
