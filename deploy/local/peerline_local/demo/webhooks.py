"""What the hospital's risk system sends to intake's webhook: FHIR, good and bad."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from peerline_local.demo import fhir
from peerline_local.demo.fhir import Facts, Resource, r4, r5, took_part
from peerline_local.demo.scenes import Cast, Delivery, Offer, Scene, Spared, Stage, Way, offers

_ZONE = ZoneInfo("America/New_York")
_BACKPORT = "http://hl7.org/fhir/uv/ae-research-backport-ig/StructureDefinition"


def sent(facts: Facts, resource: Resource, *, note: str = "", **more: Any) -> Delivery:
    """The resource as one signed message about this incident."""
    name = f"webhook-{facts.id}{note}.json"
    return Delivery(name, Way.WEBHOOK, fhir.body(resource), key=f"msg-{facts.id}{note}", **more)


def reported_again_and_again(cast: Cast) -> Scene:
    """R4: a reference, a role and a device; the same message is repeated, and then sent anew under another id."""
    facts, (one, two) = cast.facts(), cast.both()
    first = sent(facts, r4(facts, fhir.by_reference(one), fhir.by_role(two), fhir.DEVICE))
    anew = replace(first, name=f"webhook-{facts.id}-anew.json", key=f"{first.key}-anew")
    return Scene((facts.id,), (first, first, anew), offers(facts, [one, two]))


def with_a_witness(cast: Cast) -> Scene:
    """R5: one took part, one was a witness, a relative only told of it."""
    facts, (one, two) = cast.facts(), cast.both()
    actors = (
        took_part(fhir.by_reference(one), "PART"),
        took_part(fhir.by_staff_number(two), "WIT"),
        took_part(fhir.RELATIVE, "INF"),
    )
    return Scene((facts.id,), (sent(facts, r5(facts, *actors)),), offers(facts, [one, two]))


def named_by_number(cast: Cast) -> Scene:
    """R4: the physician only by a logical identifier; times without an offset are the source's own."""
    facts, one = cast.facts(), cast.physician()
    local = facts.recorded_at.astimezone(_ZONE).strftime("%Y-%m-%dT%H:%M")
    return Scene((facts.id,), (sent(facts, r4(facts, fhir.by_npi(one), recordedDate=local)),), offers(facts, [one]))


def corrected_by_a_second_physician(cast: Cast) -> Scene:
    """R5: a correction names a further physician."""
    facts, (one, two) = cast.facts(), cast.both()
    first = sent(facts, r5(facts, took_part(fhir.by_reference(one))))
    both = r5(facts, took_part(fhir.by_reference(one)), took_part(fhir.by_reference(two)))
    return Scene((facts.id,), (first, sent(facts, both, note="-corrected")), offers(facts, [one, two]))


def retracted_after_contact(cast: Cast) -> Scene:
    """R5: taken back when a supporter has the contact already, so that the offer stands."""
    facts, one = cast.facts(), cast.physician()
    report = r5(facts, took_part(fhir.by_reference(one)))
    late = sent(facts, {**report, "status": "entered-in-error"}, note="-retracted", stage=Stage.ONCE_CONTACTED)
    return Scene((facts.id,), (sent(facts, report), late), offers(facts, [one]))


def of_a_newcomer(cast: Cast) -> Scene:
    """R4: one is not in the directory yet; a later load releases them."""
    facts, one, late = cast.facts(), cast.physician(), cast.people.late
    report = r4(facts, fhir.by_reference(one), fhir.by_npi(late))
    newcomer = Offer(late, "shcp", incident=facts.id, known=False)
    return Scene((facts.id,), (sent(facts, report),), (*offers(facts, [one]), newcomer))


def of_a_locum(cast: Cast) -> Scene:
    """R5: one whom no directory will know; a coordinator has to find out who it is."""
    facts, one = cast.facts(), cast.physician()
    actors = took_part(fhir.by_reference(one)), took_part(fhir.by_npi(cast.people.locum))
    return Scene((facts.id,), (sent(facts, r5(facts, *actors)),), offers(facts, [one]), strangers=1)


def with_a_nurse(cast: Cast) -> Scene:
    """R4: a nurse is in the directory, and this programme is not for nurses."""
    facts, one, nurse = cast.facts(), cast.physician(), cast.people.nurses[0]
    report = r4(facts, fhir.by_reference(nurse), fhir.by_reference(one))
    spared = Spared(nurse, facts.id, not_eligible=True)
    return Scene((facts.id,), (sent(facts, report),), offers(facts, [one]), (spared,))


def that_did_not_happen(cast: Cast) -> Scene:
    """R4: a near miss."""
    facts, one = cast.facts(happened=False), cast.physician()
    return Scene(
        (facts.id,),
        (sent(facts, r4(facts, fhir.by_reference(one))),),
        spared=(Spared(one, facts.id, not_eligible=True),),
    )


def of_one_physician_twice(cast: Cast) -> Scene:
    """R5 and R4: two incidents of one physician, who is asked once."""
    first, second, one = cast.facts(), cast.facts(), cast.physician()
    deliveries = (
        sent(first, r5(first, took_part(fhir.by_reference(one)))),
        sent(second, r4(second, fhir.by_npi(one))),
    )
    return Scene((first.id, second.id), deliveries, offers(first, [one]) + offers(second, [one]))


