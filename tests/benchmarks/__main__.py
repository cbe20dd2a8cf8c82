"""
Benchmarks on the embedded stack: `make bench ARGS="--only hop --quick --json"`.

A run counts only if nothing is missing and nothing doubled; figures are of one machine and one run.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import draw, lines_of
from tests.benchmarks.hop import hop
from tests.benchmarks.idle import idle
from tests.benchmarks.journey import journey
from tests.benchmarks.sends import sends
from tests.benchmarks.sweep import sweep
from tests.benchmarks.webhook import webhook
from tests.support.servers import Servers, servers

BENCHMARKS: dict[str, Callable[[Servers, Path, bool], Coroutine[Any, Any, dict[str, Any]]]] = {
    "hop": hop,
    "idle": idle,
    "journey": journey,
    "sends": sends,
    "sweep": sweep,
    "webhook": webhook,
}


def main() -> None:
    """Run the benchmarks that are named, or all, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", choices=sorted(BENCHMARKS), help="one benchmark instead of all")
    parser.add_argument("--quick", action="store_true", help="fewer events: for a look, not for a figure to quote")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--svg", type=Path, help="a file for the curve of journey's burst: what queues at each service")
    chosen = parser.parse_args()
    names = [chosen.only] if chosen.only else sorted(BENCHMARKS)
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="peerline-bench-") as folder, servers(Path(folder) / "stack") as running:
        for name in names:
            report[name] = asyncio.run(BENCHMARKS[name](running, Path(folder), chosen.quick))
    if chosen.svg and "journey" in report:
        draw(report["journey"]["burst"]["queues"], chosen.svg)
    if chosen.json:
        print(json.dumps(report))  # noqa: T201  what a command says
        return
    for name, figures in report.items():
        sys.stdout.write("\n".join([name, *lines_of(figures), ""]))


if __name__ == "__main__":
    main()
