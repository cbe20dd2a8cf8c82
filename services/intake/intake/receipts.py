"""What a sender is told: counts and field paths, never a person."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from intake.casework import Verdict
from intake.domain.referring import Tally
from intake.readers.faults import RowFault


def receipt_of(verdict: Verdict) -> dict[str, Any]:
    """What became of one report."""
    receipt: dict[str, Any] = {
        "incident_id": verdict.report.incident_id,
        "received_at": in_utc(verdict.received_at),
        **asdict(verdict.tally),
        "dropped": list(verdict.report.dropped),
        "reports": 1,
    }
    return receipt if verdict.taken else receipt | {"code": "conflicting-report"}


def receipt_of_all(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """What became of a message: the sums over its incidents, which follow one by one where they are several."""
    receipts = [receipt_of(verdict) for verdict in verdicts]
    if len(receipts) == 1:
        return receipts[0]
    # Two reports of one incident in one message would count its people twice.
    tallies = {verdict.incident: verdict.tally for verdict in verdicts}
    total = sum(tallies.values(), Tally())
    dropped = sorted({path for verdict in verdicts for path in verdict.report.dropped})
    return receipts[0] | asdict(total) | {"dropped": dropped, "reports": len(receipts), "receipts": receipts}


def faults_of(faults: Sequence[RowFault]) -> list[dict[str, Any]]:
    """The rows that were left out: where and why, never what stood there."""
    return [asdict(fault) for fault in faults]


def in_utc(at: datetime) -> str:
    """An instant as RFC 3339 in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
