"""
The case as a fold: `fold(case, fact)` gives the case that knows the fact, and what is to be done about it.

Facts from topics only add knowledge. What people and time do is taken once: a fact that no longer applies
changes nothing, so that a double click, the back button or a repeat does no harm. A decision to plan a
message may be repeated; storing plans under a unique key makes it one.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from notifier.domain import people, recall
from notifier.domain.decisions import Decisions, Log, Moot, Open, Plan, Resolve
from notifier.domain.ending import closed, declined
from notifier.domain.facts import (
    Answered,
    BecameReadable,
    Claimed,
    ClosedByCoordinator,
    Confirmed,
    Created,
    Fact,
    Forgotten,
    Handed,
    JoinCameLate,
    Message,
    OtherRequested,
    Overdue,
    Pressed,
    Proposed,
    Quiet,
    Recalled,
    Released,
    ReleaseRequested,
    Undelivered,
    Unreachable,
    WaitedOn,
    WindowPassed,
    Withdrawal,
    Withdrawn,
)
from notifier.domain.state import Case, Page, Phase

Outcome = tuple[Case, Decisions]

TOLD_STEPS: Mapping[Message, str] = {
    Message.SUPPORTER_ASKED: "supporter-notified",
    Message.SUPPORTER_REMINDED: "reminder-sent",
    Message.PHYSICIAN_INVITED: "physician-invited",
}
"""The step that is logged when a message was handed over."""


def fold(case: Case, fact: Fact) -> Outcome:
    """
    The case after a fact, and what is to be done.

    Nothing is done about a forgotten case, but that a supporter who is to stop could not be told still matters.
    """
    if case.forgotten_at and not (isinstance(fact, Undelivered) and fact.message is Message.SUPPORTER_STOPPED):
        return case, ()
    known, decisions = RULES[type(fact)](case, fact)
    return known, (*decisions, *_settled(case, known))


def _settled(before: Case, after: Case) -> Decisions:
    """What nobody need look into any more: somebody was heard again, or a message was answered or overtaken."""
    heard = (Resolve("silent"),) if before.is_silent and not after.is_silent else ()
    answered = sorted(before.unanswered - after.unanswered, key=str)
    doubtful = [each for each in answered if each not in _arrived(before)]
    return (*heard, *(Moot(message, attempt) for message, attempt in doubtful))


def _arrived(case: Case) -> frozenset[tuple[Message, int]]:
    """The questions of which a mail server has said that it took them."""
    return frozenset((Message.SUPPORTER_ASKED, each.number) for each in case.attempts if each.notified_at)


def created(case: Case, fact: Created) -> Outcome:
    """The referral exists; what waited for it can go."""
    known = replace(case, created_at=case.created_at or fact.at, invites=fact.invites)
    return known, _due_messages(known)


def became_readable(case: Case, fact: BecameReadable) -> Outcome:
    """The physician's contact is there; what waited for it can go."""
    known = replace(case, readable=True)
    return known, (*_due_messages(known), Resolve("no-referral"))


def withdrawn(case: Case, fact: Withdrawn) -> Outcome:
    """Close at once; but once the physician was reached out to, a source's retraction leaves the offer standing."""
    if case.closed_at:
        return case, ()
    if fact.kind is Withdrawal.RETRACTED and case.physician_reached_out_to:
        if case.stands_at:
            return case, ()
        return replace(case, stands_at=fact.at), (Log("retraction-declined", case.phase),)
    return closed(case, fact.at)


def join_came_late(case: Case, fact: JoinCameLate) -> Outcome:
    """The case this was to join is closed: intake is told to find it another place, once for each such case."""
    if fact.into in case.refused_into or case.closed_at:
        return case, ()
    known = replace(case, refused_into=case.refused_into | {fact.into})
    return known, (Log("join-refused", Phase.OPEN, into=fact.into),)


def forgotten(case: Case, fact: Forgotten) -> Outcome:
    """End what is open; what stays is a tombstone."""
    done: Case = case
    decisions: Decisions = ()
    if not case.closed_at and (case.created_at or case.attempts):
        done, decisions = closed(case, fact.at)
    return replace(done, forgotten_at=fact.at, closed_at=done.closed_at or fact.at), decisions


def proposed(case: Case, fact: Proposed) -> Outcome:
    """A supporter is to be asked, as soon as the referral can be read."""
    attempt = case.attempt(fact.attempt)
    known = case.having(replace(attempt, proposed_at=attempt.proposed_at or fact.at))
    return known, _due_messages(known)


def confirmed(case: Case, fact: Confirmed) -> Outcome:
    """The name, and then the contact, may be shown to the supporter who said yes."""
    attempt = case.attempt(fact.attempt)
    return case.having(replace(attempt, confirmed_at=attempt.confirmed_at or fact.at)), ()


def released(case: Case, fact: Released) -> Outcome:
    """The page is void, unless its supporter holds the contact: only notifier ends that."""
    attempt = case.attempt(fact.attempt)
    return case.having(replace(attempt, released_at=attempt.released_at or fact.at)), ()


