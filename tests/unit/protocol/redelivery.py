"""Whether telling a party again what it was told before, at any later time, changes anything. No tests here."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeVar

from matcher.domain import facts as matching
from notifier.domain import facts as outreach

from tests.unit.protocol.world import Parties, Told

F = TypeVar("F", bound=Hashable)
Edge = tuple[int, F | None, int]
"""What a party was, what it was told (None: something was done beside its fold), and what it then was."""
FROM_TOPICS = (
    outreach.Created,
    outreach.BecameReadable,
    outreach.Withdrawn,
    outreach.JoinCameLate,
    outreach.Proposed,
    outreach.Confirmed,
    outreach.Released,
    outreach.ReleaseRequested,
)
"""What notifier learns from topics; what people and time do is no event that could come again."""
MATCHERS_OWN = (
    matching.WindowOver,
    matching.Chosen,
    matching.NobodyFound,
    matching.Approved,
    matching.Rejected,
    matching.SupporterLeft,
    matching.ReleaseWanted,
    matching.Renewed,
)
"""What matcher learns from its own clock, round, roster and coordinator."""


def changed_by_a_repeat(parties: Parties) -> list[str]:
    """What of all that was told in an exploration would change a party, or be answered, if it came again."""
    matching_edges: list[Edge[matching.Fact]] = [
        (number, fact, told.number) for (number, fact), told in parties.told_matcher.items()
    ]
    outreach_edges: list[Edge[outreach.Fact]] = [
        (number, fact, told.number) for (number, fact), told in parties.told_notifier.items()
    ]
    outreach_edges += [(number, None, after) for number, became in parties.became.items() for after in became]
    to_matcher = _known(matching_edges, lambda fact: not isinstance(fact, MATCHERS_OWN))
    to_notifier = _known(outreach_edges, lambda fact: isinstance(fact, FROM_TOPICS))
    return _changed(to_matcher, parties.tell_matcher) + _changed(to_notifier, parties.tell_notifier)


def _changed(known: Mapping[int, set[F]], tell: Callable[[int, Any], Told]) -> list[str]:
    wrong = []
    for number, facts in known.items():
        for fact in facts:
            again = tell(number, fact)
            if again.number != number or again.verdicts or again.to_matcher or again.to_intake:
                wrong.append(f"{fact} again in {number}")
    return wrong


def _known(told: Iterable[Edge[F]], is_event: Callable[[F], bool]) -> Mapping[int, set[F]]:
    """For each state of a party, every event that it may have been told before on some way there."""
    onward: dict[int, list[tuple[F | None, int]]] = defaultdict(list)
    for number, fact, after in told:
        onward[number].append((fact, after))
    known: dict[int, set[F]] = defaultdict(set)
    waiting = list(onward)
    while waiting:
        number = waiting.pop()
        for fact, after in onward[number]:
            new = known[number] | ({fact} if fact is not None and is_event(fact) else set())
            if not new <= known[after]:
                known[after] |= new
                waiting.append(after)
    return known
