"""Fixtures of the tests that run a service in the test's own event loop."""

import pytest

from tests.support.counter import Counter


@pytest.fixture
def counter() -> Counter:
    """A service that only counts."""
    return Counter()
