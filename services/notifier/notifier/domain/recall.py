"""What a step that we had logged says, to a database that was set back and has lost it. Nothing is logged again."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from notifier.domain import ending
from notifier.domain.decisions import Decisions, Plan
from notifier.domain.facts import Recalled
from notifier.domain.state import Case, Page

OF_THE_ATTEMPT: Mapping[str, str] = {
    "supporter-notified": "notified_at",
    "supporter-accepted": "accepted_at",
    "supporter-declined": "declined_at",
    "contact-shown": "shown_at",
    "contact-attempted": "attempted_at",
    "contact-made": "made_at",
    "resources-permitted": "permitted_at",
    "resources-sent": "sent_at",
    "reminder-sent": "reminded_at",
}
OF_THE_CASE: Mapping[str, str] = {
    "physician-invited": "invited_at",
    "wants-to-talk": "wanted_at",
    "not-now": "not_now_at",
    "retraction-declined": "stands_at",
}
"""Which fact each step says; the others say nothing that the fold depends on."""


def recalled(case: Case, fact: Recalled) -> tuple[Case, Decisions]:
    """The case that knows the step. Whoever had to be told to stop is planned for: a human decides about it."""
    if fact.step == "closed":
        closed, decisions = ending.closed(case, fact.at, fact.attempt)
        return closed, _only_plans(decisions)
    if fact.attempt and fact.step == "other-supporter-requested":
        if case.attempt(fact.attempt).stopped_at:
            return case, ()
        return ending.stopped(case, fact.attempt, fact.at)
    if fact.attempt and (name := OF_THE_ATTEMPT.get(fact.step)):
        attempt = case.attempt(fact.attempt)
        return case.having(replace(attempt, **_since(attempt, name, fact.at))), ()
    return _of_the_case(case, fact), ()


def _of_the_case(case: Case, fact: Recalled) -> Case:
    if fact.into:
        return replace(case, refused_into=case.refused_into | {fact.into})
    name = OF_THE_CASE.get(fact.step)
    return replace(case, **_since(case, name, fact.at)) if name else case


def pages_in_use(case: Case) -> Iterator[tuple[str, int | None]]:
    """Whose private pages the case waits for beyond the question to a supporter: audience and attempt."""
    if case.closed_at:
        return
    if case.invited_at and not (case.wanted_at or case.silent_at):
        yield "physician", None
    for attempt in case.attempts:
        if case.page(attempt.number) in (Page.WISH, Page.NAME, Page.CONTACT):
            yield "supporter", attempt.number


def _since(known: object, name: str, at: datetime) -> dict[str, Any]:
    return {name: getattr(known, name) or at}


def _only_plans(decisions: Decisions) -> Decisions:
    return tuple(decision for decision in decisions if isinstance(decision, Plan))
