"""Small numbers stay hidden, also from somebody who subtracts, and from somebody who knows the rule."""

from collections import defaultdict
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sla_monitor.domain.suppression import SMALLEST, Shown, part_shown, percentile_shown, shown

NAMES = ("met", "breached", "corrected", "late")
COUNTS = st.lists(st.one_of(st.integers(0, 40), st.integers(0, 3000)), min_size=1, max_size=4).map(
    lambda counts: dict(zip(NAMES, counts, strict=False))
)


@given(COUNTS)
def test_what_is_shown_is_true_and_not_small(counts: dict[str, int]) -> None:
    told = shown(counts)

    assert told.counts.keys() == counts.keys()
    for name, count in told.counts.items():
        assert count is None or count == counts[name] >= SMALLEST
    assert told.total is None or told.total == sum(counts.values()) >= SMALLEST


@given(COUNTS)
def test_what_is_left_when_the_shown_is_subtracted_from_the_total_is_not_small(counts: dict[str, int]) -> None:
    told = shown(counts)

    hidden = [name for name, count in told.counts.items() if count is None]
    if told.total is not None and hidden:
        rest = told.total - sum(count for count in told.counts.values() if count is not None)
        assert rest >= SMALLEST
        assert len(hidden) > 1 or len(counts) == 1


@given(COUNTS)
def test_nothing_is_hidden_where_nothing_is_small(counts: dict[str, int]) -> None:
    enough = {name: count + SMALLEST for name, count in counts.items()}

    told = shown(enough)

    assert told == Shown(enough, sum(enough.values()))


@given(COUNTS)
def test_the_order_in_which_counts_stand_does_not_matter(counts: dict[str, int]) -> None:
    turned = dict(reversed(counts.items()))

    assert shown(turned).counts == shown(counts).counts


@pytest.mark.parametrize(("names", "most"), [(NAMES[:2], 80), (NAMES[:3], 45), (NAMES, 19)])
def test_who_knows_the_rule_and_all_that_is_shown_is_left_with_eleven_values_for_each_hidden_count(
    names: tuple[str, ...], most: int
) -> None:
    """Every table there is, up to a size: those that look alike are told apart by nobody."""
    looking_alike: dict[tuple[tuple[int | None, ...], int | None], list[tuple[int, ...]]] = defaultdict(list)
    for counts in product(range(most + 1), repeat=len(names)):
        told = shown(dict(zip(names, counts, strict=True)))
        looking_alike[(tuple(told.counts.values()), told.total)].append(counts)

    for (cells, total), tables in looking_alike.items():
        for number, cell in enumerate(cells):
            if cell is None and total is not None and total <= most:
                assert len({table[number] for table in tables}) >= SMALLEST, (cells, total)


def test_a_few_corrections_hide_the_next_larger_count_but_not_the_largest() -> None:
    told = shown({"met": 200, "breached": 30, "corrected": 2})

    assert told == Shown({"met": 200, "breached": None, "corrected": None}, 232)


def test_a_month_of_ten_shows_nothing_and_one_of_eleven_its_total() -> None:
    assert shown({"met": 10, "breached": 0}) == Shown({"met": None, "breached": None}, None)
    assert shown({"met": 11, "breached": 0}) == Shown({"met": None, "breached": None}, 11)


def test_a_percentile_of_fewer_than_eleven_is_hidden() -> None:
    assert (percentile_shown(90, of=10), percentile_shown(90, of=11)) == (None, 90)


@given(st.integers(0, 60), st.integers(0, 60))
def test_a_part_is_shown_where_neither_it_nor_the_rest_is_small(part: int, rest: int) -> None:
    told = part_shown(part, part + rest)

    assert told == (part if min(part, rest) >= SMALLEST else None)
    assert part_shown(part, None) is None
