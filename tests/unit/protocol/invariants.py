"""What has to hold in every state, and whether a case is moved by anybody. No tests here."""

from collections.abc import Iterator, Sequence

from intake.domain.cases import Standing
from notifier.domain.facts import Message
from notifier.domain.state import Page

from tests.unit.protocol.notifier_party import Desk
from tests.unit.protocol.rules import UNTOLD
from tests.unit.protocol.steps import Move
from tests.unit.protocol.world import Part, Parties, World

NAMED = frozenset({Page.NAME, Page.CONTACT})
GONE_OUT = frozenset({"sending", "sent", "unknown", "failed", "overruled"})


class Invariants:
    """Looks at states; each finding says what is wrong."""

    def __init__(self, parties: Parties) -> None:
        self.parties = parties
        self._of_part: dict[tuple[int, int, bool], tuple[tuple[str, ...], int, bool]] = {}

    def broken(self, world: World, moves: Sequence[Move]) -> Iterator[str]:
        """What is wrong with a state, from which these moves lead on."""
        named = lives = 0
        for part in world.parts:
            found, names, is_live = self._look(part)
            yield from found
            named, lives = named + names, lives + is_live
        if named > 1:
            yield "two supporters have the name"
        if lives > 1:
            yield "one physician has two open cases"
        if any(move.idle for move in moves):
            return
        sure = {move.number for move in moves if move.sure}
        for number in range(len(world.parts)):
            if not self._is_cared_for(world, number, sure):
                yield f"nobody moves the case #{number}"

    def broken_by(self, before: World, move: Move) -> Iterator[str]:
        """What is wrong with a step."""
        if not move.name.startswith("n:withdrawn"):
            return
        part, after = before.parts[move.number], move.world.parts[move.number]
        case = self.parties.desks[part.desk].case
        is_retraction = move.name == "n:withdrawn-retracted"
        closes = case.closed_at is None and self.parties.desks[after.desk].case.closed_at is not None
        invited = self.parties.desks[part.desk].state_of(Message.PHYSICIAN_INVITED, 0) in GONE_OUT
        if is_retraction and closes and (invited or any(attempt.shown_at for attempt in case.attempts)):
            yield "a retraction closes a case whose physician was reached out to"
        if not is_retraction and self.parties.desks[after.desk].case.closed_at is None:
            yield "a case goes on that the physician does not want"

    def _look(self, part: Part) -> tuple[tuple[str, ...], int, bool]:
        key = part.match, part.desk, part.taken
        if key not in self._of_part:
            desk = self.parties.desks[part.desk]
            pages = [desk.case.page(attempt.number) for attempt in desk.case.attempts]
            is_live = desk.case.created_at is not None and desk.case.closed_at is None
            named = sum(page in NAMED for page in pages)
            self._of_part[key] = tuple(self._wrong(part, desk)), named, is_live
        return self._of_part[key]

    def _wrong(self, part: Part, desk: Desk) -> Iterator[str]:
        match = self.parties.matches[part.match]
        if len(desk.case.holders) > 1 or any(item.kind == "two-supporters" for item in desk.items):
            yield "two supporters hold the contact"
        for attempt in desk.case.attempts:
            known = match.attempt(attempt.number)
            if desk.case.page(attempt.number) in NAMED and not (known and known.confirmed):
                yield "a name is shown before the match is confirmed"
            if desk.case.page(attempt.number) in NAMED and match.current not in (None, known):
                yield "another supporter is sought while one has the name"
        asked = [attempt.supporter for attempt in match.attempts]
        if len(asked) != len(set(asked)):
            yield "the same supporter is asked again"
        yield from _wrong_with_messages(desk)
        if part.taken and desk.case.created_at is not None:
            yield "a trigger was taken into a case and has one of its own"

    def _is_cared_for(self, world: World, number: int, sure: set[int]) -> bool:
        """Whether a referral is moving, closed, or on a worklist."""
        part, standing = world.parts[number], self.parties.intakes[world.intake].standing(number)
        desk, match = self.parties.desks[part.desk], self.parties.matches[part.match]
        if standing in (None, Standing.UNRESOLVED) or number in sure or desk.items or match.items():
            return True
        if standing is Standing.JOINED:
            return part.taken  # what it was taken into is looked at for itself
        if standing is Standing.WAITING:
            into = self.parties.intakes[world.intake].referral(number)
            assert into is not None
            host = self.parties.intakes[world.intake].number_of(into.into)
            is_decided = self.parties.intakes[world.intake].standing(host) is not Standing.WITHDRAWN
            return not is_decided and self._is_cared_for(world, host, sure)
        return standing is Standing.CLOSED and desk.case.closed_at is not None and match.closed_at is not None


def _wrong_with_messages(desk: Desk) -> Iterator[str]:
    stops = {send.attempt: send.state for send in desk.sends if send.message is Message.SUPPORTER_STOPPED}
    for send in desk.sends:
        if send.message is Message.SUPPORTER_ASKED and send.state in GONE_OUT:
            earlier = [state for attempt, state in stops.items() if attempt < send.attempt]
            if any(state in UNTOLD for state in earlier):
                yield "the next supporter is asked before the first is told to stop"
    for attempt in desk.case.attempts:
        if desk.case.page(attempt.number) is Page.TOLD_TO_STOP and attempt.number not in stops:
            yield "a supporter who holds the contact is not told to stop"
    for item in desk.items:
        message, number = item.about or (None, 0)
        if message is Message.SUPPORTER_ASKED and desk.case.page(number) is not Page.ASKED:
            yield "a delivery is asked about that no longer matters"
