from dataclasses import replace

import pytest
from peerline.events import (
    DeadlineBreached,
    DeadlineEvent,
    DeadlineMet,
    DeadlineSet,
    Event,
)
from peerline_local.demo.comparison import Fault
from peerline_local.demo.scenes import Offer

from tests.unit.local.perfect_run import (
    Run,
    faults,
    log,
    referral_id_of,
    spoiled,
    without,
)


def told_of(run: Run, offer: Offer, clock: str, kind: type[DeadlineEvent] = DeadlineEvent) -> list[Event]:
    """What was told of one clock of an offer."""
    return [event for event in run.of(kind, offer.label) if getattr(event, "clock", "") == clock]


@pytest.mark.parametrize("clock", ["match", "first-contact"])
def test_a_clock_that_was_not_started_is_missing(run: Run, offer: Offer, clock: str) -> None:
    own = [e for e in run.events if e.referral_id == referral_id_of(offer) and getattr(e, "clock", "") == clock]

    assert f"{offer.label}: no {clock} deadline" in faults(without(run, *own).findings(), Fault.MISSING)


def test_a_clock_that_stopped_without_a_word_is_missing(run: Run, offer: Offer) -> None:
    spoilt = without(run, *run.of(DeadlineMet, offer.label))

    assert f"{offer.label}: match deadline neither met nor breached" in faults(spoilt.findings(), Fault.MISSING)


@pytest.mark.parametrize("clock", ["answer", "response"])
def test_a_clock_that_a_step_of_an_attempt_did_not_start_is_missing(run: Run, offer: Offer, clock: str) -> None:
    spoilt = without(run, *told_of(run, offer, clock))

    assert f"{offer.label}: {clock} of attempt 1: deadline-set: 0 of 1" in faults(spoilt.findings(), Fault.MISSING)


def test_an_answer_that_did_not_stop_its_clock_is_missing(run: Run, offer: Offer) -> None:
    spoilt = without(run, *told_of(run, offer, "answer", DeadlineMet))

    assert f"{offer.label}: answer of attempt 1: deadline-met: 0 of 1" in faults(spoilt.findings(), Fault.MISSING)


def test_whoever_was_reached_has_responded_and_is_followed_up_until_the_case_is_closed(run: Run, offer: Offer) -> None:
    log(run, offer, "contact-made", attempt=1)

    assert set(faults(run.findings(), Fault.MISSING)) == {
        f"{offer.label}: response of attempt 1: deadline-met: 0 of 1",
        f"{offer.label}: follow-up of attempt 1: deadline-set: 0 of 1",
        f"{offer.label}: follow-up of attempt 1: deadline-met: 0 of 1",
    }


@pytest.mark.parametrize(
    ("clock", "kind"), [("answer", DeadlineSet), ("answer", DeadlineMet), ("response", DeadlineSet)]
)
def test_a_deadline_of_an_attempt_that_was_told_twice_is_a_duplicate(
    run: Run, offer: Offer, clock: str, kind: type[DeadlineEvent]
) -> None:
    run.events += [spoiled(event) for event in told_of(run, offer, clock, kind)]

    what = f"{offer.label}: {clock} of attempt 1: {kind.name}: 2 instead of 1"
    assert what in faults(run.findings(), Fault.DUPLICATE)


def test_a_deadline_of_an_attempt_in_which_nothing_has_happened_is_wrong(run: Run, offer: Offer) -> None:
    (was_set,) = told_of(run, offer, "answer", DeadlineSet)
    run.events.append(spoiled(was_set, attempt=2))

    what = f"{offer.label}: deadline-set of answer, which nothing has started in attempt 2"
    assert what in faults(run.findings(), Fault.WRONG)


@pytest.mark.parametrize("kind", [DeadlineSet, DeadlineMet])
def test_a_deadline_that_was_set_or_met_twice_is_a_duplicate(
    run: Run, offer: Offer, kind: type[DeadlineSet] | type[DeadlineMet]
) -> None:
    run.events += [spoiled(event) for event in run.of(kind, offer.label)]

    assert faults(run.findings(), Fault.DUPLICATE)


def test_a_late_request_that_is_not_breached_on_entry_is_missing(run: Run) -> None:
    late = next(request.offer for request in run.samples.requests if request.late)
    spoilt = without(run, *run.of(DeadlineBreached, late.label))

    assert f"{late.label}: keyed late, and not breached on entry" in faults(spoilt.findings(), Fault.MISSING)


def test_a_message_that_never_arrived_is_missing(run: Run) -> None:
    lost = next(message for message in run.mail if "/s/" in message.body)
    spoilt = replace(run, mail=[message for message in run.mail if message is not lost])

    assert any("messages that ask" in one for one in faults(spoilt.findings(), Fault.MISSING))


def test_a_second_message_about_one_match_is_a_duplicate(run: Run) -> None:
    run.send(run.mail[0].to[0], link=True)

    assert any("messages that ask" in one for one in faults(run.findings(), Fault.DUPLICATE))


def test_a_message_that_arrived_twice_is_a_duplicate(run: Run) -> None:
    run.mail.append(replace(run.mail[0], id="again"))

    assert any("arrived 2 times" in one for one in faults(run.findings(), Fault.DUPLICATE))


def test_a_message_to_two_recipients_is_a_duplicate(run: Run) -> None:
    run.mail[0] = replace(run.mail[0], to=(*run.mail[0].to, "somebody.else@staff.example"))

    assert any("2 recipients" in one for one in faults(run.findings(), Fault.DUPLICATE))


def test_a_coordinator_who_was_not_told_of_a_breach_is_missing(run: Run) -> None:
    spoilt = replace(run, mail=[message for message in run.mail if "coordinator" not in message.to[0]])

    assert any("coordinator of shcp" in one for one in faults(spoilt.findings(), Fault.MISSING))


def test_more_messages_to_a_coordinator_than_there_are_things_to_tell_are_duplicates(run: Run) -> None:
    for _ in list(run.mail):
        run.send("coordinator@shcp.example.org", link=False)

    assert any("coordinator of shcp" in one for one in faults(run.findings(), Fault.DUPLICATE))
