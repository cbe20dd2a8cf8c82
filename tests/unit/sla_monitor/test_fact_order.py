"""The same facts give the same case, and the same single decisions, in any order and with any repeats."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations

from hypothesis import assume, given
from hypothesis import strategies as st
from sla_monitor.domain.decisions import Breached, Decision, Met, Set, Standing
from sla_monitor.domain.facts import Closed, Fact, RetractionDeclined, Withdrawn

from tests.unit.sla_monitor.watching import (
    CASE,
    DUE,
    HOUR,
    LONG_AFTER,
    ROW_1,
    Monitor,
    a_start,
    joined,
    requested,
    stopped,
)

ENDS = st.datetimes(
    (ROW_1 - HOUR).replace(tzinfo=None), (DUE + timedelta(days=1)).replace(tzinfo=None), timezones=st.just(UTC)
)
STARTS = st.just(requested()) | st.just(requested(entered=DUE + HOUR)) | st.just(requested(entered=ROW_1 + HOUR))
OTHERS = (
    ENDS.map(stopped)
    | ENDS.map(lambda at: Closed(CASE, at))
    | ENDS.map(lambda at: Withdrawn(CASE, at))
    | st.just(RetractionDeclined(CASE))
)
FACTS = st.tuples(STARTS, st.lists(OTHERS, max_size=6)).map(lambda some: [some[0], *some[1]])


@st.composite
def histories(draw: st.DrawFn) -> tuple[Sequence[Fact], Sequence[Fact], Sequence[datetime]]:
    """The same facts in two orders, the second with repeats, and the times at which a sweep comes."""
    facts = draw(FACTS)
    repeats = draw(st.lists(st.sampled_from(facts), max_size=4))
    order = draw(st.permutations([*facts, *repeats]))
    sweeps = draw(st.lists(ENDS, min_size=len(order), max_size=len(order)))
    return facts, order, sorted(sweeps)


@given(histories())
def test_facts_in_any_order_with_any_repeats_give_the_same_case(
    history: tuple[Sequence[Fact], Sequence[Fact], Sequence[datetime]],
) -> None:
    facts, order, _ = history

    assert Monitor().learn(*order).case == Monitor().learn(*facts).case


@given(histories())
def test_facts_in_any_order_with_any_repeats_give_the_same_decisions_once_each(
    history: tuple[Sequence[Fact], Sequence[Fact], Sequence[datetime]],
) -> None:
    facts, order, _ = history

    plain, shuffled = (Monitor().learn(*given).wait_until(LONG_AFTER) for given in (facts, order))

    assert Counter(shuffled.kinds) == Counter(plain.kinds)
    assert max(Counter(plain.kinds).values()) == 1
    assert shuffled.standing is plain.standing


@given(histories())
def test_a_sweep_between_any_two_facts_changes_the_way_but_not_the_end(
    history: tuple[Sequence[Fact], Sequence[Fact], Sequence[datetime]],
) -> None:
    facts, order, sweeps = history
    # Outreach says of a case that is closed no more that its retraction was declined, and says both in their order. Told
    # the other way round, a sweep in between, a breach would be corrected, and stand again: a correction is told once.
    assume(_declines_before_it_closes(order))
    swept = Monitor()

    for fact, at in zip(order, sweeps, strict=True):
        swept.learn(fact, now=at).wait_until(at)
    swept.wait_until(LONG_AFTER)

    counts = Counter(swept.kinds)
    assert swept.standing is Monitor().learn(*facts).wait_until(LONG_AFTER).standing
    assert counts[Set] == 1
    assert max(counts.values()) == 1
    assert counts[Breached] == _breaches_that_stand(swept.decided) + _corrections(swept.decided)
    assert (swept.standing is Standing.BREACHED) == (_breaches_that_stand(swept.decided) == 1)


@given(st.lists(ENDS, min_size=1, max_size=3), ENDS)
def test_whatever_the_order_of_triggers_the_earliest_due_time_counts(joins: list[datetime], received: datetime) -> None:
    facts: list[Fact] = [requested(received), *map(joined, joins)]
    expected = min(a_start(at).due_at for at in [received, *joins])

    ends = {Monitor().learn(*order).clock.told_due_at for order in permutations(facts)}

    assert ends == {expected}


def _declines_before_it_closes(order: Sequence[Fact]) -> bool:
    said = list(dict.fromkeys(type(fact) for fact in order if isinstance(fact, Closed | RetractionDeclined)))
    return said != [Closed, RetractionDeclined]


def _corrections(decided: Iterable[Decision]) -> int:
    return sum(1 for decision in decided if isinstance(decision.what, Met) and decision.what.corrects)


def _breaches_that_stand(decided: Sequence[Decision]) -> int:
    return sum(1 for decision in decided if isinstance(decision.what, Breached)) - _corrections(decided)
