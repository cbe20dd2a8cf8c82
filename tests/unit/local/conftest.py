import pytest
from peerline_local.demo.scenes import Offer

from tests.unit.local.perfect_run import Run, perfect_run


@pytest.fixture
def run() -> Run:
    return perfect_run()


@pytest.fixture
def offer(run: Run) -> Offer:
    """One that nothing is special about."""
    return next(one for one in run.samples.offers if one.source and one.known and not one.retracted)
