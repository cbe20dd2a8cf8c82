from datetime import date, timedelta
from typing import Any

import pytest
from matcher.domain.eligibility import Bar, Seats, passing_bar, preferences_met, standing_bar

from tests.unit.matcher.builders import NOW, TODAY, a_need, a_supporter, the_rules


def test_an_ordinary_supporter_may_be_asked() -> None:
    assert standing_bar(a_supporter(), a_need(), the_rules(), TODAY) is None
    assert passing_bar(a_supporter(), Seats(), 2, NOW) is None


@pytest.mark.parametrize(
    ("supporter", "bar"),
    [
        ({"active": False}, Bar.INACTIVE),
        ({"programme": "shcp"}, Bar.OTHER_PROGRAMME),
        ({"trained_at": None}, Bar.UNTRAINED),
        ({"trained_at": TODAY + timedelta(days=1)}, Bar.UNTRAINED),
        ({"trained_at": TODAY}, None),
        ({"pseudonyms": frozenset({"x", "p-physician"})}, Bar.OVERLAP),
    ],
)
def test_each_rule_alone_keeps_a_supporter_out(supporter: dict[str, Any], bar: Bar | None) -> None:
    found = standing_bar(a_supporter(**supporter), a_need(), the_rules(), TODAY)

    assert found == bar


def test_one_shared_identifier_of_anybody_involved_is_enough_to_exclude() -> None:
    need = a_need(people=frozenset({"p-physician", "p-witness", "mail-of-s1"}))
    supporter = a_supporter(pseudonyms=frozenset({"number-of-s1", "mail-of-s1"}))

    assert standing_bar(supporter, need, the_rules(), TODAY) is Bar.OVERLAP


@pytest.mark.parametrize(
    ("theirs", "physicians", "may"),
    [
        ("Surgery", "Pediatrics", True),
        ("Surgery", "Surgery", False),
        ("Surgery", " surgery ", False),
        ("Internal  Medicine", "internal medicine", False),
        (None, "Surgery", False),
        ("Surgery", None, False),
        ("", "Surgery", False),
        (None, None, False),
    ],
)
def test_unknown_never_satisfies_different(theirs: str | None, physicians: str | None, may: bool) -> None:
    supporter = a_supporter(attributes={} if theirs is None else {"training_programme": theirs})
    need = a_need(attributes={} if physicians is None else {"training_programme": physicians})

    bar = standing_bar(supporter, need, the_rules(different=("training_programme",)), TODAY)

    assert bar == (None if may else Bar.NOT_DIFFERENT)


@pytest.mark.parametrize(
    ("theirs", "physicians", "may"),
    [("fr", "FR", True), ("fr", "en", False), (None, "en", False), ("en", None, False), (None, None, False)],
)
def test_unknown_never_satisfies_same_either(theirs: str | None, physicians: str | None, may: bool) -> None:
    supporter = a_supporter(attributes={} if theirs is None else {"language": theirs})
    need = a_need(attributes={} if physicians is None else {"language": physicians})

    bar = standing_bar(supporter, need, the_rules(same=("language",)), TODAY)

    assert bar == (None if may else Bar.NOT_SAME)


@pytest.mark.parametrize(
    ("own", "taken", "bar"),
    [(None, 1, None), (None, 2, Bar.NO_SEAT), (3, 2, None), (1, 1, Bar.NO_SEAT), (0, 0, Bar.NO_SEAT)],
)
def test_a_supporters_own_number_of_seats_counts_before_the_programmes(
    own: int | None, taken: int, bar: Bar | None
) -> None:
    assert passing_bar(a_supporter(capacity=own), Seats(taken), 2, NOW) == bar


@pytest.mark.parametrize(("minutes", "bar"), [(1, Bar.RESTING), (0, None), (-1, None)])
def test_nobody_is_asked_before_their_rest_has_ended(minutes: int, bar: Bar | None) -> None:
    seats = Seats(0, NOW + timedelta(minutes=minutes))

    assert passing_bar(a_supporter(), seats, 2, NOW) == bar


def test_a_preference_is_met_only_by_what_is_known() -> None:
    need = a_need(preferences={"gender": "female", "specialty": "surgery"})
    supporter = a_supporter(attributes={"gender": "Female"}, trained_at=date(2024, 1, 1))

    assert preferences_met(supporter, need) == 1