def release_requested(case: Case, fact: ReleaseRequested) -> Outcome:
    """Revoke the link, or leave it to the coordinator where the supporter holds the contact."""
    if case.page(fact.attempt) is not Page.CONTACT:
        return declined(case, fact.attempt, fact.at, why="released")
    return case, (Open("release-requested", subject=fact.event, urgent=True),)


def window_passed(case: Case, fact: WindowPassed) -> Outcome:
    """A supporter who never looked at the confirmed match has declined it."""
    if case.page(fact.attempt) is not Page.NAME:
        return case, ()
    return declined(case, fact.attempt, fact.at, why="silent")


def quiet(case: Case, fact: Quiet) -> Outcome:
    """Remind the supporter who holds the contact once; after that, and of a silent physician, tell the worklist."""
    if case.quiet_since is None:
        return case, ()
    for number in case.holders:
        holder = case.attempt(number)
        if holder.reminded_at is None:
            plan = Plan(Message.SUPPORTER_REMINDED, _about(number), number)
            return case.having(replace(holder, reminded_at=fact.at)), (plan,)
        return case.having(replace(holder, silent_at=fact.at)), (Open("silent"),)
    return replace(case, silent_at=fact.at), (Open("silent"),)


def waited_on(case: Case, fact: WaitedOn) -> Outcome:
    """A coordinator waits on: the time of silence begins anew."""
    if case.closed_at:
        return case, ()
    for number in case.holders:
        case = case.having(replace(case.attempt(number), silent_at=None))
    return replace(case, silent_at=None, waited_at=fact.at), ()


def overdue(case: Case, fact: Overdue) -> Outcome:
    """A match stands proposed and its referral cannot be read: somebody must look."""
    if case.readable or case.closed_at or case.unread_at:
        return case, ()
    return replace(case, unread_at=fact.at), (Open("no-referral", urgent=True),)


def claimed(case: Case, fact: Claimed) -> Outcome:
    """From its claim on an invitation may have reached the physician."""
    if fact.message is not Message.PHYSICIAN_INVITED:
        return case, ()
    return replace(case, invited_at=case.invited_at or fact.at), ()


def handed(case: Case, fact: Handed) -> Outcome:
    """A mail server took a message; the supporter's answer window starts with the question."""
    if fact.message is Message.SUPPORTER_ASKED and fact.attempt:
        attempt = case.attempt(fact.attempt)
        if attempt.notified_at:
            return case, ()
        case = case.having(replace(attempt, notified_at=fact.at))
    step = TOLD_STEPS.get(fact.message)
    return case, (Log(step, case.phase, fact.attempt),) if step else ()


def undelivered(case: Case, fact: Undelivered) -> Outcome:
    """A coordinator decides; nothing is sent again by itself."""
    if fact.message in ANSWERABLE and (fact.message, fact.attempt) not in case.unanswered:
        return case, ()  # it was answered while it was on its way, or the case has gone on without it
    kind = "delivery-unknown" if fact.unknown else "delivery-failed"
    return case, (
        Log(kind, Phase.EXCEPTION, fact.attempt, codes=(("message", fact.message),)),
        Open(kind, subject=fact.send, reason=fact.message, urgent=True),
    )


ANSWERABLE = frozenset({Message.SUPPORTER_ASKED, Message.SUPPORTER_REMINDED, Message.PHYSICIAN_INVITED})
"""Messages whose arrival matters only until somebody answers; who is to stop has to know it in any case."""


def _due_messages(case: Case) -> Decisions:
    if not (case.created_at and case.readable) or case.closed_at:
        return ()
    asked = [attempt.number for attempt in case.attempts if case.page(attempt.number) is Page.ASKED]
    invitation = (Plan(Message.PHYSICIAN_INVITED, "referral"),) if case.invites and not case.invited_at else ()
    return (*invitation, *(Plan(Message.SUPPORTER_ASKED, _about(number), number) for number in asked))


def _about(number: int) -> str:
    return f"attempt-{number}"


def _unreachable(case: Case, fact: Unreachable) -> Outcome:
    return declined(case, fact.attempt, fact.at, why="unreachable")


def _closed_by_coordinator(case: Case, fact: ClosedByCoordinator) -> Outcome:
    return closed(case, fact.at)


RULES: Mapping[type[Fact], Callable[[Case, Any], Outcome]] = {
    Created: created,
    BecameReadable: became_readable,
    Withdrawn: withdrawn,
    JoinCameLate: join_came_late,
    Forgotten: forgotten,
    Proposed: proposed,
    Confirmed: confirmed,
    Released: released,
    ReleaseRequested: release_requested,
    Pressed: people.pressed,
    Answered: people.answered,
    OtherRequested: people.other_requested,
    ClosedByCoordinator: _closed_by_coordinator,
    WindowPassed: window_passed,
    Quiet: quiet,
    WaitedOn: waited_on,
    Overdue: overdue,
    Claimed: claimed,
    Handed: handed,
    Undelivered: undelivered,
    Unreachable: _unreachable,
    Recalled: recall.recalled,
}
