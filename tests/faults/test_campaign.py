"""The campaign, shortened: what `make test-long` does with 200 faults on 5,000 referrals."""

from pathlib import Path

import pytest

from tests.faults.campaign.plan import plan
from tests.faults.campaign.readiness import lag
from tests.faults.campaign.run import run

METRICS = """
peerline_consumer_lag {records}
peerline_outbox_rows {unpublished}
peerline_inputs_behind_seconds {seconds}
"""


def test_a_plan_is_its_seed_and_nothing_else() -> None:
    one, again, other = plan(7), plan(7), plan(8)

    assert one == again
    assert one != other
    assert one.faults == 200


@pytest.mark.parametrize(
    ("records", "unpublished", "seconds", "said"),
    [(0, 0, 1.5, ""), (2, 0, 1.5, "2.0 records"), (0, 1, 1.5, "1.0 records"), (0, 0, 7.5, "7.5 s")],
)
def test_nothing_is_at_rest_while_anything_waits_or_may_wait(
    records: int, unpublished: int, seconds: float, said: str
) -> None:
    up_to_date = METRICS.format(records=0, unpublished=0, seconds=0.5)

    found = lag(up_to_date + METRICS.format(records=records, unpublished=unpublished, seconds=seconds), 3.0)

    assert found == said


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
