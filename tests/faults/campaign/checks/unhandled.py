"""V: what failed without a fault, or in a way that no fault explains."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tests.faults.campaign.checks.found import Evidence, Finding, Is

NEVER = frozenset({"case_set_aside", "message_set_aside", "topic_halted", "position_beyond_end"})
"""What no fault excuses: a bug of ours, or a record that should not have been there."""


def check(evidence: Evidence) -> Iterator[Finding]:
    """Error lines and tracebacks of every log; programs that ended though nobody ended them; faults that did not heal."""
    for log in evidence.logs:
        found = Counter(what for line in log.read_bytes().splitlines() if (what := _unexplained(evidence, line)))
        evidence.looked_at["V"] += 1
        yield from (Finding("V", Is.UNHANDLED, log.name, f"{what} ({count} times)") for what, count in found.items())
    for at, name, code in evidence.ended_by_itself:
        if not evidence.was_disturbed(at):
            yield Finding("V", Is.UNHANDLED, name, f"ended by itself with code {code}")
    for done in evidence.done:
        if done.note == "NOT STARTED AGAIN":
            yield Finding(
                "V", Is.UNHANDLED, f"fault {done.fault.number}", f"{done.fault.service} was not started again"
            )


def _unexplained(evidence: Evidence, line: bytes) -> str:
    try:
        entry: Any = json.loads(line)
    except ValueError:
        return "Traceback" if line.startswith(b"Traceback") else ""
    if not isinstance(entry, dict) or entry.get("level") not in ("error", "critical"):
        return ""
    at = datetime.fromisoformat(entry["timestamp"]).timestamp()
    event = str(entry.get("event"))
    if event not in NEVER and evidence.was_disturbed(at):
        return ""
    return " ".join(str(entry.get(name, "")) for name in ("event", "what", "error", "source")).strip()
