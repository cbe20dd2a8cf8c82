import time
from collections import Counter
from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from matcher.domain.eligibility import Seats, Supporter
from matcher.domain.ranking import Pool

from tests.unit.matcher.builders import NOW, TODAY, a_need, a_supporter, the_rules


def referral(number: int) -> UUID:
    return UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)


def choose(pool: Pool, number: int, **need: object) -> str | None:
    chosen = pool.choose(a_need(referral(number), **need), the_rules(), TODAY)
    return chosen.supporter_id if chosen else None


def pool_of(*supporters: Supporter, **seats: Seats) -> Pool:
    return Pool(supporters, seats, now=NOW)


def test_whoever_has_fewer_open_cases_comes_first() -> None:
    pool = pool_of(a_supporter("s1"), a_supporter("s2"), s1=Seats(1))

    assert [choose(pool, number) for number in range(20, 21)] == ["s2"]


def test_a_preference_counts_before_load() -> None:
    pool = pool_of(a_supporter("s1", attributes={"gender": "female"}), a_supporter("s2"), s1=Seats(1))

    assert choose(pool, 1, preferences={"gender": "female"}) == "s1"


def test_the_draw_is_the_same_whenever_it_is_repeated_and_whatever_the_order_of_the_roster() -> None:
    supporters = [a_supporter(f"s{number}") for number in range(30)]

    draws = [[choose(pool_of(*order), number) for number in range(50)] for order in (supporters, supporters[::-1])]

    assert draws[0] == draws[1]


def test_the_draw_is_fair_over_many_referrals() -> None:
    supporters = [a_supporter(f"s{number}") for number in range(10)]

    drawn = Counter(choose(pool_of(*supporters), number) for number in range(4000))

    # Each is expected 400 times with a standard deviation of 19: five of them allow for chance only.
    assert all(300 < drawn[each.supporter_id] < 500 for each in supporters)


def test_the_runner_up_is_drawn_fairly_too() -> None:
    supporters = [a_supporter(f"s{number}") for number in range(10)]

    drawn = Counter(
        choose(pool_of(*supporters), number, asked=[choose(pool_of(*supporters), number)]) for number in range(4000)
    )

    assert all(300 < drawn[each.supporter_id] < 500 for each in supporters)


def test_nobody_is_asked_twice_for_a_referral() -> None:
    pool = pool_of(a_supporter("s1"), a_supporter("s2"))

    assert {choose(pool, number, asked={"s1"}) for number in (1, 2)} == {"s2"}
    assert choose(pool, 3, asked={"s1"}) is None


def test_the_next_change_is_the_first_rest_to_end_or_training_to_count() -> None:
    tomorrow = TODAY + timedelta(days=1)
    pool = pool_of(
        a_supporter("s1"),
        a_supporter("s2", trained_at=tomorrow),
        a_supporter("s3", trained_at=TODAY, active=False),
        s1=Seats(0, NOW + timedelta(hours=5)),
        s2=Seats(0, NOW - timedelta(hours=5)),
    )

    assert choose(pool, 1) is None
    assert pool.next_change() == NOW + timedelta(hours=5)
    assert pool.next_trained(TODAY) == tomorrow


@given(
    st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 3)), st.integers(0, 3)), max_size=6),
    st.integers(0, 30),
)
def test_a_pool_gives_away_exactly_its_free_seats(listed: list[tuple[int | None, int]], waiting: int) -> None:
    supporters = [a_supporter(f"s{number}", capacity=capacity) for number, (capacity, _) in enumerate(listed)]
    seats = {f"s{number}": Seats(taken) for number, (_, taken) in enumerate(listed)}
    free = sum(max(0, (2 if capacity is None else capacity) - taken) for capacity, taken in listed)
    pool = Pool(supporters, seats, now=NOW)

    given_away = [choose(pool, number) for number in range(waiting)]

    assert sum(each is not None for each in given_away) == min(free, waiting)


def test_a_thousand_supporters_and_ten_thousand_waiting_take_seconds_in_all() -> None:
    supporters = [
        a_supporter(f"s{number}", attributes={"training_programme": f"t{number % 7}"}) for number in range(1000)
    ]
    rules = the_rules(different=("training_programme",))
    pool = Pool(supporters, {}, now=NOW)

    started = time.process_time()
    chosen = [
        pool.choose(a_need(referral(number), attributes={"training_programme": f"t{number % 7}"}), rules, TODAY)
        for number in range(10_000)
    ]

    assert sum(each is not None for each in chosen) == 2000
    assert time.process_time() - started < 20
