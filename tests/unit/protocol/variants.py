"""Naive parties: each breaks one rule of the protocol, as somebody might in good faith. No tests here."""

from dataclasses import replace
from uuid import UUID

from intake.domain.cases import Cases, FactKind, Standing
from intake.domain.outcomes import CLOSED, JOIN_REFUSED, note_step
from intake.domain.people import Directory
from matcher.domain import facts as matching
from matcher.domain.facts import Confirm, Propose, Release
from matcher.domain.fold import Outcome, apply
from matcher.domain.state import Attempt, Stage
from matcher.domain.state import Case as Match
from notifier.domain import facts as outreach
from notifier.domain.decisions import Decisions, Log, Moot, Plan
from notifier.domain.ending import closed
from notifier.domain.facts import Button, Message
from notifier.domain.fold import fold
from notifier.domain.state import Case, Page

from tests.unit.protocol.rules import Rules

Outreach = tuple[Case, Decisions]


def _releases_a_confirmed_match_by_itself(match: Match, fact: matching.Fact) -> Outcome:
    attempt = match.current
    if isinstance(fact, matching.ReleaseWanted) and attempt is not None and attempt.stage is Stage.CONFIRMED:
        ended = replace(match, attempts=(*match.attempts[:-1], replace(attempt, stage=Stage.ENDED)))
        return Outcome(ended, (Release(attempt.number),))
    return apply(match, fact)


def _forgets_an_answer_that_comes_before_the_question(match: Match, fact: matching.Fact) -> Outcome:
    if isinstance(fact, matching.Stands) and not match.withdrawn:
        return Outcome(match)
    return apply(match, fact)


def _forgets_whom_it_asked(match: Match, fact: matching.Fact) -> Outcome:
    if isinstance(fact, matching.Chosen) and match.seeking and not match.exhausted:
        number = match.next_number
        attempts = (*match.attempts, Attempt(number, fact.supporter, Stage.PROPOSED))
        return Outcome(replace(match, attempts=attempts), (Propose(number),))
    return apply(match, fact)


def _confirms_at_each_yes(match: Match, fact: matching.Fact) -> Outcome:
    outcome = apply(match, fact)
    current = outcome.case.current
    if isinstance(fact, matching.Accepted) and current is not None and current.stage is Stage.CONFIRMED:
        return Outcome(outcome.case, (Confirm(fact.attempt),))
    return outcome


def _shows_the_name_to_whoever_says_yes(case: Case, fact: outreach.Fact) -> Outreach:
    known, decisions = fold(case, fact)
    if isinstance(fact, outreach.Pressed) and fact.button is Button.YES:
        known = known.having(replace(known.attempt(fact.attempt), confirmed_at=fact.at))
    return known, decisions


def _closes_at_each_retraction(case: Case, fact: outreach.Fact) -> Outreach:
    if isinstance(fact, outreach.Withdrawn) and not case.closed_at:
        return closed(case, fact.at)
    return fold(case, fact)


def _says_nothing_when_it_declines_a_retraction(case: Case, fact: outreach.Fact) -> Outreach:
    known, decisions = fold(case, fact)
    return known, tuple(
        each for each in decisions if not (isinstance(each, Log) and each.step == "retraction-declined")
    )


def _lets_a_join_into_a_closed_case_go(case: Case, fact: outreach.Fact) -> Outreach:
    return (case, ()) if isinstance(fact, outreach.JoinCameLate) else fold(case, fact)


def _tells_nobody_to_stop(case: Case, fact: outreach.Fact) -> Outreach:
    known, decisions = fold(case, fact)
    stop = Message.SUPPORTER_STOPPED
    return known, tuple(each for each in decisions if not (isinstance(each, Plan) and each.message is stop))


def _ends_whoever_holds_the_contact_when_matcher_asks(case: Case, fact: outreach.Fact) -> Outreach:
    if isinstance(fact, outreach.ReleaseRequested) and case.page(fact.attempt) is Page.CONTACT:
        ended = case.having(replace(case.attempt(fact.attempt), done_at=fact.at))
        return ended, ()
    return fold(case, fact)


def _waits_for_a_silent_supporter_for_ever(case: Case, fact: outreach.Fact) -> Outreach:
    known, decisions = fold(case, fact)
    return known, () if isinstance(fact, outreach.Quiet) else decisions


def _leaves_answered_questions_open(case: Case, fact: outreach.Fact) -> Outreach:
    known, decisions = fold(case, fact)
    return known, tuple(each for each in decisions if not isinstance(each, Moot))


def _opens_a_case_for_each_refused_join(
    cases: Cases, directory: Directory, referral_id: UUID, step: str, into: UUID | None
) -> None:
    referral = cases.get(referral_id)
    if step != JOIN_REFUSED or referral is None or referral.standing is not Standing.JOINED:
        note_step(cases, directory, referral_id, step, into)
        return
    opened = replace(referral, standing=Standing.OPEN, opened=True, into=None)
    cases.state(FactKind.CREATED, opened, person=directory.get(referral.person))
    if referral.into is not None:
        note_step(cases, directory, referral.into, CLOSED)


def _forgets_who_waits(cases: Cases, directory: Directory, referral_id: UUID, step: str, into: UUID | None) -> None:
    referral = cases.get(referral_id)
    if step == CLOSED and referral is not None and referral.standing is Standing.WITHDRAWN:
        cases.keep(replace(referral, standing=Standing.CLOSED))
        return
    note_step(cases, directory, referral_id, step, into)


RELEASES_A_CONFIRMED_MATCH = Rules(match=_releases_a_confirmed_match_by_itself)
FORGETS_AN_EARLY_ANSWER = Rules(match=_forgets_an_answer_that_comes_before_the_question)
ASKS_THE_SAME_AGAIN = Rules(match=_forgets_whom_it_asked, choose=lambda _match, _supporters: "s1")
CONFIRMS_AGAIN = Rules(match=_confirms_at_each_yes)
SHOWS_THE_NAME_EARLY = Rules(reach_out=_shows_the_name_to_whoever_says_yes)
CLOSES_AT_EACH_RETRACTION = Rules(reach_out=_closes_at_each_retraction)
DECLINES_IN_SILENCE = Rules(reach_out=_says_nothing_when_it_declines_a_retraction)
LOSES_A_LATE_JOIN = Rules(reach_out=_lets_a_join_into_a_closed_case_go)
STOPS_IN_SILENCE = Rules(reach_out=_tells_nobody_to_stop)
ENDS_A_HOLDER_ON_REQUEST = Rules(reach_out=_ends_whoever_holds_the_contact_when_matcher_asks)
WAITS_FOR_EVER = Rules(reach_out=_waits_for_a_silent_supporter_for_ever)
LEAVES_QUESTIONS_OPEN = Rules(reach_out=_leaves_answered_questions_open)
ASKS_BEFORE_STOPPED = Rules(waits_for_stop=frozenset())
ASKS_WHEN_STOP_IS_IN_DOUBT = Rules(waits_for_stop=frozenset({"planned", "sending"}))
OPENS_FOR_EACH_REFUSED_JOIN = Rules(note_step=_opens_a_case_for_each_refused_join)
FORGETS_WHO_WAITS = Rules(note_step=_forgets_who_waits)
