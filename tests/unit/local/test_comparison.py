from dataclasses import replace
from typing import Any

from peerline.events import (
    Audience,
    MatchConfirmed,
    MatchProposed,
    MatchReleased,
    OutreachLogged,
    ParticipantUnresolved,
    Phase,
    ReferralCreated,
    ReferralJoined,
    ReferralWithdrawn,
)
from peerline_local.demo.comparison import Fault
from peerline_local.demo.scenes import Offer

from tests.unit.local.perfect_run import (
    IDS,
    Run,
    faults,
    log,
    perfect_run_of,
    propose,
    record_of,
    referral_id_of,
    spoiled,
    supporters_for,
    without,
)


def test_a_perfect_run_has_nothing_missing_doubled_or_wrong(run: Run) -> None:
    assert run.findings() == []


def test_a_referral_that_never_came_is_missing(run: Run, offer: Offer) -> None:
    spoilt = without(run, *run.of(ReferralCreated, offer.label))

    assert f"{offer.label}: no referral" in faults(spoilt.findings(), Fault.MISSING)


def test_a_second_referral_for_the_same_incident_and_person_is_a_duplicate(run: Run, offer: Offer) -> None:
    (created,) = run.of(ReferralCreated, offer.label)
    other = IDS.referral("shcp", "another-source", "1", "2")
    origin = run.ledger().origin(created)
    person = run.ledger().person(created)
    assert origin is not None
    assert person is not None
    sealed = created.sealed.model_copy(  # type: ignore[union-attr]  # it is sealed
        update={
            "desk": run.keys.seal(Audience.DESK, origin, ReferralCreated, other),
            "notifier": run.keys.seal(Audience.NOTIFIER, person, ReferralCreated, other),
        }
    )
    run.events.append(spoiled(created, referral_id=other, sealed=sealed))

    assert f"{offer.label}: 2 referrals" in faults(run.findings(), Fault.DUPLICATE)


def test_created_twice_under_one_id_is_a_duplicate(run: Run, offer: Offer) -> None:
    run.events += [spoiled(event) for event in run.of(ReferralCreated, offer.label)]

    assert f"{offer.label}: the same referral more than once" in faults(run.findings(), Fault.DUPLICATE)


def test_a_record_that_stands_twice_is_a_duplicate(run: Run, offer: Offer) -> None:
    (created,) = run.of(ReferralCreated, offer.label)
    ledger = run.ledger()

    ledger.add([record_of(created, 9999)])

    assert ledger.redelivered == [f"referral-created {created.event_id}"]


def test_a_join_into_a_case_that_is_not_there_is_missing(run: Run) -> None:
    joined = next(event for event in run.events if isinstance(event, ReferralJoined))
    spoilt = without(run, *(e for e in run.events if isinstance(e, ReferralCreated) and e.referral_id == joined.into))

    assert any("joined into a case that is not there" in one for one in faults(spoilt.findings(), Fault.MISSING))


def test_a_refused_join_needs_a_case_of_its_own(run: Run) -> None:
    joined = next(event for event in run.events if isinstance(event, ReferralJoined))
    offer = next(one for one in run.samples.offers if referral_id_of(one) == joined.referral_id)
    log(run, offer, "join-refused")

    assert f"{offer.label}: its case was closed, and it has none of its own" in faults(run.findings(), Fault.MISSING)


def test_somebody_spared_who_was_referred_is_wrong(run: Run, offer: Offer) -> None:
    spared = next(one for one in run.samples.spared if one.not_eligible)
    scenes = [
        replace(scene, offers=(*scene.offers, replace(offer, person=spared.person, incident=spared.incident)))
        for scene in run.samples.scenes[:1]
    ]
    more = replace(run.samples, scenes=(*scenes, *run.samples.scenes[1:]))
    believing = perfect_run_of(more)

    found = replace(believing, samples=run.samples).findings()

    assert any("must not be contacted" in one for one in faults(found, Fault.WRONG))


def test_an_unknown_person_who_was_forgotten_is_missing(run: Run) -> None:
    spoilt = without(run, *(event for event in run.events if isinstance(event, ParticipantUnresolved)))

    assert any("kept for a coordinator" in one for one in faults(spoilt.findings(), Fault.MISSING))


def test_a_case_for_which_nobody_was_sought_is_missing(run: Run, offer: Offer) -> None:
    left = [e for e in run.events if e.referral_id == referral_id_of(offer)]
    spoilt = without(run, *(e for e in left if isinstance(e, (MatchProposed, MatchConfirmed, OutreachLogged))))

    assert f"{offer.label}: nobody was found to ask" in faults(spoilt.findings(), Fault.MISSING)


