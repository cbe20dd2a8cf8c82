"""The demo from end to end: a home, a stack with the overlay, one run, and its outcome."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from peerline.programme import ProgrammeError, read_programmes

from peerline_local.demo.outcome import Outcome
from peerline_local.demo.overlay import overlaid
from peerline_local.demo.reach import Reach
from peerline_local.demo.samples import SEED, Samples, make_samples, write
from peerline_local.demo.show import Show
from peerline_local.errors import StackError
from peerline_local.home import Home, write_atomically
from peerline_local.running import state_of
from peerline_local.services import Options

Say = Callable[[str], None]
_KEPT = ("secrets", "running", "ports.json")


@dataclass(frozen=True)
class Choices:
    """What may differ from one demo to the next."""

    seed: int = SEED
    port_base: int = 8101
    log_level: str = "info"


def prepare(home: Home, choices: Choices) -> tuple[Options, Samples]:
    """
    Make the home ready: samples and overlay are written, an earlier demo's data is removed.

    Data that no demo made stays, and the samples are added to it. Raises StackError while a stack runs
    from the home, or for a wrong programme file.
    """
    if state_of(home) is not None:
        raise StackError(f"a stack runs from {home.path}: stop it, or choose another --home")
    _empty_after_demo(home)
    samples = make_samples(datetime.now(UTC), choices.seed)
    write(samples, home.folder(home.path / "demo" / "samples"))
    try:
        programmes = overlaid(Options().programmes_folder(), home)
    except ProgrammeError as error:
        raise StackError(str(error)) from None
    options = Options(choices.port_base, programmes, log_level=choices.log_level, trace_ratio=1.0)
    return options, samples


def perform(home: Home, samples: Samples, options: Options, say: Say, began: float) -> tuple[Outcome, Show]:
    """
    Run the samples through the stack that is up.

    `say` is told how far it is, often; `began` (time.monotonic()) is from when the seconds count.
    """
    programmes = read_programmes(options.programmes_folder())
    show = Show(Reach.of(home), samples, programmes, say, began)
    return asyncio.run(show.run()), show


def _empty_after_demo(home: Home) -> None:
    """Remove what an earlier demo left, but its secrets and ports; mark an unused home as the demo's."""
    mark = home.path / "demo" / "made-by-demo"
    if mark.exists():
        for path in home.path.iterdir():
            if path.name not in _KEPT:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    is_unused = not home.postgres.exists() and not home.kafka.exists()
    home.folder(mark.parent)
    if is_unused:
        write_atomically(mark, "The next demo empties this home.\n")
