"""Everybody who must be offered a talk has exactly one referral, and nobody else has one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from uuid import UUID

from peerline.compartments import Origin
from peerline.events import OutreachLogged, ParticipantUnresolved, ReferralCreated, ReferralJoined

from peerline_local.demo.comparison.findings import Finding, duplicate, exactly, missing, wrong
from peerline_local.demo.ledger import Ledger
from peerline_local.demo.samples import Samples
from peerline_local.demo.scenes import Offer

Key = tuple[str, str]
"""Incident or request, and the person's e-mail address."""


class Attribution:
    """Which referral is whose: the one place where an opaque id meets an incident and a person."""

    def __init__(self, samples: Samples, ledger: Ledger) -> None:
        self._offers = {key_of(offer): offer for offer in samples.offers}
        self._by_key: dict[Key, set[UUID]] = defaultdict(set)
        self._keys: dict[UUID, Key] = {}
        events: list[ReferralCreated | ReferralJoined] = ledger.all(ReferralCreated) + ledger.all(ReferralJoined)
        for event in events:
            if ledger.is_old(event):
                continue
            key = _key_on_topic(ledger.origin(event), ledger, event)
            self._by_key[key].add(event.referral_id)
            self._keys[event.referral_id] = key

    def referrals(self, offer: Offer) -> set[UUID]:
        """The referrals that stand for an offer; one, if all is well."""
        return self._by_key.get(key_of(offer), set())

    def offer(self, referral_id: UUID) -> Offer | None:
        """What a referral stands for, if the samples know of it."""
        return self._offers.get(self._keys.get(referral_id, ("", "")))

    def label(self, referral_id: UUID) -> str:
        """A referral as findings name it."""
        offer = self.offer(referral_id)
        return offer.label if offer else str(referral_id)

    def strays(self, incidents: Iterable[str]) -> Iterator[UUID]:
        """Referrals for these incidents that stand for nothing in the samples."""
        known = set(incidents)
        for key, ids in self._by_key.items():
            if key[0] in known and key not in self._offers:
                yield from ids


def key_of(offer: Offer) -> Key:
    """What an offer is known by on both sides."""
    # A request has no incident: of one person, each door is used once.
    return (offer.incident or "") if offer.source else offer.door, offer.person.name.email


def compare_referrals(samples: Samples, ledger: Ledger, whose: Attribution) -> Iterator[Finding]:
    """Compare who must be offered a talk with who is."""
    for offer in samples.offers:
        ids = whose.referrals(offer)
        if not ids and not offer.retracted:
            yield missing(offer.label, "no referral")
        if len(ids) > 1:
            yield duplicate(offer.label, f"{len(ids)} referrals")
        for referral_id in ids:
            yield from _once(offer.label, referral_id, ledger)
    fed = {*samples.incidents, *(offer.door for offer in samples.offers if not offer.source)}
    for referral_id in whose.strays(fed):
        yield wrong(referral_id, "a referral for somebody who must not be contacted")
    yield from _strangers(samples, ledger)


def _once(label: str, referral_id: UUID, ledger: Ledger) -> Iterator[Finding]:
    """Exactly one created, or one joined that was accepted."""
    created = len(ledger.about(referral_id, ReferralCreated))
    joined = len(ledger.about(referral_id, ReferralJoined))
    refused = any(logged.step == "join-refused" for logged in ledger.about(referral_id, OutreachLogged))
    if created > 1 or joined > 1:
        yield duplicate(label, "the same referral more than once")
    if created and joined and not refused:
        yield duplicate(label, "both a case of its own and part of another")
    if joined and refused and not created:
        yield missing(label, "its case was closed, and it has none of its own")
    for event in ledger.about(referral_id, ReferralJoined):
        if not refused and not ledger.about(event.into, ReferralCreated):
            yield missing(label, "joined into a case that is not there")


def _strangers(samples: Samples, ledger: Ledger) -> Iterator[Finding]:
    waiting = [event for event in still_unresolved(ledger) if _incident(ledger.origin(event)) in samples.incidents]
    yield from exactly(samples.strangers, len(waiting), "unknown people", "kept for a coordinator")


def still_unresolved(ledger: Ledger) -> list[ParticipantUnresolved]:
    """People whom no directory has known since."""
    unresolved = {event.referral_id: event for event in ledger.all(ParticipantUnresolved)}
    return [event for referral_id, event in unresolved.items() if not ledger.about(referral_id, ReferralCreated)]


def _incident(origin: Origin | None) -> str | None:
    return origin.incident if origin else None


def _key_on_topic(origin: Origin | None, ledger: Ledger, event: ReferralCreated | ReferralJoined) -> Key:
    person = ledger.person(event)
    where = (origin.incident or origin.door) if origin else ""
    return where, (person.email or "").lower() if person else ""
