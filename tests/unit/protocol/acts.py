"""What matcher and notifier do by themselves, and what people and coordinators may do to a case. No tests here."""

from collections.abc import Iterator
from typing import NamedTuple

from matcher.domain import facts as matching
from matcher.domain.state import Case as Match
from matcher.domain.state import Stage, Turn
from notifier.domain import facts as outreach
from notifier.domain.facts import Answer, Button, Fact, Message
from notifier.domain.people import BUTTONS
from notifier.domain.state import Page

from tests.unit.protocol.intake_party import AT
from tests.unit.protocol.notifier_party import (
    ARRIVABLE,
    Desk,
    Item,
    Send,
    dropping_unwanted,
    in_time,
    may_be_claimed,
    undelivered,
)
from tests.unit.protocol.world import Parties, Told

ASKED = Message.SUPPORTER_ASKED
SAME_AS_ANOTHER = (Page.ASKED, Button.DECLINE)
"""A button that changes the case no otherwise than another there (no), left out to explore the less."""


class Act(NamedTuple):
    """What somebody may do to a case; `sure`: it will happen by itself. It uses its token up."""

    name: str
    sure: bool
    told: Told
    token: str = ""


class Acts:
    """The acts on each party's case, each worked out once."""

    def __init__(self, parties: Parties) -> None:
        self.parties = parties
        self._of_matcher: dict[tuple[int, frozenset[str]], list[Act]] = {}
        self._of_notifier: dict[tuple[int, frozenset[str]], list[Act]] = {}

    def of_matcher(self, number: int, left: frozenset[str]) -> list[Act]:
        """Rounds and windows of matcher, and what its coordinator may do."""
        key = number, left
        if key not in self._of_matcher:
            self._of_matcher[key] = [act for act in self._matching(number, left) if act.told.number != number]
        return self._of_matcher[key]

    def of_notifier(self, number: int, left: frozenset[str]) -> list[Act]:
        """Messages, time, people and coordinators at notifier's desk."""
        key = number, left
        if key not in self._of_notifier:
            self._of_notifier[key] = [act for act in self._outreach(number, left) if act.told.number != number]
            self.parties.became[number] |= {act.told.number for act in self._of_notifier[key]}
        return self._of_notifier[key]

    # --- matcher ----------------------------------------------------------------------------------------

    def _matching(self, number: int, left: frozenset[str]) -> Iterator[Act]:
        match = self.parties.matches[number]

        def act(name: str, sure: bool, fact: matching.Fact, token: str = "") -> Act:
            return Act(name, sure, self.parties.tell_matcher(number, fact), token)

        if match.turn() is Turn.ROUND:
            yield act("m:round", True, self._round(match))
        if match.items() and "retry" in left:
            again = matching.Renewed(self.parties.scene.supporters, by_human=True)
            yield act("m:retry", False, again, "retry")
        if (current := match.current) is None:
            return
        if current.stage is Stage.PROPOSED and current.answer_by is not None:
            yield act("m:window-over", True, matching.WindowOver(current.number))
        if current.stage is Stage.SUGGESTED:
            if not match.held:
                yield act("m:approved", False, matching.Approved(current.number))
            yield act("m:rejected", False, matching.Rejected(current.number))
        if "leave" in left:
            yield act("m:supporter-left", False, matching.SupporterLeft(current.number), "leave")
        if "break" in left:
            yield act("m:release-wanted", False, matching.ReleaseWanted(current.number), "break")

    def _round(self, match: Match) -> matching.Fact:
        scene = self.parties.scene
        chosen = None if match.exhausted else self.parties.rules.choose(match, scene.supporters)
        return matching.Chosen(chosen, scene.needs_approval) if chosen else matching.NobodyFound()

    # --- notifier ---------------------------------------------------------------------------------------

    def _outreach(self, number: int, left: frozenset[str]) -> Iterator[Act]:
        desk = self.parties.desks[number]
        for send in desk.sends:
            yield from self._sending(desk, send, left)
        for fact in in_time(desk):
            yield Act(f"n:{type(fact).__name__}", True, self._tell(desk, fact))
        yield from self._supporters(desk)
        yield from self._physician(desk, left)
        for item in sorted(desk.items):
            yield from self._worklist(desk, item, left)
        if "close" in left and desk.case.created_at and not desk.case.closed_at:
            yield Act("c:close", False, self._tell(desk, outreach.ClosedByCoordinator(AT)), "close")

    def _tell(self, desk: Desk, *facts: Fact) -> Told:
        """What notifier makes of facts after something was done to its tables beside the fold."""
        return self.parties.tell_notifier(self.parties.desks.of(desk), *facts)

    def _sending(self, desk: Desk, send: Send, left: frozenset[str]) -> Iterator[Act]:
        message, attempt, about = send.message, send.attempt, f"{send.message}{send.attempt}"
        if may_be_claimed(desk, send, self.parties.rules):
            claimed = desk.setting(message, attempt, "sending")
            yield Act(f"n:claim-{about}", True, self._tell(claimed, outreach.Claimed(AT, message)))
        if send.state != "sending":
            return
        sent = desk.setting(message, attempt, "sent")
        yield Act(f"n:sent-{about}", True, self._tell(sent, outreach.Handed(AT, message, attempt or None)))
        for fate in ("unknown", "failed"):
            for token in {fate, f"{fate}-{message}"} & left:  # of any message, or of one kind
                ended = self._tell(desk.setting(message, attempt, fate), undelivered(send, unknown=fate == "unknown"))
                yield Act(f"n:{fate}-{about}", True, ended, token)
        if "refused" in left:  # to be tried again
            yield Act(
                f"n:refused-{about}",
                True,
                self._tell(dropping_unwanted(desk.setting(message, attempt, "planned"))),
                "refused",
            )

    def _supporters(self, desk: Desk) -> Iterator[Act]:
        for attempt in desk.case.attempts:
            page = desk.case.page(attempt.number)
            if desk.state_of(ASKED, attempt.number) not in ARRIVABLE:
                continue
            for where, button in BUTTONS:
                if where is page and button in self.parties.scene.buttons and (where, button) != SAME_AS_ANOTHER:
                    pressed = self._tell(desk, outreach.Pressed(AT, attempt.number, button))
                    yield Act(f"s:{button}{attempt.number}", False, pressed)

    def _physician(self, desk: Desk, left: frozenset[str]) -> Iterator[Act]:
        if desk.state_of(Message.PHYSICIAN_INVITED, 0) in ARRIVABLE:
            for answer in Answer:
                yield Act(f"p:{answer}", False, self._tell(desk, outreach.Answered(AT, answer)))
        if desk.case.holders and "other" in left:
            yield Act("p:other", False, self._tell(desk, outreach.OtherRequested(AT)), "other")

    def _worklist(self, desk: Desk, item: Item, left: frozenset[str]) -> Iterator[Act]:
        """What a coordinator may do about an item; the act resolves it (notifier's `api.ACTIONS`)."""
        resolved = desk.without(item)
        if item.kind == "silent":
            yield Act("c:close", False, self._tell(resolved, outreach.ClosedByCoordinator(AT)))
            if "wait" in left:
                yield Act("c:wait", False, self._tell(resolved, outreach.WaitedOn(AT)), "wait")
        if item.about is None:
            return
        message, attempt = item.about
        overruled = resolved.setting(message, attempt, "overruled")
        yield Act("c:delivered", False, self._tell(overruled, outreach.Handed(AT, message, attempt or None)))
        if attempt:
            yield Act("c:match-again", False, self._tell(overruled, outreach.Unreachable(AT, attempt)))
        if "resend" in left:
            again = dropping_unwanted(resolved.setting(message, attempt, "planned"))
            yield Act("c:send-again", False, self._tell(again), "resend")
