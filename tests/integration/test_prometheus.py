"""Prometheus itself: it takes our rules, finds in the running services what they ask for, and alarms of a breach."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGKILL
from typing import Any

import httpx
import pytest
import yaml
from chassis import ServiceSettings
from intake.settings import Settings as Intake
from matcher.settings import Settings as Matcher
from notifier.settings import Settings as Notifier
from peerline_local.ports import choose_free_port
from peerline_local.processes import with_parent
from sla_monitor.settings import Settings as SlaMonitor

from tests.faults.killed_place import a_referral
from tests.faults.test_killed_sla_monitor import programmes
from tests.support.killed import in_a_process
from tests.support.monitoring import PROMETHEUS, RULES, TESTS, metric_of, queries, read, selectors
from tests.support.workplace import REPOSITORY, Workplace, until

BINARY = shutil.which("prometheus")
# As for the browser: a laptop without it passes; CI installs Debian's and must use it.
pytestmark = pytest.mark.skipif(BINARY is None and "CI" not in os.environ, reason="no prometheus is installed")
CHECKS = {
    matcher.value
    for query in queries()
    for each in selectors(query.expression)
    for matcher in each.matchers.matchers
    if matcher.name == "check"
}
ONE_OVERDUE = 'max by (clock) (peerline_clocks_overdue{firmness="promised"}) == 1'
OF_PROMETHEUS = {"up", "ALERTS"}


@dataclass
class Prometheus:
    """A running Prometheus."""

    client: httpx.AsyncClient

    async def ask(self, path: str, **parameters: str) -> Any:
        """What its API answers; AssertionError with its words where it refuses."""
        answer = await self.client.get(f"/api/v1/{path}", params=parameters)
        assert answer.status_code == 200, (parameters, answer.text)
        return answer.json()["data"]

    async def has(self, expression: str) -> bool:
        """Whether an expression gives anything now."""
        return bool((await self.ask("query", query=expression))["result"])

    async def firing(self) -> dict[str, dict[str, Any]]:
        """The alerts that fire now, by name."""
        found = (await self.ask("alerts"))["alerts"]
        return {alert["labels"]["alertname"]: alert for alert in found if alert["state"] == "firing"}


def configure(folder: Path, targets: Mapping[str, str]) -> None:
    """Write the configuration and rules as deployed, but with these targets by service, and seconds for minutes."""
    configuration = read(PROMETHEUS / "prometheus.yml")
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    for each in configuration["scrape_configs"][0]["static_configs"]:
        each["targets"] = [targets[each["labels"]["service"]].removeprefix("http://")]
    (folder / "rules").mkdir(parents=True)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    for file in RULES.glob("*.yml"):
        rules = read(file)
        for alert in (alert for group in rules["groups"] for alert in group["rules"] if "for" in alert):
            alert["for"] = "1s"
        (folder / "rules" / file.name).write_text(yaml.safe_dump(rules))


def start(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    """Prometheus in a folder, on loopback; it ends with us."""
    arguments = {
        "config.file": "prometheus.yml",
        "storage.tsdb.path": "data",
        "web.listen-address": f"127.0.0.1:{port}",
    }
    command = (BINARY or "prometheus", *(f"--{name}={value}" for name, value in arguments.items()))
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(with_parent(command, SIGKILL, None), cwd=folder, stdout=log, stderr=log)


@asynccontextmanager
async def prometheus(folder: Path, targets: Mapping[str, str]) -> AsyncIterator[Prometheus]:
    """Prometheus over these services."""
    configure(folder, targets)
    port = choose_free_port()
    process = start(folder, port)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            await until(lambda: _answers(client), seconds=60, what=f"Prometheus; its log is {folder / 'log'}")
            yield Prometheus(client)
    finally:
        process.kill()
        await asyncio.to_thread(process.wait)


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/-/ready")).status_code == 200
    except httpx.TransportError:
        return False


@asynccontextmanager
async def all_services(place: Workplace, promises: Path) -> AsyncIterator[dict[str, str]]:
    """The four services as processes; gives the address of each."""
    for name in ("rehearsal.secret", "shcp-risk.secret"):
        (place.folder / name).write_text("whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0")
    mail = {"smtp_host": "127.0.0.1", "smtp_from": "hello@mail.example", "public_url": "http://pages.example"}
    doors = {"sources": REPOSITORY / "deploy" / "sources.yaml", "source_secrets": place.folder}
    settings: dict[str, tuple[type[ServiceSettings], dict[str, Any]]] = {
        "intake": (Intake, doors),
        "matcher": (Matcher, {}),
        "notifier": (Notifier, mail),
        "sla-monitor": (SlaMonitor, {}),
    }
    async with AsyncExitStack() as stack:
        started = {}
        for name, (kind, more) in settings.items():
            given = place.settings(kind, name, programmes=promises, **more)
            started[name] = await stack.enter_async_context(in_a_process(name, given, place.folder))
        for child in started.values():
            await child.ready()
        yield {name: child.url for name, child in started.items()}


def promtool(*arguments: str) -> str:
    """Run promtool where our files are; gives what it said, AssertionError with it where it complains."""
    done = subprocess.run(("promtool", *arguments), cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_finds_nothing_wrong_with_the_configuration_and_the_rules() -> None:
    said = promtool("check", "config", "prometheus.yml")
    said += promtool("check", "rules", *(str(file) for file in RULES.glob("*.yml")))

    assert said.count("SUCCESS") >= 3
    assert "FAILED" not in said


def test_every_alert_fires_in_the_tests_of_the_rules() -> None:
    said = promtool("test", "rules", *(str(file) for file in TESTS.glob("*.yml")))

    assert "FAILED" not in said


@pytest.mark.timeout(300)
async def test_prometheus_finds_every_metric_in_the_running_services_and_alarms_of_a_broken_promise(
    workplace: Workplace, tmp_path: Path
) -> None:
    promises = programmes(tmp_path / "programmes", "PT3S")
    async with (
        all_services(workplace, promises) as targets,
        prometheus(tmp_path / "prometheus", targets) as running,
    ):
        # The count must have been seen at zero, as it is in a service that has run for a while.
        await until(lambda: running.has('peerline_deadline_decisions_total{what="breached"} == 0'), seconds=60)
        await until(lambda: running.has('count(up{job="peerline"} == 1) == 4'), seconds=60, what="all four targets")
        await until(lambda: running.has("count(peerline_check_ok == 1) >= 20"), seconds=60, what="the checks of /ready")
        known = {name.removesuffix("_total") for name in await running.ask("metadata")}
        asked = {metric_of(each) for query in queries() for each in selectors(query.expression)}
        for query in queries():
            await running.ask("query", query=query.expression)
        unmatched = [check for check in CHECKS if not await running.has(f'peerline_check_ok{{check="{check}"}}')]
        before = await running.firing()

        await workplace.publish(a_referral(workplace, promises).created(received_at=datetime.now(UTC)))
        await until(lambda: _fires(running, "PeerlinePromiseBroken"), seconds=90, what="the alert of a broken promise")
        alert = (await running.firing())["PeerlinePromiseBroken"]
        await until(lambda: running.has(ONE_OVERDUE), seconds=60, what="the overdue clock to be counted")

    assert asked - known - OF_PROMETHEUS == set()
    assert unmatched == []
    assert "PeerlinePromiseBroken" not in before
    assert "PeerlineServiceDown" not in before
    assert alert["labels"] == {"alertname": "PeerlinePromiseBroken", "clock": "match", "severity": "page"}
    assert alert["annotations"]["runbook"] == "README.md#alarms"


async def _fires(running: Prometheus, name: str) -> bool:
    return name in await running.firing()
