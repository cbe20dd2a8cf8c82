"""Fixtures of all tests: the run's servers, started once when first wanted, and a workplace per test."""

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from chassis import topics
from hypothesis import settings

from tests.support.servers import Servers, servers
from tests.support.workplace import PARTITIONS, Workplace

settings.register_profile("peerline", deadline=None)  # how long an example takes says more about the machine
settings.load_profile("peerline")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """What earlier tests left is collected before a property is tried.

    Python 3.11's parser cannot be entered again: a SystemError comes if a task nobody asked is collected while Hypothesis
    parses (it does so in tests, for descriptions and late imports), since printing that task's traceback parses too.
    """
    if item.get_closest_marker("hypothesis"):
        gc.collect()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Kafka and PostgreSQL of this run."""
    with servers(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture
def workplace(stack: Servers, tmp_path: Path) -> Workplace:
    """Topics, databases and keys of one test."""
    place = Workplace(stack, tmp_path / "workplace")
    asyncio.run(topics.apply(stack.bootstrap, partitions=PARTITIONS, prefix=place.prefix))
    return place
