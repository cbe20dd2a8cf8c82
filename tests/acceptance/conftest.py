"""One demo for all acceptance tests: it takes most of a minute."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from peerline_local.ports import choose_port_base
from peerline_local.services import PORT_OFFSETS

LONGEST_SECONDS = 240


@dataclass(frozen=True)
class Demo:
    """A demo that has ended, and what it left in its home."""

    home: Path
    exit_code: int
    said: str
    progress: str

    @property
    def outcome(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.said.strip().splitlines()[-1])
        return content

    def left_behind(self) -> Iterator[tuple[str, bytes]]:
        """
        Everything that somebody may come to see who must not learn of anybody: what was said, logs, spans,
        metrics, answers of the doors, and every topic but the feed, as its segments stand on the disk.
        """
        yield "standard output", self.said.encode()
        yield "standard error", self.progress.encode()
        for path in sorted((self.home / "logs").iterdir()):
            yield f"logs/{path.name}", path.read_bytes()
        for path in [
            self.home / "demo" / "answers.jsonl",
            *sorted((self.home / "demo" / "metrics").iterdir()),
        ]:
            yield path.name, path.read_bytes()
        for path in self.segments():
            yield f"{path.parent.name}/{path.name}", path.read_bytes()

    def segments(self) -> list[Path]:
        """The files of Peerline's own topics."""
        folder = self.home / "kafka" / "log"
        feed = "peerline.adverse-events.v1"
        return [path for path in sorted(folder.glob("peerline.*/*.log")) if not path.parent.name.startswith(feed)]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demo, run once as anybody would run it, with everything logged that can be."""
    home = tmp_path_factory.mktemp("demo") / "home"
    base = choose_port_base(PORT_OFFSETS)
    options = ("--once", "--json", "--log-level", "debug", "--port-base", str(base))
    done = subprocess.run(
        [sys.executable, "-m", "peerline_local", "--home", str(home), "demo", *options],
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )
    return Demo(home, done.returncode, done.stdout, done.stderr)
