"""P: what was planted is nowhere outside of sealed parts, private pages, and letters that may hold it."""

from collections.abc import Iterator

from tests.faults.campaign.checks.found import Evidence, Finding, Is
from tests.faults.campaign.reports import CANARIES

PLANTED = tuple(canary.encode() for canary in (*CANARIES, CANARIES[2].replace(" ", ""), "@staff.example"))


def check(evidence: Evidence) -> Iterator[Finding]:
    """Records with keys and headers, logs, metrics, letters."""
    for record in evidence.raw:
        yield from _search(evidence, "a record", record)
    for log in evidence.logs:
        yield from _search(evidence, log.name, log.read_bytes())
    yield from _search(evidence, "metrics", evidence.metrics.encode())
    for delivery in evidence.deliveries:
        yield from _search(evidence, "a letter", delivery.text.encode() + delivery.content)


def _search(evidence: Evidence, place: str, content: bytes) -> Iterator[Finding]:
    evidence.looked_at["P"] += 1
    for planted in PLANTED:
        if planted in content:
            yield Finding("P", Is.UNHANDLED, place, f"holds {planted.decode()}")
