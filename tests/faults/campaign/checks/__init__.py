"""What must hold when a campaign has come to rest, read from topics, mailboxes, worklists and logs only."""

from collections.abc import Iterator

from tests.faults.campaign.checks import cases, deadlines, folds, privacy, receipts, unhandled
from tests.faults.campaign.checks.found import Clocks, Evidence, Finding, Is

CHECKS = (
    receipts.check,
    cases.check_moving,
    cases.check_once,
    cases.check_mail,
    deadlines.check,
    folds.check,
    privacy.check,
    unhandled.check,
)


def check(evidence: Evidence) -> Iterator[Finding]:
    """Everything that is not as it must be."""
    for each in CHECKS:
        yield from each(evidence)


__all__ = ["Clocks", "Evidence", "Finding", "Is", "check"]
