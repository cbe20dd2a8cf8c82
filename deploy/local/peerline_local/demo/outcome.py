"""The outcome of a demo: the JSON object that it ends with, and the table that people read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from peerline.events import (
    DeadlineBreached,
    DeadlineEvent,
    DeadlineMet,
    DeadlineSet,
    MatchConfirmed,
    MatchUnavailable,
    OutreachLogged,
    ReferralCreated,
    ReferralJoined,
)
from rich.table import Table

from peerline_local.demo.clocks import Shown
from peerline_local.demo.comparison import Attribution, Fault, Finding, of
from peerline_local.demo.comparison.mail import links
from peerline_local.demo.comparison.referrals import still_unresolved
from peerline_local.demo.ledger import Ledger
from peerline_local.demo.samples import Samples
from peerline_local.mailbox import Message

_STATES = {
    "supporter-notified": "asked",
    "supporter-accepted": "has room",
    "supporter-declined": "declined; the next is sought",
    "contact-shown": "has the contact",
    "contact-attempted": "tried to reach them",
    "contact-made": "reached them",
    "resources-permitted": "may send further help",
    "resources-sent": "sent further help",
    "closed": "closed",
}


@dataclass(frozen=True)
class Outcome:
    """What came of the samples. Each number counts what this run has brought."""

    incidents: int
    physicians_involved: int
    """Physicians by incident or request: somebody in two incidents counts twice."""
    referrals: int
    joined: int
    unresolved: int
    """Named, and in no directory to the end."""
    not_eligible: int
    matches_confirmed: int
    supporters_notified: int
    invitations_sent: int
    """Messages to physicians, from programmes that make the first contact themselves."""
    contacts_shown: int
    deadlines: dict[str, int]
    clocks: Sequence[Shown]
    """One of each kind that a programme has, as sla-monitor shows it."""
    quarantined: int
    missing: list[str]
    duplicates: list[str]
    wrong: list[str]
    """Neither missing nor doubled, but not as it must be."""
    seconds: float

    @property
    def is_good(self) -> bool:
        """Whether nothing is missing, doubled or wrong."""
        return not (self.missing or self.duplicates or self.wrong)

    def as_json(self) -> dict[str, Any]:
        """The object to print."""
        return asdict(self)


def outcome(
    samples: Samples,
    ledger: Ledger,
    mail: Sequence[Message],
    findings: Sequence[Finding],
    *,
    clocks: Sequence[Shown],
    quarantined: int,
    seconds: float,
) -> Outcome:
    """Count what is on the topics and in the mailbox."""
    steps = [logged.step for logged in ledger.new(OutreachLogged)]
    refused = {logged.referral_id for logged in ledger.new(OutreachLogged) if logged.step == "join-refused"}
    return Outcome(
        incidents=len(samples.incidents),
        physicians_involved=len(samples.offers),
        referrals=len(ledger.new(ReferralCreated)),
        joined=len({event.referral_id for event in ledger.new(ReferralJoined)} - refused),
        unresolved=sum(not ledger.is_old(event) for event in still_unresolved(ledger)),
        not_eligible=sum(one.not_eligible for one in samples.spared),
        matches_confirmed=len(ledger.new(MatchConfirmed)),
        supporters_notified=steps.count("supporter-notified"),
        invitations_sent=sum("/p/" in link for message in mail for link in links(message)),
        contacts_shown=steps.count("contact-shown"),
        deadlines=_deadlines(ledger),
        clocks=clocks,
        quarantined=quarantined,
        missing=of(Fault.MISSING, findings),
        duplicates=of(Fault.DUPLICATE, findings),
        wrong=of(Fault.WRONG, findings),
        seconds=round(seconds, 1),
    )


def _deadlines(ledger: Ledger) -> dict[str, int]:
    kinds: dict[str, type[DeadlineEvent]] = {
        "set": DeadlineSet,
        "met": DeadlineMet,
        "breached": DeadlineBreached,
    }
    return {name: len(ledger.new(kind)) for name, kind in kinds.items()}


def table(samples: Samples, ledger: Ledger, zone: ZoneInfo) -> Table:
    """Incident, physician as an opaque id, how far their supporter has come, and by when."""
    whose = Attribution(samples, ledger)
    rows = Table("incident or request", "physician", "supporter", "match due", box=None, pad_edge=False)
    for offer in samples.offers:
        for referral_id in sorted(whose.referrals(offer)):
            rows.add_row(offer.incident, offer.person.id, *_row(ledger, referral_id, zone))
    return rows


def _row(ledger: Ledger, referral_id: UUID, zone: ZoneInfo) -> tuple[str, str]:
    for event in ledger.about(referral_id, ReferralJoined):
        if not ledger.about(referral_id, ReferralCreated):
            state, by = _row(ledger, event.into, zone)
            return f"in the same case: {state}", by
    due = next((e.due_at for e in ledger.about(referral_id, DeadlineSet) if e.clock == "match"), None)
    return _state(ledger, referral_id), f"{due.astimezone(zone):%a %H:%M}" if due else ""


def _state(ledger: Ledger, referral_id: UUID) -> str:
    logged = [one.step for one in ledger.about(referral_id, OutreachLogged) if one.step in _STATES]
    if logged:
        return _STATES[logged[-1] or ""]
    return "nobody can be asked now" if ledger.about(referral_id, MatchUnavailable) else "is sought"
