"""What a campaign comes to: the JSON object of its last line, and the words before it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from tests.faults.campaign.checks import Finding, Is

INVARIANTS = ("M", "T", "D", "F", "V", "P")
MOST_LISTED = 100
RECOVERED_WITHIN = 60.0


@dataclass
class Report:
    """The outcome of one campaign."""

    seed: int
    faults: Counter[str]
    incidents: int
    referrals: int
    repeats: int
    messages: int
    findings: Sequence[Finding]
    looked_at: Counter[str]
    recoveries: Sequence[float]
    """Seconds from the last heal of each volley until every service is ready and a probe has its supporter proposed."""
    seconds: float
    counts: dict[str, int] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)

    @property
    def is_good(self) -> bool:
        """Whether nothing is missing, doubled or unhandled, and all recoveries were in time."""
        return not self.findings and max(self.recoveries, default=0) <= RECOVERED_WITHIN

    def of(self, found: Is) -> list[str]:
        """The findings of a kind, in words."""
        return sorted(str(finding) for finding in self.findings if finding.found is found)

    def as_json(self) -> dict[str, Any]:
        """The object that a run ends with."""
        broken = Counter(finding.invariant for finding in self.findings)
        return {
            "seed": self.seed,
            "faults": self.faults.total(),
            "referrals": self.referrals,
            **{str(found): self.of(found)[:MOST_LISTED] for found in Is},
            "recovery_seconds": {
                "p50": round(median(self.recoveries), 1) if self.recoveries else 0.0,
                "worst": round(max(self.recoveries, default=0.0), 1),
            },
            "invariants": {name: {"looked_at": self.looked_at[name], "broken": broken[name]} for name in INVARIANTS},
            "kinds": dict(self.faults),
            "incidents": self.incidents,
            "repeats": self.repeats,
            "messages": self.messages,
            "events": self.counts,
            "notes": dict(self.notes),
            "seconds": round(self.seconds, 1),
        }