def carrying_its_people(cast: Cast) -> Scene:
    """R5: the practitioner's resource travels within the message."""
    facts, one = cast.facts(), cast.physician()
    report = r5(facts, took_part({"reference": "#p1"}), contained=[fhir.practitioner(one, "p1")])
    return Scene((facts.id,), (sent(facts, report),), offers(facts, [one]))


def of_a_team(cast: Cast) -> Scene:
    """R5: only a team is named; a person has to say who that was."""
    facts = cast.facts()
    return Scene((facts.id,), (sent(facts, r5(facts, took_part(fhir.TEAM))),))


def that_harmed_a_physician(cast: Cast) -> Scene:
    """R5: the one who was harmed is a physician."""
    facts, one = cast.facts(), cast.physician()
    return Scene((facts.id,), (sent(facts, r5(facts, subject=fhir.by_reference(one))),), offers(facts, [one]))


def told_by_a_physician(cast: Cast) -> Scene:
    """R5: one took part; another only reported it, and is left alone."""
    facts, (one, two) = cast.facts(), cast.both()
    actors = took_part(fhir.by_reference(one), "PART"), took_part(fhir.by_reference(two), "INF")
    return Scene((facts.id,), (sent(facts, r5(facts, *actors)),), offers(facts, [one]), (Spared(two, facts.id),))


def backported(cast: Cast) -> Scene:
    """R4 with R5's status and participant in extensions, as HL7's own guide writes them."""
    facts, one = cast.facts(), cast.physician()
    participant = {
        "url": f"{_BACKPORT}/participant",
        "extension": [{"url": "actor", "valueReference": fhir.by_reference(one)}],
    }
    status = {"url": f"{_BACKPORT}/status", "valueCode": "completed"}
    report = r4(facts, extension=[participant], modifierExtension=[status])
    return Scene((facts.id,), (sent(facts, report),), offers(facts, [one]))


def in_a_bundle(cast: Cast) -> Scene:
    """Three reports in one Bundle, with the practitioners of one of them."""
    reports, physicians = [cast.facts() for _ in range(3)], [cast.physician() for _ in range(4)]
    one, two, three, four = physicians
    content = fhir.bundle(
        "collection",
        fhir.practitioner(one),
        fhir.practitioner_role(one),
        {**r4(reports[0], fhir.by_role(one), fhir.by_reference(two)), "id": "ae-1"},
        {**r5(reports[1], took_part(fhir.by_reference(three))), "id": "ae-2"},
        {**r4(reports[2], fhir.by_npi(four)), "id": "ae-3"},
    )
    delivery = Delivery("webhook-bundle.json", Way.WEBHOOK, fhir.body(content), key="msg-bundle")
    expected = offers(reports[0], [one, two]) + offers(reports[1], [three]) + offers(reports[2], [four])
    return Scene(tuple(facts.id for facts in reports), (delivery,), expected)


def unusable(cast: Cast) -> Scene:
    """What must be refused, each for its own reason, without a word of it coming back."""
    facts, one = cast.facts(prefix="BAD"), cast.people.physicians[0]
    good = fhir.body(r4(facts, fhir.by_reference(one)))

    def wrong(name: str, body: bytes, status: int = 422, forged: bool = False) -> Delivery:
        return Delivery(f"bad-{name}", Way.WEBHOOK, body, key=f"msg-{name}", status=status, forged=forged)

    return Scene(
        deliveries=(
            wrong("not-json.json", good[: len(good) * 2 // 3]),
            wrong("not-utf8.json", good.replace(b'"AdverseEvent"', b'"Adverse\xff\xfeEvent"')),
            wrong("not-an-event.json", fhir.body(fhir.practitioner(one))),
            wrong("older-release.json", fhir.body(_of_an_older_release(facts))),
            wrong("actuality.json", fhir.body(r4(facts, fhir.by_reference(one), actuality=facts.story))),
            wrong("modifier.json", fhir.body(r4(facts, fhir.by_reference(one), modifierExtension=[_negation()]))),
            wrong("signature.json", good, 401, forged=True),
            wrong("too-large.json", _too_large(facts), 413),
        )
    )


def _negation() -> Resource:
    return {"url": "https://risk.example.org/extension/not-done", "valueBoolean": True}


def _of_an_older_release(facts: Facts) -> Resource:
    return {
        "resourceType": "AdverseEvent",
        "identifier": {"system": fhir.EVENT, "value": facts.id},
        "type": {"text": facts.story},
        "eventParticipant": {"reference": "Practitioner/dr-001"},
    }


def _too_large(facts: Facts) -> bytes:
    """A little more than five million bytes; only its story is long."""
    story = f"{facts.patient}: {facts.story}. "
    return fhir.body(r5(replace(facts, story=story * (5_100_000 // len(story) // 2))))


SCENES = (
    reported_again_and_again,
    with_a_witness,
    named_by_number,
    corrected_by_a_second_physician,
    retracted_after_contact,
    of_a_newcomer,
    of_a_locum,
    with_a_nurse,
    that_did_not_happen,
    of_one_physician_twice,
    carrying_its_people,
    of_a_team,
    that_harmed_a_physician,
    told_by_a_physician,
    backported,
    in_a_bundle,
    unusable,
)
