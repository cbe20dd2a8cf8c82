"""The whole stack through its command, with stand-ins for the services."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from peerline_local.ports import choose_port_base
from peerline_local.services import PORT_OFFSETS

STAND_IN = """
import http.server, os, pathlib, sys

variables = {name: value for name, value in os.environ.items() if name.startswith("PEERLINE_")}
if os.environ.get("BROKEN") == os.environ["PEERLINE_HTTP_PORT"]:
    sys.exit("settings: PEERLINE_EXAMPLE: is missing")

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(repr(variables).encode() if self.path == "/variables" else b"{}")

address = (variables["PEERLINE_HTTP_HOST"], int(variables["PEERLINE_HTTP_PORT"]))
http.server.ThreadingHTTPServer(address, Answer).serve_forever()
"""
TOPICS = "async def apply(bootstrap): print('topics made at', bootstrap)"
SOURCES = "sources: [{id: risk, secret: risk-webhook}, {id: files}]"


@dataclass
class Place:
    """A home and the ports of its stack."""

    home: Path
    base: int
    environment: dict[str, str]

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = self._command(*arguments)
        return subprocess.run(command, env=self.environment | more, capture_output=True, text=True, check=False)

    def up(self) -> subprocess.Popen[str]:
        command = self._command("up", "--port-base", str(self.base))
        process = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdout is not None
        said = ""
        while "Everything is ready" not in said:
            line = process.stdout.readline()
            if not line:
                process.communicate()
                pytest.fail(f"the stack ended before it was ready: {said}")
            said += line
        return process

    def state(self) -> dict[str, Any]:
        return dict(json.loads((self.home / "state.json").read_text()))

    def pids(self) -> list[int]:
        return [program["pid"] for program in self.state()["programs"]]

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "peerline_local", "--home", str(self.home), *arguments]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("stack")
    for name in ("intake", "matcher", "notifier", "sla_monitor"):
        write(folder / "stand-ins" / name / "main.py", STAND_IN)
    write(folder / "stand-ins" / "chassis" / "topics.py", TOPICS)
    write(folder / "sources.yaml", SOURCES)
    (folder / "programmes").mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PEERLINE_")},
        **{name: os.environ[name] for name in ("PEERLINE_CACHE", "PEERLINE_MAVEN_URL") if name in os.environ},
        "PYTHONPATH": str(folder / "stand-ins"),
        "PEERLINE_PROGRAMMES": str(folder / "programmes"),
        "PEERLINE_SOURCES": str(folder / "sources.yaml"),
    }
    return Place(folder / "home", free_base(), environment)


@pytest.fixture(scope="module")
def running(place: Place) -> Iterator[Place]:
    process = place.up()
    yield place
    process.terminate()
    process.communicate(timeout=60)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "__init__.py").touch()
    path.write_text(text)


def free_base() -> int:
    return choose_port_base(PORT_OFFSETS)


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s"
        time.sleep(0.05)


def runs(pid: int) -> bool:
    # One that ended stays in the table until its parent, or the system's first process, has noticed.
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def variables(place: Place, service: str) -> dict[str, str]:
    return dict(eval(httpx.get(f"{place.state()['urls'][service]}/variables").text))  # noqa: S307  our own repr


def test_a_second_up_on_a_home_that_runs_says_so(running: Place) -> None:
    second = running.run("up", "--detach")

    pid = running.state()["supervisor"]["pid"]
    assert second.returncode == 1
    assert second.stderr == f"peerline: the stack already runs from {running.home} (process {pid})\n"


def test_status_shows_every_service_as_ready(running: Place) -> None:
    shown = running.run("status", "--json")

    assert shown.returncode == 0
    services = json.loads(shown.stdout)["services"]
    assert {service["name"] for service in services} == {"intake", "matcher", "notifier", "sla-monitor", "mailbox"}
    assert all(service["ready"] for service in services)


def test_each_service_is_given_its_own_database_and_only_the_keys_it_may_have(running: Place) -> None:
    given = {name: variables(running, name) for name in ("intake", "matcher", "notifier", "sla-monitor")}

    assert len({each["PEERLINE_DATABASE_URL"] for each in given.values()}) == 4
    assert len({each["PEERLINE_ID_KEY_FILE"] for each in given.values()}) == 4
    assert len({each["PEERLINE_STORE_KEY_FILE"] for each in given.values()}) == 4
    opening = {name: Path(each.get("PEERLINE_OPENING_KEYS", "none")).name for name, each in given.items()}
    assert opening == {
        "intake": "intake.jwks.json",
        "matcher": "matcher.jwks.json",
        "notifier": "notifier.jwks.json",
        "sla-monitor": "none",
    }
    pseudonyms = {name: each.get("PEERLINE_PSEUDONYM_KEY_FILE") for name, each in given.items()}
    assert pseudonyms["intake"] == pseudonyms["matcher"] is not None
    assert pseudonyms["notifier"] is pseudonyms["sla-monitor"] is None
    public = json.loads(Path(given["intake"]["PEERLINE_SEALING_KEYS"]).read_text())["keys"]
    assert {key["kid"].partition(".")[0] for key in public} == {"matcher", "notifier", "desk", "intake"}
    assert not any("d" in key for key in public)


def test_secrets_can_be_read_by_their_owner_only(running: Place) -> None:
    files = [path for path in (running.home / "secrets").rglob("*") if path.is_file()]

    assert {path.name for path in files} >= {"operator.token", "coordinator.token", "risk.secret", "risk-webhook"}
    assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o600"}
    assert (running.home / "secrets" / "sources" / "risk.secret").read_text().startswith("whsec_")


def test_a_service_that_crashed_is_started_again(running: Place) -> None:
    (before,) = [program for program in running.state()["programs"] if program["name"] == "matcher"]

    os.kill(before["pid"], signal.SIGKILL)

    wait_until(lambda: before["pid"] not in running.pids())
    url = running.state()["urls"]["matcher"]
    wait_until(lambda: answers(url))


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready").status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module")
def alone(place: Place) -> Place:
    """Another home, with the same stand-ins, for one start after the other."""
    return Place(place.home.with_name("alone"), free_base(), place.environment)


def test_nothing_is_left_running_after_sigterm(alone: Place) -> None:
    process = alone.up()
    pids = alone.pids()
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert output.endswith("Stopped\n")
    assert [pid for pid in pids if runs(pid)] == []
    assert not (alone.home / "state.json").exists()


def test_nothing_is_left_running_after_the_supervisor_was_killed(alone: Place) -> None:
    process = alone.up()
    pids = alone.pids()
    process.kill()
    process.communicate(timeout=60)

    wait_until(lambda: not any(runs(pid) for pid in pids))
    assert alone.run("down").stdout == "Stopped\n"
    assert alone.run("down").stdout == f"Nothing runs from {alone.home}\n"


def test_a_busy_port_is_named_and_nothing_is_started(alone: Place) -> None:
    with socket.create_server(("127.0.0.1", alone.base + 2)):
        done = alone.run("up", "--port-base", str(alone.base))

    assert done.returncode == 1
    taken = alone.base + 2
    expected = f"peerline: port {taken} (notifier) is already in use: choose others with --port-base\n"
    assert done.stderr == expected
    assert done.stdout == ""
    assert not (alone.home / "state.json").exists()


def test_a_service_that_cannot_start_is_named_with_its_last_words_and_the_rest_stopped(alone: Place) -> None:
    done = alone.run("up", "--detach", "--port-base", str(alone.base), BROKEN=str(alone.base + 1))

    assert done.returncode == 1
    assert done.stderr.startswith("peerline: matcher ended 2 times; the end of ")
    assert "settings: PEERLINE_EXAMPLE: is missing" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((alone.home / "running").glob("*.json")) == []
    assert not (alone.home / "state.json").exists()


def test_a_folder_of_programmes_that_is_missing_is_named(alone: Place) -> None:
    done = alone.run("up", "--port-base", str(alone.base), PEERLINE_PROGRAMMES="/nowhere")

    assert done.returncode == 1
    assert done.stderr == "peerline: there is no folder of programmes at /nowhere\n"
