"""Each case has one supporter asked at a time, never the same twice, and none who must not be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from uuid import UUID

from peerline.events import (
    MatchConfirmed,
    MatchEvent,
    MatchProposed,
    MatchReleased,
    MatchUnavailable,
    OutreachLogged,
    ReferralCreated,
    ReferralWithdrawn,
)

from peerline_local.demo.comparison.findings import Finding, duplicate, missing, wrong
from peerline_local.demo.comparison.referrals import Attribution
from peerline_local.demo.ledger import Ledger
from peerline_local.demo.samples import Samples
from peerline_local.demo.scenes import Offer

_FREES = ("other-supporter-requested", "supporter-declined")


def compare_matches(samples: Samples, ledger: Ledger, whose: Attribution) -> Iterator[Finding]:
    """Compare what happened to each case with what may and must."""
    for referral_id in {event.referral_id for event in ledger.all(ReferralCreated)}:
        label = whose.label(referral_id)
        yield from _moves(label, referral_id, ledger)
        yield from _one_at_a_time(label, referral_id, ledger)
        yield from _once_each(label, referral_id, ledger)
        offer = whose.offer(referral_id)
        if offer is not None:
            yield from _may_be_asked(offer, referral_id, samples, ledger)


def steps(ledger: Ledger, referral_id: UUID, step: str) -> list[OutreachLogged]:
    """The logged steps of one name."""
    return [logged for logged in ledger.about(referral_id, OutreachLogged) if logged.step == step]


def is_closed(ledger: Ledger, referral_id: UUID) -> bool:
    """Whether the case is over."""
    return bool(steps(ledger, referral_id, "closed"))


def released(ledger: Ledger, referral_id: UUID) -> set[int]:
    """The attempts that have ended."""
    return {event.attempt for event in ledger.about(referral_id, MatchReleased)}


def _moves(label: str, referral_id: UUID, ledger: Ledger) -> Iterator[Finding]:
    """What has begun goes on, or is over, or waits for a person."""
    withdrawn = ledger.about(referral_id, ReferralWithdrawn)
    if is_closed(ledger, referral_id):
        if not withdrawn and not steps(ledger, referral_id, "contact-shown"):
            yield missing(label, "closed before anybody had the contact")
        return
    if withdrawn and not steps(ledger, referral_id, "retraction-declined"):
        yield missing(label, "withdrawn, and neither closed nor kept")
        return
    proposed = ledger.about(referral_id, MatchProposed)
    if not proposed and not ledger.about(referral_id, MatchUnavailable):
        yield missing(label, "nobody was found to ask")
    ended = released(ledger, referral_id)
    asked = {logged.match_id for logged in steps(ledger, referral_id, "supporter-notified")}
    for event in proposed:
        if event.match_id not in asked and event.attempt not in ended:
            yield missing(label, f"supporter of attempt {event.attempt} was not asked")
    yield from _answered(label, referral_id, ledger, ended)


def _answered(label: str, referral_id: UUID, ledger: Ledger, ended: set[int]) -> Iterator[Finding]:
    """A yes is confirmed or ended, a no is ended and another supporter sought."""
    confirmed = {event.attempt for event in ledger.about(referral_id, MatchConfirmed)}
    for logged in steps(ledger, referral_id, "supporter-accepted"):
        if logged.attempt not in confirmed | ended:
            yield missing(label, f"attempt {logged.attempt} was accepted and not confirmed")
    for logged in steps(ledger, referral_id, "supporter-declined"):
        if logged.attempt not in ended:
            yield missing(label, f"attempt {logged.attempt} was declined and not ended")
    last = max((event.attempt for event in ledger.about(referral_id, MatchProposed)), default=0)
    if last in ended and not ledger.about(referral_id, MatchUnavailable):
        yield missing(label, f"nobody was found after attempt {last}")


def _one_at_a_time(label: str, referral_id: UUID, ledger: Ledger) -> Iterator[Finding]:
    asked: int | None = None
    for event in ledger.about(referral_id, MatchEvent):
        if isinstance(event, MatchProposed):
            if asked is not None:
                yield duplicate(label, f"attempts {asked} and {event.attempt} at the same time")
            asked = event.attempt
        elif isinstance(event, MatchReleased) and event.attempt == asked:
            asked = None
    shown = [logged.attempt for logged in steps(ledger, referral_id, "contact-shown")]
    freed = [logged for step in _FREES for logged in steps(ledger, referral_id, step) if logged.attempt in shown]
    if len(shown) > 1 + len(freed):
        yield duplicate(label, "two supporters have the contact")


def _once_each(label: str, referral_id: UUID, ledger: Ledger) -> Iterator[Finding]:
    """No decision and no step stands there twice."""
    for kind in (MatchProposed, MatchConfirmed, MatchReleased):
        for attempt, count in Counter(event.attempt for event in ledger.about(referral_id, kind)).items():
            if count > 1:
                yield duplicate(label, f"{kind.name} of attempt {attempt}: {count} times")
    for step in ("supporter-notified", "supporter-accepted", "contact-shown"):
        for at, count in Counter(logged.attempt for logged in steps(ledger, referral_id, step)).items():
            if count > 1:
                yield duplicate(label, f"{step} of attempt {at}: {count} times")
    if len(steps(ledger, referral_id, "closed")) > 1:
        yield duplicate(label, "closed more than once")


def _may_be_asked(offer: Offer, referral_id: UUID, samples: Samples, ledger: Ledger) -> Iterator[Finding]:
    """Never the same supporter twice, nobody involved, and where the programme says so, another programme's."""
    roster = {supporter.id: supporter for supporter in samples.people.supporters}
    involved = {one.person.id for one in samples.offers if one.incident == offer.incident} | {offer.person.id}
    contacts = [ledger.supporter(event) for event in ledger.about(referral_id, MatchProposed)]
    for asked, count in Counter(one.supporter_id if one else "" for one in contacts).items():
        supporter = roster.get(asked)
        if count > 1:
            yield duplicate(offer.label, f"{asked} was asked {count} times")
        if supporter is None or supporter.programme != offer.programme:
            yield wrong(offer.label, f"{asked} is not on this programme's roster")
        elif supporter.person.id in involved:
            yield wrong(offer.label, f"{asked} is involved")
        elif offer.programme == "rcaps" and supporter.person.training_programme == offer.person.training_programme:
            yield wrong(offer.label, f"{asked} is of the same training programme")
