"""Every state of a scene, breadth first. No tests here."""

import gc
from collections import deque
from dataclasses import dataclass

from tests.unit.protocol.invariants import Invariants
from tests.unit.protocol.rules import Rules
from tests.unit.protocol.steps import Steps
from tests.unit.protocol.world import Parties, Scene, World


@dataclass
class Explored:
    """How many states there are, what is wrong with the first bad one and how it was reached, and who took part."""

    states: int
    wrong: str | None
    parties: Parties


def explore(scene: Scene, rules: Rules | None = None) -> Explored:
    """Look at every state that this scene can reach, until one is wrong."""
    gc.disable()  # millions of small things that all stay: looking through them again and again takes a third of the time
    try:
        return _explore(Parties(scene, rules or Rules()))
    finally:
        gc.enable()


def _explore(parties: Parties) -> Explored:
    steps, invariants = Steps(parties), Invariants(parties)
    start = parties.start()
    came_from: dict[World, tuple[World, str] | None] = {start: None}
    queue = deque([start])
    while queue:
        world = queue.popleft()
        moves = list(steps.of(world))
        wrong = next(invariants.broken(world, moves), None)
        for move in moves:
            wrong = wrong or next(invariants.broken_by(world, move), None)
            if move.world not in came_from:
                came_from[move.world] = (world, move.name)
                queue.append(move.world)
        if wrong:
            return Explored(len(came_from), f"{wrong} after {' > '.join(path(came_from, world))}", parties)
    return Explored(len(came_from), None, parties)


def path(came_from: dict[World, tuple[World, str] | None], world: World) -> list[str]:
    """The names of the steps that lead to a state."""
    names: list[str] = []
    while step := came_from[world]:
        world, name = step
        names.insert(0, name)
    return names
