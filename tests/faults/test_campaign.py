"""The campaign, shortened: what `make test-long` does with 200 faults on 5,000 referrals."""

from pathlib import Path

import pytest

from tests.faults.campaign.plan import plan
from tests.faults.campaign.run import run


def test_a_plan_is_its_seed_and_nothing_else() -> None:
    one, again, other = plan(7), plan(7), plan(8)

    assert one == again
    assert one != other
    assert one.faults == 200


@pytest.mark.timeout(300)
def test_twenty_faults_miss_nobody_and_contact_nobody_twice(tmp_path: Path) -> None:
    short = plan(20260609, faults=20, referrals=100, size=(20, 20), pause=0.5)

    report = run(short, tmp_path)

    outcome = report.as_json()
    assert outcome["missing"] == []
    assert outcome["doubled"] == []
    assert outcome["unhandled"] == []
    assert outcome["faults"] == 20
    assert outcome["referrals"] >= 90
    assert outcome["recovery_seconds"]["worst"] <= 60
