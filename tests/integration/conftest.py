"""Fixtures of the tests that run a service in the test's own event loop."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from matcher.main import service as matcher
from matcher.settings import Settings as MatcherSettings
from sla_monitor.main import service as monitor
from sla_monitor.settings import Settings as MonitorSettings

from tests.support.counter import Counter
from tests.support.matcher_office import Office, matcher_programmes
from tests.support.notifier_place import Post, post_office
from tests.support.notifier_place import programmes as notifier_programmes
from tests.support.workplace import Running, Workplace


@pytest.fixture
def counter() -> Counter:
    """A service that only counts."""
    return Counter()


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    """A mail server that does as the test tells it."""
    async with post_office(Post()) as office:
        yield office


@pytest.fixture
async def office(workplace: Workplace, tmp_path: Path) -> AsyncIterator[Office]:
    """A running matcher with the programmes of `matcher_programmes`."""
    files = matcher_programmes(tmp_path)
    settings = workplace.settings(MatcherSettings, "matcher", programmes=files)
    async with workplace.running(matcher(settings)) as running:
        yield Office(workplace, running, files)


@pytest.fixture
def folder(workplace: Workplace) -> Path:
    """SHCP, the same with invitations, and the same with a coordinator who approves; contact hours all day."""
    folder = notifier_programmes(workplace.folder / "kinds")
    said = yaml.safe_load((folder / "shcp.yaml").read_text())
    approved = said | {"id": "approved", "matching": said["matching"] | {"approval": "coordinator"}}
    (folder / "approved.yaml").write_text(yaml.safe_dump(approved))
    return folder


@pytest.fixture
async def service(workplace: Workplace, programmes: Path) -> AsyncIterator[Running]:
    """A running monitor; which `programmes` it holds, a test file says by a fixture of its own."""
    described = monitor(workplace.settings(MonitorSettings, "sla-monitor", programmes=programmes))
    async with workplace.running(described) as running:
        yield running
