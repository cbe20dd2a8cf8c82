"""What runs a round: its time, and wake-ups where it hears them."""

from collections import Counter as Tally
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from chassis import Round, Transactions

from tests.support.counter import Counter
from tests.support.workplace import Workplace, until


async def test_a_round_that_is_not_woken_runs_by_time_alone(
    workplace: Workplace, counter: Counter, tmp_path: Path
) -> None:
    runs = Tally[str]()

    def counting(name: str, *, woken: bool) -> Round:
        async def run(_: Transactions) -> timedelta | None:
            runs[name] += 1
            return None

        return Round(name, run, woken=woken)

    rounds = [counting("deaf", woken=False), counting("woken", woken=True)]

    async def wakes(times: int, service: Transactions) -> bool:
        async with service.begin() as work:
            work.wake()
        return runs["woken"] >= times

    async with workplace.running(replace(counter.service(workplace, tmp_path), rounds=rounds)) as service:
        await until(lambda: wakes(5, service.transactions), what="five runs")

    assert runs["deaf"] == 1
