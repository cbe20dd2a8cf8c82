"""Whatever befalls messages, in whatever order: none arrives twice, and each ends or is a coordinator's."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from notifier.domain import facts
from notifier.sends.smtp import Fate

from tests.support.sending_desk import Desk, desk
from tests.support.workplace import Workplace

Step = Callable[[Desk], Awaitable[None]]
# Of a message that was refused or failed nothing has arrived: that is what the server's word means.
FATES = [(Fate.SENT, True), (Fate.UNKNOWN, True), (Fate.UNKNOWN, False), (Fate.REFUSED, False), (Fate.FAILED, False)]
which = st.integers(0, 3)
hand_overs = st.builds(lambda n, fate: ("hand over", n, *fate), which, st.sampled_from(FATES))
steps = st.one_of(
    st.builds(lambda n: ("claim", n), st.integers(1, 3)),
    hand_overs,
    hand_overs,
    st.builds(lambda n, arrives: ("vanish", n, arrives), which, st.booleans()),
    st.builds(lambda n, knows: ("come back", n, knows), which, st.booleans()),
    st.just(("time",)),
    st.builds(lambda n, act: ("act", n, act), which, st.sampled_from(["send-again", "delivered", "match-again"])),
    st.builds(
        lambda n, what: ("fact", n, what), st.integers(0, 1), st.sampled_from(["withdrawn", "other", "released"])
    ),
)


async def take(at: Desk, step: tuple[object, ...]) -> None:
    match step:
        case ("claim", int(limit)):
            await at.claim(limit)
        case ("hand over", int(number), Fate() as fate, bool(arrives)):
            await at.hand_over(number, fate, arrives)
        case ("vanish", int(number), bool(arrives)):
            await at.vanish(number, arrives)
        case ("come back", int(number), bool(knows)):
            await at.come_back(number, knows)
        case ("time",):
            await at.pass_time()
        case ("act", int(number), str(action)):
            await at.act(number, action)
        case ("fact", int(number), "withdrawn"):
            await at.fact(at.referrals[number], facts.Withdrawn, facts.Withdrawal.WITHDRAWN)
        case ("fact", int(number), "other"):
            await at.fact(at.referrals[number], facts.OtherRequested)
        case ("fact", int(number), "released"):
            await at.fact(at.referrals[number], facts.Released, 1)
            await at.propose(at.referrals[number], 2)
        case _:
            raise AssertionError(step)


async def play(at: Desk, taken: list[tuple[object, ...]]) -> None:
    await at.begin()
    for step in taken:
        await take(at, step)
        await at.check()
    await at.drain()
    await at.check()
    await at.check_ended()


@pytest.mark.timeout(300)
def test_no_message_arrives_twice_unless_a_coordinator_says_so_and_each_ends_or_is_listed(workplace: Workplace) -> None:
    with asyncio.Runner() as runner:
        place = desk(workplace)
        at = runner.run(place.__aenter__())

        # Told as it was found: to shrink a failure against a database takes longer than a test may.
        @settings(
            max_examples=30,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @example([("claim", 2), ("time",), ("come back", 0, True)])
        @example([("claim", 2), ("vanish", 0, True), ("time",), ("come back", 0, True), ("come back", 0, False)])
        @example([("claim", 2), ("vanish", 0, True), ("time",), ("act", 0, "send-again")])
        @example(
            [("claim", 1), ("hand over", 0, Fate.FAILED, False), ("fact", 0, "withdrawn"), ("act", 0, "send-again")]
        )
        @given(st.lists(steps, min_size=8, max_size=20))
        def holds(taken: list[tuple[object, ...]]) -> None:
            runner.run(play(at, taken))

        try:
            holds()
        finally:
            runner.run(place.__aexit__(None, None, None))