def test_a_yes_that_was_never_confirmed_is_missing(run: Run, offer: Offer) -> None:
    later = [e for e in run.of(OutreachLogged, offer.label) if e.step == "closed"]  # type: ignore[attr-defined]  # of() gives plain events
    spoilt = without(run, *run.of(MatchConfirmed, offer.label), *later)

    assert f"{offer.label}: attempt 1 was accepted and not confirmed" in faults(spoilt.findings(), Fault.MISSING)


def test_two_supporters_asked_at_once_is_a_duplicate(run: Run, offer: Offer) -> None:
    propose(run, offer, 2, supporters_for(run.samples, offer)[1])

    assert f"{offer.label}: attempts 1 and 2 at the same time" in faults(run.findings(), Fault.DUPLICATE)


def test_one_supporter_after_the_other_is_as_it_must_be(run: Run, offer: Offer) -> None:
    match: dict[str, Any] = {"match_id": IDS.match(referral_id_of(offer), 1), "attempt": 1}
    log(run, offer, "supporter-declined", **match)
    run.add(MatchReleased, referral_id_of(offer), offer.programme, 1, **match)

    propose(run, offer, 2, supporters_for(run.samples, offer)[1])

    assert run.findings() == []


def test_the_same_supporter_asked_again_is_a_duplicate(run: Run, offer: Offer) -> None:
    match: dict[str, Any] = {"match_id": IDS.match(referral_id_of(offer), 1), "attempt": 1}
    run.add(MatchReleased, referral_id_of(offer), offer.programme, 1, **match)

    propose(run, offer, 2, supporters_for(run.samples, offer)[0])

    assert any("was asked 2 times" in one for one in faults(run.findings(), Fault.DUPLICATE))


def test_contact_shown_to_two_supporters_is_a_duplicate(run: Run, offer: Offer) -> None:
    log(run, offer, "contact-shown", match_id=IDS.match(referral_id_of(offer), 2), attempt=2)

    assert f"{offer.label}: two supporters have the contact" in faults(run.findings(), Fault.DUPLICATE)


def test_an_involved_supporter_who_was_asked_is_wrong(run: Run) -> None:
    supporters = {one.person.id: one for one in run.samples.people.supporters}
    involved = next(one for one in run.samples.offers if one.person.id in supporters)
    other = next(o for o in run.samples.offers if o.incident == involved.incident and o.person != involved.person)
    match: dict[str, Any] = {"match_id": IDS.match(referral_id_of(other), 1), "attempt": 1}
    run.add(MatchReleased, referral_id_of(other), other.programme, 1, **match)

    propose(run, other, 2, supporters[involved.person.id])

    assert f"{other.label}: {supporters[involved.person.id].id} is involved" in faults(run.findings(), Fault.WRONG)


def test_a_supporter_of_the_same_training_programme_is_wrong(run: Run) -> None:
    offer = next(one for one in run.samples.offers if one.programme == "rcaps")
    own = offer.person.training_programme
    same = next(one for one in run.samples.people.supporters if one.person.training_programme == own)
    match: dict[str, Any] = {"match_id": IDS.match(referral_id_of(offer), 1), "attempt": 1}
    run.add(MatchReleased, referral_id_of(offer), offer.programme, 1, **match)

    propose(run, offer, 2, same)

    assert f"{offer.label}: {same.id} is of the same training programme" in faults(run.findings(), Fault.WRONG)


def test_a_withdrawn_case_that_nobody_ended_is_missing(run: Run, offer: Offer) -> None:
    closed = [e for e in run.of(OutreachLogged, offer.label) if e.step == "closed"]  # type: ignore[attr-defined]  # of() gives plain events
    spoilt = without(run, *closed)
    spoilt.add(ReferralWithdrawn, referral_id_of(offer), offer.programme, 1)

    assert f"{offer.label}: withdrawn, and neither closed nor kept" in faults(spoilt.findings(), Fault.MISSING)

    log(spoilt, offer, "retraction-declined", Phase.CONTACTED)
    assert spoilt.findings() == []


def test_what_an_earlier_run_left_does_not_count(run: Run) -> None:
    ledger = run.ledger()

    ledger.begin()

    assert ledger.new(ReferralCreated) == []
    assert len(ledger.all(ReferralCreated)) > 40


def test_no_finding_names_anybody(run: Run) -> None:
    nobody = replace(run, events=[], mail=[])

    said = " ".join(map(str, nobody.findings())).lower()

    assert len(nobody.findings()) > 40
    assert not [canary for canary in run.samples.canaries() if canary.lower() in said]
