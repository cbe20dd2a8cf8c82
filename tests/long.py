"""
What takes long: `make test-long ARGS="--only campaign --faults 200 --seed S --json"`.

Without `--only`, the tests that are marked long, and then a campaign. A campaign without `--seed` draws one and says it;
the same seed gives the same schedule and the same choices. Ends with an error if anything is missing, doubled or
unhandled, or if a recovery took more than a minute.
"""

import argparse
import json
import secrets
import sys
import tempfile
from pathlib import Path

import pytest

from tests.faults.campaign.plan import REFERRALS, plan
from tests.faults.campaign.report import Report
from tests.faults.campaign.run import run


def campaign(given: argparse.Namespace) -> bool:
    """Run one campaign and say what came of it; whether it is good."""
    seed = secrets.randbelow(10**9) if given.seed is None else given.seed
    folder = Path(given.keep or tempfile.mkdtemp(prefix="peerline-campaign-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)  # PostgreSQL's user, where we are root, passes through
    report = run(plan(seed, faults=given.faults, referrals=given.referrals), folder, _say)
    _say(f"the campaign is in {folder}")
    if given.json:
        sys.stdout.write(json.dumps(report.as_json()) + "\n")
    else:
        _tell(report)
    return report.is_good


def _tell(report: Report) -> None:
    for name, value in report.as_json().items():
        _say(f"  {name:<18} {value}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    """Read the command line and run what it says."""
    parser = argparse.ArgumentParser(prog="test-long", description=__doc__)
    parser.add_argument("--only", choices=["campaign", "tests"], help="one of the two")
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--referrals", type=int, default=REFERRALS, help="that are handed in")
    parser.add_argument("--seed", type=int, help="of the campaign; drawn and said without it")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--keep", help="a folder for the campaign's data, logs included")
    given = parser.parse_args()
    good = True
    if given.only != "campaign":
        good = pytest.main(["-m", "long"]) == 0
    if given.only != "tests":
        good = campaign(given) and good
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
