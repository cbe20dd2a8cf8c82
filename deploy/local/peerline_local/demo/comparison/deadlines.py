"""Each clock of each referral has one deadline, and each deadline one end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TypeVar
from uuid import UUID

from peerline.events import (
    ClockPaused,
    ClockRecalculated,
    DeadlineBreached,
    DeadlineEvent,
    DeadlineMet,
    DeadlineSet,
    MatchConfirmed,
    OutreachLogged,
    ParticipantUnresolved,
    ReferralCreated,
    ReferralJoined,
    ReferralWithdrawn,
)

from peerline_local.demo.comparison.findings import Finding, duplicate, missing
from peerline_local.demo.comparison.matches import is_closed
from peerline_local.demo.comparison.referrals import Attribution
from peerline_local.demo.ledger import Ledger
from peerline_local.demo.samples import Samples

MATCH, FIRST_CONTACT = "match", "first-contact"
_D = TypeVar("_D", bound=DeadlineEvent)
_CONTACT = ("contact-attempted", "contact-made")


def compare_deadlines(samples: Samples, ledger: Ledger, whose: Attribution) -> Iterator[Finding]:
    """Compare the clocks that must run with the deadlines that were set, met and breached."""
    created = {event.referral_id for event in ledger.all(ReferralCreated)}
    unresolved = {event.referral_id for event in ledger.all(ParticipantUnresolved)}
    for referral_id in created | unresolved:
        label = whose.label(referral_id)
        for clock in (MATCH, FIRST_CONTACT) if referral_id in created else (MATCH,):
            yield from _clock(label, referral_id, clock, ledger)
    for request in samples.requests:
        if request.late:
            for referral_id in whose.referrals(request.offer):
                yield from _late(request.offer.label, referral_id, ledger)


def _clock(label: str, referral_id: UUID, clock: str, ledger: Ledger) -> Iterator[Finding]:
    was_set = _of(ledger, referral_id, DeadlineSet, clock)
    # A case that ended before its clock was started needs none: topics have no order among each other.
    cut_short = is_closed(ledger, referral_id) and bool(ledger.about(referral_id, ReferralWithdrawn))
    if not was_set and not cut_short:
        yield missing(label, f"no {clock} deadline")
    yield from _set_once(label, referral_id, clock, was_set, ledger)
    ends: list[DeadlineEvent] = []
    for kind in (DeadlineMet, DeadlineBreached):
        of_kind = _of(ledger, referral_id, kind, clock)
        ends += of_kind
        if len(of_kind) > 1:
            yield duplicate(label, f"{clock} {kind.name}: {len(of_kind)} times")
    if was_set and not ends and _stopped(ledger, referral_id, clock) and not cut_short:
        yield missing(label, f"{clock} deadline neither met nor breached")


def _set_once(
    label: str, referral_id: UUID, clock: str, was_set: list[DeadlineSet], ledger: Ledger
) -> Iterator[Finding]:
    """Once; a further trigger may set it anew, to an earlier time, a pause or a recalculation to any."""
    if any(ledger.about(referral_id, kind) for kind in (ClockPaused, ClockRecalculated)):
        return
    joins = sum(event.into == referral_id for event in ledger.all(ReferralJoined))
    if len(was_set) > 1 + joins:
        yield duplicate(label, f"{clock} deadline set {len(was_set)} times")
    for due, count in Counter(event.due_at for event in was_set).items():
        if count > 1:
            yield duplicate(label, f"{clock} deadline of {due:%H:%M} set {count} times")


def _stopped(ledger: Ledger, referral_id: UUID, clock: str) -> bool:
    if clock == MATCH:
        return bool(ledger.about(referral_id, MatchConfirmed))
    return any(logged.step in _CONTACT for logged in ledger.about(referral_id, OutreachLogged))


def _late(label: str, referral_id: UUID, ledger: Ledger) -> Iterator[Finding]:
    """What was keyed too late is breached at once, and says so; what joined a case has no clock of its own."""
    if not ledger.about(referral_id, ReferralCreated):
        return
    breaches = _of(ledger, referral_id, DeadlineBreached, MATCH)
    if not any(event.late_entry for event in breaches):
        yield missing(label, "keyed late, and not breached on entry")


def _of(ledger: Ledger, referral_id: UUID, kind: type[_D], clock: str) -> list[_D]:
    return [event for event in ledger.about(referral_id, kind) if event.clock == clock]
