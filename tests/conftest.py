"""Fixtures of all tests: the run's servers, started once when first wanted, and a workplace per test."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from chassis import topics
from hypothesis import settings

from tests.support.servers import Servers, servers
from tests.support.workplace import PARTITIONS, Workplace

settings.register_profile("peerline", deadline=None)  # how long an example takes says more about the machine
settings.load_profile("peerline")


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
