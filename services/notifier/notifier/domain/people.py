"""What supporters and physicians say on their private pages. What no longer applies changes nothing."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from notifier.domain.decisions import Decisions, Log, Open
from notifier.domain.ending import closed, declined, stopped
from notifier.domain.facts import Answer, Answered, Button, OtherRequested, Pressed
from notifier.domain.state import Case, Page

Outcome = tuple[Case, Decisions]
NOTHING: Decisions = ()


def pressed(case: Case, fact: Pressed) -> Outcome:
    """What a supporter's button does on the page as it is now, not as it was when it was shown."""
    rule = BUTTONS.get((case.page(fact.attempt), fact.button))
    return rule(case, fact) if rule else (case, NOTHING)


def _accepted(case: Case, fact: Pressed) -> Outcome:
    known = case.having(replace(case.attempt(fact.attempt), accepted_at=fact.at))
    return known, (Log("supporter-accepted", known.phase, fact.attempt),)


def _declined(case: Case, fact: Pressed) -> Outcome:
    return declined(case, fact.attempt, fact.at)


def _contact_shown(case: Case, fact: Pressed) -> Outcome:
    if case.holders:  # matcher confirms one at a time; should it ever not, the second does not get the contact
        return case, (Open("two-supporters", urgent=True),)
    known = case.having(replace(case.attempt(fact.attempt), shown_at=fact.at))
    return known, (Log("contact-shown", known.phase, fact.attempt),)


def _attempted(case: Case, fact: Pressed) -> Outcome:
    attempt = case.attempt(fact.attempt)
    if attempt.attempted_at or attempt.made_at:
        return case, NOTHING
    known = case.having(replace(attempt, attempted_at=fact.at, silent_at=None))
    return known, (Log("contact-attempted", known.phase, fact.attempt),)


def _made(case: Case, fact: Pressed) -> Outcome:
    attempt = case.attempt(fact.attempt)
    if attempt.made_at:
        return case, NOTHING
    known = case.having(replace(attempt, made_at=fact.at, silent_at=None))
    return known, (Log("contact-made", known.phase, fact.attempt),)


def _permitted(case: Case, fact: Pressed) -> Outcome:
    """Who learned that has reached the physician, and now owes them the resources."""
    made, reached = _made(case, fact)
    attempt = made.attempt(fact.attempt)
    if attempt.permitted_at:
        return case, NOTHING
    known = made.having(replace(attempt, permitted_at=fact.at, silent_at=None))
    return known, (*reached, Log("resources-permitted", known.phase, fact.attempt))


def _sent(case: Case, fact: Pressed) -> Outcome:
    attempt = case.attempt(fact.attempt)
    if not attempt.owes_resources:
        return case, NOTHING
    known = case.having(replace(attempt, sent_at=fact.at, silent_at=None))
    return known, (Log("resources-sent", known.phase, fact.attempt),)


def _does_not_want(case: Case, fact: Pressed) -> Outcome:
    """Who learned that has reached the physician, and nothing is left to do: the seat is freed."""
    if case.attempt(fact.attempt).owes_resources:
        return case, NOTHING
    made, reached = _made(case, fact)
    said = Log("does-not-want", made.phase, fact.attempt, to_matcher=True)
    done, ending = closed(made, fact.at, by=fact.attempt)
    return done, (*reached, said, *ending)


def _closed(case: Case, fact: Pressed) -> Outcome:
    """Not while resources are owed: a closed case would forget them."""
    if case.attempt(fact.attempt).owes_resources:
        return case, NOTHING
    return closed(case, fact.at, by=fact.attempt)


BUTTONS: Mapping[tuple[Page, Button], Callable[[Case, Pressed], Outcome]] = {
    (Page.ASKED, Button.YES): _accepted,
    (Page.ASKED, Button.NO): _declined,
    (Page.ASKED, Button.DECLINE): _declined,
    (Page.WISH, Button.DECLINE): _declined,
    (Page.NAME, Button.DECLINE): _declined,
    (Page.NAME, Button.SHOW_CONTACT): _contact_shown,
    (Page.CONTACT, Button.ATTEMPTED): _attempted,
    (Page.CONTACT, Button.MADE): _made,
    (Page.CONTACT, Button.PERMITTED): _permitted,
    (Page.CONTACT, Button.SENT): _sent,
    (Page.CONTACT, Button.DOES_NOT_WANT): _does_not_want,
    (Page.CONTACT, Button.CLOSE): _closed,
}


def answered(case: Case, fact: Answered) -> Outcome:
    """What the physician answers to the programme's own invitation."""
    if case.closed_at or case.invited_at is None:
        return case, NOTHING
    return ANSWERS[fact.answer](case, fact)


def _wants_to_talk(case: Case, fact: Answered) -> Outcome:
    if case.wanted_at:
        return case, NOTHING
    known = replace(case, wanted_at=fact.at, silent_at=None)
    return known, (Log("wants-to-talk", known.phase, to_matcher=True),)


def _not_now(case: Case, fact: Answered) -> Outcome:
    if case.wanted_at or case.not_now_at:
        return case, NOTHING
    known = replace(case, not_now_at=fact.at, silent_at=None)
    return known, (Log("not-now", known.phase),)


def _never(case: Case, fact: Answered) -> Outcome:
    done, ending = closed(case, fact.at)
    return done, (Log("does-not-want", case.phase, to_matcher=True), *ending)


def _another(case: Case, fact: Answered) -> Outcome:
    return other_requested(case, OtherRequested(fact.at))


ANSWERS: Mapping[Answer, Callable[[Case, Answered], Outcome]] = {
    Answer.WANTS_TO_TALK: _wants_to_talk,
    Answer.NOT_NOW: _not_now,
    Answer.DOES_NOT_WANT: _never,
    Answer.OTHER_SUPPORTER: _another,
}


def other_requested(case: Case, fact: OtherRequested) -> Outcome:
    """
    The physician asks for another supporter: the one who holds the contact is told to stop, and matcher seeks another.

    Without one nothing changes: a second click must not cost the next supporter the match.
    """
    for number in case.holders:
        ended, order = stopped(case, number, fact.at)
        return ended, (*order, Log("other-supporter-requested", ended.phase, number))
    return case, NOTHING
