"""Everything that anybody may do next. No tests here."""

from collections.abc import Iterator
from typing import NamedTuple

from intake.domain.cases import Standing
from matcher.domain import facts as matching
from notifier.domain import facts as outreach

from tests.unit.protocol.acts import Act, Acts
from tests.unit.protocol.intake_party import AT, Command, incident_key
from tests.unit.protocol.world import (
    STEPS,
    VERDICTS,
    Part,
    Parties,
    Told,
    World,
    facts_for_matcher,
    facts_for_notifier,
)

QUEUES = ("referrals_to_matcher", "referrals_to_notifier", "matches", "steps_to_matcher", "steps_to_intake")
AT_INTAKE = ("report", "again", "retract", "wish", "load", "dismiss")


class Move(NamedTuple):
    """A step of the world; `number` is the referral that it moves. `sure`: it will happen by itself."""

    name: str
    sure: bool
    number: int
    world: World
    idle: bool = False
    """Nothing follows from it, so it is taken before all others, which are not looked at."""


class Steps:
    """The steps of all parties."""

    def __init__(self, parties: Parties) -> None:
        self.parties = parties
        self._acts = Acts(parties)

    def of(self, world: World) -> list[Move]:
        """
        All steps from here.

        Whatever is on its way to somebody who will make nothing of it any more is read first: in whichever
        order it is read with what else may happen, it leads to the same.
        """
        for number, part in enumerate(world.parts):
            if idle := self._idle(world, number, part):
                return [idle._replace(idle=True)]
        moves = list(self._outside(world))
        for number, part in enumerate(world.parts):
            moves += [self.read(world, number, queue) for queue in QUEUES if getattr(part, queue)]
            for act in self._acts.of_matcher(part.match, world.left):
                moves.append(self._done(world, number, part._replace(match=act.told.number), act))
            for act in self._acts.of_notifier(part.desk, world.left):
                moves.append(self._done(world, number, part._replace(desk=act.told.number), act))
        return [move for move in moves if move.world != world]

    def _done(self, world: World, number: int, part: Part, act: Act) -> Move:
        left = world.left - {act.token} if act.token else world.left
        return Move(act.name, act.sure, number, World(world.intake, _with(world, number, _told(part, act.told)), left))

    def _outside(self, world: World) -> Iterator[Move]:
        """What comes from sources, coordinators at intake, and the directory."""
        intake = self.parties.intakes[world.intake]
        for token in sorted(world.left):
            verb, _, which = token.partition("-")
            if verb not in AT_INTAKE:
                continue
            number = int(which or 0)
            if verb not in ("report", "load") and intake.referral(number) is None:
                continue
            if verb == "dismiss" and intake.standing(number) is not Standing.UNRESOLVED:
                continue
            spent = world._replace(left=world.left - {token})
            yield Move(token, False, number, self.parties.command(spent, Command(verb, number)))

    # --- what is on its way -------------------------------------------------------------------------------

    def read(self, world: World, number: int, queue: str) -> Move:
        """The oldest event that is on its way in a queue (the name of a field of Part) is read."""
        reader = {
            "referrals_to_matcher": self._matcher_reads_referral,
            "referrals_to_notifier": self._notifier_reads_referral,
            "matches": self._notifier_reads_match,
            "steps_to_matcher": self._matcher_reads_step,
            "steps_to_intake": self._intake_reads_step,
        }[queue]
        return reader(world, number, world.parts[number])

    def _notifier_reads_match(self, world: World, number: int, part: Part) -> Move:
        kind, attempt = self.parties.verdicts[part.matches[0]]
        told = self.parties.tell_notifier(part.desk, VERDICTS[kind](attempt))
        read = part._replace(desk=told.number, matches=part.matches[1:])
        return Move(f"n:{kind}{attempt}", True, number, _put(world, number, _told(read, told)))

    def _matcher_reads_referral(self, world: World, number: int, part: Part) -> Move:
        said = self.parties.referral_events[part.referrals_to_matcher[0]]
        part = part._replace(referrals_to_matcher=part.referrals_to_matcher[1:])
        for fact in facts_for_matcher(said, self.parties.scene):
            told = self.parties.tell_matcher(part.match, fact)
            part = _told(part._replace(match=told.number), told)
        after = _put(world, number, part)
        if said.kind == "joined":
            host = world.parts[said.into]
            told = self.parties.tell_matcher(
                host.match, matching.JoinTaken(incident_key(number), said.sequence, readable=True)
            )
            after = _put(after, said.into, _told(host._replace(match=told.number), told))
        return Move(f"m:{said.kind}", True, number, after)

    def _notifier_reads_referral(self, world: World, number: int, part: Part) -> Move:
        said = self.parties.referral_events[part.referrals_to_notifier[0]]
        part = part._replace(referrals_to_notifier=part.referrals_to_notifier[1:])
        facts = facts_for_notifier(said, self.parties.scene)
        if said.kind == "joined":
            is_open = self.parties.desks[world.parts[said.into].desk].case.closed_at is None
            part = part._replace(taken=part.taken or is_open)
            facts = () if is_open else (outreach.JoinCameLate(AT, incident_key(said.into)),)
        told = self.parties.tell_notifier(part.desk, *facts)
        after = _put(world, number, _told(part._replace(desk=told.number), told))
        return Move(f"n:{said.kind}{said.withdrawal and '-' + said.withdrawal}", True, number, after)

    def _matcher_reads_step(self, world: World, number: int, part: Part) -> Move:
        step = self.parties.steps[part.steps_to_matcher[0]]
        told = self.parties.tell_matcher(part.match, STEPS[step.name](step.attempt))
        read = part._replace(match=told.number, steps_to_matcher=part.steps_to_matcher[1:])
        return Move(f"m:{step.name}{step.attempt}", True, number, _put(world, number, _told(read, told)))

    def _intake_reads_step(self, world: World, number: int, part: Part) -> Move:
        step = self.parties.steps[part.steps_to_intake[0]]
        read = _put(world, number, part._replace(steps_to_intake=part.steps_to_intake[1:]))
        return Move(f"i:{step.name}", True, number, self.parties.command(read, Command(step.name, number, step.into)))

    def _idle(self, world: World, number: int, part: Part) -> Move | None:
        """A delivery of which nothing follows, and on which nothing else depends: its reader's case is closed."""
        move = None
        is_matched = self.parties.matches[part.match].closed_at is not None
        if part.matches and self.parties.desks[part.desk].case.closed_at is not None:
            move = self._notifier_reads_match(world, number, part)
        elif part.steps_to_matcher and is_matched:
            move = self._matcher_reads_step(world, number, part)
        elif part.referrals_to_matcher and is_matched:
            if self.parties.referral_events[part.referrals_to_matcher[0]].kind != "joined":
                move = self._matcher_reads_referral(world, number, part)
        elif part.referrals_to_notifier and self.parties.desks[part.desk].case.closed_at is not None:
            if self.parties.referral_events[part.referrals_to_notifier[0]].kind != "joined":
                move = self._notifier_reads_referral(world, number, part)
        elif part.steps_to_intake and len(world.parts) == 1 and not _concern_intake(world.left):
            move = self._intake_reads_step(world, number, part)
        return move


def _concern_intake(left: frozenset[str]) -> bool:
    return any(token.partition("-")[0] in AT_INTAKE for token in left)


def _with(world: World, number: int, part: Part) -> tuple[Part, ...]:
    return (*world.parts[:number], part, *world.parts[number + 1 :])


def _put(world: World, number: int, part: Part) -> World:
    return World(world.intake, _with(world, number, part), world.left)


def _told(part: Part, told: Told) -> Part:
    """The referral with what a party says of it on its way."""
    if told.verdicts:
        part = part._replace(matches=part.matches + told.verdicts)
    if told.to_matcher or told.to_intake:
        part = part._replace(
            steps_to_matcher=part.steps_to_matcher + told.to_matcher,
            steps_to_intake=part.steps_to_intake + told.to_intake,
        )
    return part
