"""How far a fold is certain, by what the broker said of the ends and what had been read by then."""

from datetime import UTC, datetime, timedelta

from chassis.freshness import Freshness
from hypothesis import given
from hypothesis import strategies as st

START = datetime(2026, 6, 9, 14, 15, tzinfo=UTC)
PARTITION = ("peerline.matches.v1", 0)
SECOND = timedelta(seconds=1)

looks = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7)), min_size=1, max_size=40)
"""At each second: how many records were written, and how many were read, since the one before."""


@given(looks)
def test_an_instant_is_certain_only_when_all_that_had_been_written_by_then_was_read(
    steps: list[tuple[int, int]],
) -> None:
    freshness, ends, position = Freshness(), [0], 0

    for second, (written, read) in enumerate(steps):
        ends.append(ends[-1] + written)
        position = min(position + read, ends[-1])
        certain = freshness.answer(START + second * SECOND, {PARTITION: ends[-1]}, {PARTITION: position})

        for at in certain.values():
            assert position >= ends[1 + (at - START) // SECOND]


def test_a_reader_that_is_always_one_second_behind_is_certain_up_to_a_second_or_two_ago() -> None:
    freshness = Freshness()
    now, certain = START, START

    for second in range(1, 60):
        now = START + second * SECOND
        known = freshness.answer(now, {PARTITION: 100 * second}, {PARTITION: 100 * (second - 1)})
        certain = known.get(PARTITION, certain)

    assert now - certain <= 2 * SECOND


def test_what_was_asked_of_a_partition_before_it_went_to_another_process_is_forgotten() -> None:
    freshness = Freshness()
    freshness.answer(START, {PARTITION: 10}, {PARTITION: 5})

    freshness.answer(START + SECOND, {}, {})
    known = freshness.answer(START + 2 * SECOND, {PARTITION: 20}, {PARTITION: 15})

    assert known == {}
