"""
One process takes events, writes its effect and publishes one event for each, until all of them are on Kafka.

The contenders take turns on one topic, in another order each time, each with a fresh database and a fresh topic of its
own to write to. The clock is the broker's, and starting does not count: the rate runs from the end of the first tenth
to the last output. A lap counts only if the outbox is empty and nothing is missing or doubled.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import paired, spread
from tests.benchmarks.output import Failed
from tests.benchmarks.track import Contender, Lap, Track
from tests.support.servers import Servers

OURS = "tests.benchmarks.contenders.chassis"
CHASSIS = Contender("chassis", (OURS,))
OTHERS = (
    Contender("silent", (OURS, "--silent")),
    Contender("floor", ("tests.benchmarks.contenders.floor",)),
    Contender("quix", ("tests.benchmarks.contenders.quix",), is_peer=True),
    Contender("faust", ("tests.benchmarks.contenders.faust",), is_peer=True),
    Contender("naive", ("tests.benchmarks.contenders.naive",), share=0.05),
)
DUTIFUL = Contender("dutiful", ("tests.benchmarks.contenders.dutiful",))
SEALED = Contender("sealed", (OURS, "--sealed"))
Laps = dict[str, list[Lap]]


async def hop(servers: Servers, folder: Path, quick: bool) -> dict[str, Any]:
    """Events a second, CPU and memory of each contender, and ours ÷ theirs."""
    events, rounds = (20_000, 1) if quick else (60_000, 7)
    track = Track(servers, folder / "hop", events)
    await track.lay()
    if not quick:
        await track.lap(CHASSIS)  # the broker and the disk warm up
    others = OTHERS if quick else (*OTHERS, DUTIFUL)
    laps, failures = await _rounds(track, (CHASSIS, *others), rounds)
    sealed = Track(servers, folder / "hop-sealed", events // 10, sealed=True)
    await sealed.lay()
    with_seals, failed = await _rounds(sealed, (SEALED,), rounds)
    return {
        "events": events,
        "rounds": rounds,
        **_figures(laps | with_seals),
        "ratios": _ratios(laps),
        "failures": failures | failed,
        "missing": 0,
        "doubled": 0,
    }


async def _rounds(track: Track, contenders: Sequence[Contender], rounds: int) -> tuple[Laps, dict[str, str]]:
    """Laps by contender, one after the other in each round; and why one does not run."""
    laps: Laps = {each.name: [] for each in contenders}
    failures: dict[str, str] = {}
    for number in range(rounds):
        for contender in random.Random(number).sample(contenders, len(contenders)):  # what one leaves behind meets any
            if contender.name in failures:
                continue
            try:
                laps[contender.name].append(await track.lap(contender))
            except Failed as failure:
                if contender.command[0] == OURS:
                    raise SystemExit(f"hop: {contender.name}: {failure}; the figures do not count") from None
                failures[contender.name] = str(failure)
                laps.pop(contender.name)
    return laps, failures


def _figures(laps: Laps) -> dict[str, Any]:
    return {
        "events_per_second": {name: spread([lap.events_per_second for lap in each]) for name, each in laps.items()},
        "cpu_us_per_event": {
            name: {part: spread([lap.cpu[part] for lap in each], 1)["median"] for part in each[0].cpu}
            for name, each in laps.items()
        },
        "memory_mb": {name: spread([lap.memory_mb for lap in each])["median"] for name, each in laps.items()},
    }


def _ratios(laps: Laps) -> dict[str, float]:
    """Ours ÷ theirs, round by round; `telemetry` is with ÷ without."""
    rates = {name: [lap.events_per_second for lap in each] for name, each in laps.items()}
    named = {"telemetry" if name == "silent" else name: rate for name, rate in rates.items() if name != CHASSIS.name}
    return {name: paired(rates[CHASSIS.name], rate) for name, rate in named.items()}
