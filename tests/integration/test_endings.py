"""What became of messages is written down together, and one that cannot be written keeps no other from being."""

import asyncio
from collections.abc import Sequence

import pytest
from chassis import UnitOfWork
from notifier.sends import endings
from notifier.sends.ending import Outcome, end
from notifier.sends.endings import Endings
from notifier.sends.smtp import Fate

from tests.support.sending_desk import Desk, desk
from tests.support.workplace import Workplace


async def write_all(at: Desk) -> list[BaseException | None]:
    """Every message in hand arrives at the same time; gives what each was told."""
    async with Endings(at.transactions) as written:
        arrived = [(Outcome(ready.claimed, Fate.SENT, "250"), ready.deadline) for ready in at.in_hand]
        return await asyncio.gather(*[written.write(*each) for each in arrived], return_exceptions=True)


async def states(at: Desk) -> list[str]:
    return [row["state"] for row in await at.transactions.pool.fetch("SELECT state FROM send ORDER BY state")]


async def test_messages_that_arrive_together_are_written_down_in_one_transaction(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    together: list[int] = []

    async def counted(work: UnitOfWork, outcomes: Sequence[Outcome]) -> None:
        together.append(len(outcomes))
        await end(work, outcomes)

    monkeypatch.setattr(endings, "end", counted)
    async with desk(workplace) as at:
        await at.begin()
        await at.claim(2)

        told = await write_all(at)

        assert told == [None, None]
        assert together == [2]
        assert await states(at) == ["sent", "sent"]


async def test_a_message_that_cannot_be_written_down_keeps_no_other_from_being(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(workplace) as at:
        await at.begin()
        await at.claim(2)
        at_fault = at.in_hand[0].claimed

        async def failing(work: UnitOfWork, outcomes: Sequence[Outcome]) -> None:
            await end(work, outcomes)
            if at_fault in [each.claimed for each in outcomes]:
                raise ZeroDivisionError

        monkeypatch.setattr(endings, "end", failing)
        told = await write_all(at)

        assert [type(each) for each in told] == [ZeroDivisionError, type(None)]
        assert await states(at) == ["sending", "sent"]
