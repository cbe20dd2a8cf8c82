"""What runs a round: its time, and wake-ups where it hears them."""

from collections import Counter as Tally
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from chassis import Round, Transactions, UnitOfWork

from tests.support.counter import Counter
from tests.support.workplace import Workplace, until

RUNS = 5


def counting(runs: Tally[str], name: str, *, woken: bool = True) -> Round:
    """A round that notes that it ran and has nothing due."""

    async def run(_: Transactions) -> timedelta | None:
        runs[name] += 1
        return None

    return Round(name, run, woken=woken)


@asynccontextmanager
async def running(workplace: Workplace, counter: Counter, folder: Path, *rounds: Round) -> AsyncIterator[Transactions]:
    async with workplace.running(replace(counter.service(workplace, folder), rounds=rounds)) as service:
        yield service.transactions


async def wake_until(
    enough: Callable[[], bool], transactions: Transactions, wake: Callable[[UnitOfWork], None]
) -> None:
    """Wake again and again until there were enough runs."""

    async def wakes() -> bool:
        async with transactions.begin() as work:
            wake(work)
        return enough()

    await until(wakes, what="enough runs")


async def test_a_round_that_is_not_woken_runs_by_time_alone(
    workplace: Workplace, counter: Counter, tmp_path: Path
) -> None:
    runs = Tally[str]()
    rounds = counting(runs, "deaf", woken=False), counting(runs, "woken")

    async with running(workplace, counter, tmp_path, *rounds) as transactions:
        await wake_until(lambda: runs["woken"] >= RUNS, transactions, UnitOfWork.wake)

    assert runs["deaf"] == 1


async def test_a_wake_up_by_name_wakes_no_other_round(workplace: Workplace, counter: Counter, tmp_path: Path) -> None:
    runs = Tally[str]()

    async with running(workplace, counter, tmp_path, *[counting(runs, each) for each in ("one", "other")]) as service:
        await until(lambda: _has_run(runs, "other"), what="a first run")
        before = runs["other"]
        await wake_until(lambda: runs["one"] >= RUNS, service, lambda work: work.wake("one"))
        meanwhile = runs["other"] - before

    assert meanwhile <= 1  # it may have been rung for by a connection that was just made


async def _has_run(runs: Tally[str], name: str) -> bool:
    return runs[name] > 0


async def test_what_a_round_will_see_in_time_wakes_it_not(
    workplace: Workplace, counter: Counter, tmp_path: Path
) -> None:
    runs = Tally[str]()

    def wake(work: UnitOfWork) -> None:
        work.wake_by(work.now + timedelta(seconds=90), "soon")
        work.wake_by(work.now + timedelta(seconds=121), "later")
        work.wake_by(None, "never")

    rounds = [counting(runs, each) for each in ("soon", "later", "never")]
    async with running(workplace, counter, tmp_path, *rounds) as transactions:
        await wake_until(lambda: runs["soon"] >= RUNS, transactions, wake)

    assert max(runs["later"], runs["never"]) <= 2  # the first, and one that the listening connection may have rung for
