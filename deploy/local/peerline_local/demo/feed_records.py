"""What stands on the feed topic: FHIR and Peerline's own reports, with bad records among the good."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from peerline_local.demo import fhir
from peerline_local.demo.fhir import Facts, r4, r5, took_part
from peerline_local.demo.scenes import Cast, Delivery, Offer, Scene, Spared, Way, offers


def recorded(facts: Facts, body: bytes, note: str = "") -> Delivery:
    """A record about this incident."""
    return Delivery(f"record-{facts.id}{note}.json", Way.KAFKA, body, key=facts.id)


def plain(cast: Cast) -> Scene:
    """R4: two physicians."""
    facts, people = cast.facts(), cast.both()
    report = r4(facts, *map(fhir.by_reference, people))
    return Scene((facts.id,), (recorded(facts, fhir.body(report)),), offers(facts, people))


def repeated(cast: Cast) -> Scene:
    """R5: the same record three times, as a producer without idempotence writes it."""
    facts, one = cast.facts(), cast.physician()
    record = recorded(facts, fhir.body(r5(facts, took_part(fhir.by_reference(one)))))
    return Scene((facts.id,), (record, record, record), offers(facts, [one]))


def retracted_at_once(cast: Cast) -> Scene:
    """R5: taken back by the next record, most likely before anybody is asked."""
    facts, one = cast.facts(), cast.physician()
    report = r5(facts, took_part(fhir.by_reference(one)))
    back = recorded(facts, fhir.body({**report, "status": "entered-in-error"}), "-retracted")
    expected = tuple(_taken_back(offer) for offer in offers(facts, [one]))
    return Scene((facts.id,), (recorded(facts, fhir.body(report)), back), expected)


def wrong_from_the_first(cast: Cast) -> Scene:
    """R5: the first that is heard of it is that it was an error."""
    facts, one = cast.facts(), cast.physician()
    report = r5(facts, took_part(fhir.by_reference(one)), status="entered-in-error")
    return Scene((facts.id,), (recorded(facts, fhir.body(report)),), spared=(Spared(one, facts.id),))


def in_our_own_words(cast: Cast) -> Scene:
    """Peerline's own report, by number and by reference."""
    facts, (one, two) = cast.facts(), cast.both()
    body = own_report(
        facts,
        {"identifier": {"system": "npi", "value": one.npi}},
        {"reference": two.reference},
    )
    return Scene((facts.id,), (recorded(facts, body),), offers(facts, [one, two]))


def of_a_supporter(cast: Cast) -> Scene:
    """R4: one of the two involved is a supporter, who may not be asked for the other."""
    facts, people = cast.facts(), (cast.supporter_too(), cast.physician())
    report = r4(facts, *map(fhir.by_npi, people))
    return Scene((facts.id,), (recorded(facts, fhir.body(report)),), offers(facts, people))


def unusable(cast: Cast) -> Scene:
    """Records that must end in quarantine while their neighbours go through."""
    facts, one = cast.facts(prefix="BAD"), cast.people.physicians[1]
    good = fhir.body(r5(facts, took_part(fhir.by_reference(one))))

    def wrong(name: str, body: bytes) -> Delivery:
        return Delivery(f"bad-record-{name}", Way.KAFKA, body, key=f"{facts.id}-{name}", quarantined=True)

    return Scene(
        deliveries=(
            wrong("not-json.json", good[: len(good) // 2]),
            wrong("not-utf8.json", good.replace(b"completed", b"compl\xc3\x28ted")),
            wrong("not-fhir.json", json.dumps({"note": facts.story, "about": facts.patient}).encode()),
            wrong("newer-report.json", own_report(facts, peerline="incident-report/9")),
        )
    )


def own_report(facts: Facts, *participants: dict[str, Any], **more: Any) -> bytes:
    """The incident as Peerline's own report; the narrative is more than it asks for."""
    content = {
        "peerline": "incident-report/1",
        "incident_id": facts.id,
        "occurred_at": facts.occurred_at.isoformat(),
        "recorded_at": facts.recorded_at.isoformat(),
        "actuality": "actual",
        "severity": "serious",
        "subject": facts.patient,
        "narrative": facts.story,
        "participants": list(participants),
    }
    return json.dumps({**content, **more}, indent=1).encode()


def _taken_back(offer: Offer) -> Offer:
    return replace(offer, retracted=True)


SCENES = (
    plain,
    repeated,
    retracted_at_once,
    wrong_from_the_first,
    in_our_own_words,
    of_a_supporter,
    unusable,
)
