"""What holds for every due time, whatever the rule, the calendar, the zone, the start and the pauses."""

from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import assume, given
from hypothesis import strategies as st
from sla_monitor.domain.due import Due, Suspended, adds_up, with_pauses
from sla_monitor.domain.pauses import Pause
from sla_monitor.domain.rules import Elapsed
from sla_monitor.domain.steps import Wait, sum_of

from tests.unit.sla_monitor.drawing import Promise, elapsed, promises

NEVER = datetime.max.replace(tzinfo=UTC)
MICROSECONDS = st.timedeltas(timedelta(0), timedelta(days=3))


def instant(due: Due | Suspended) -> datetime:
    return due.instant if isinstance(due, Due) else NEVER


def wait_of(due: Due | Suspended) -> Wait:
    wait = due.steps[1]
    assert isinstance(wait, Wait)
    return wait


@given(promises(), MICROSECONDS)
def test_nothing_is_due_before_it_was_asked_for(promise: Promise, later: timedelta) -> None:
    promise = Promise(promise.rule, promise.start + later, promise.zone, promise.calendar, promise.pauses)

    due = with_pauses(promise.due, promise.pauses)

    assert instant(due) >= promise.start


@given(promises(), MICROSECONDS)
def test_of_two_requests_of_one_weekend_class_the_later_is_not_due_earlier(promise: Promise, later: timedelta) -> None:
    other = Promise(promise.rule, promise.start + later, promise.zone, promise.calendar, promise.pauses)
    one_due, other_due = with_pauses(promise.due, promise.pauses), with_pauses(other.due, promise.pauses)
    if isinstance(promise.rule, Elapsed):
        assume(wait_of(one_due).elapsed == wait_of(other_due).elapsed)

    earlier, not_earlier = instant(one_due), instant(other_due)

    assert earlier <= not_earlier


@given(promises(elapsed()), MICROSECONDS)
def test_without_pauses_an_elapsed_wait_is_elapsed_time_whatever_the_clocks_do(
    promise: Promise, later: timedelta
) -> None:
    other = Promise(promise.rule, promise.start + later, promise.zone, promise.calendar, ())
    assume(wait_of(promise.due).elapsed == wait_of(other.due).elapsed)

    apart = other.due.instant - promise.due.instant

    assert apart == later


@given(promises(elapsed()), st.lists(st.tuples(MICROSECONDS, MICROSECONDS), max_size=5))
def test_elapsed_time_is_additive_over_disjoint_pauses_that_fall_before_the_moving_due(
    promise: Promise, drawn: list[tuple[timedelta, timedelta]]
) -> None:
    due, free_from = promise.due.instant, promise.start
    before_due: list[Pause] = []
    for gap, length in drawn:
        if free_from + gap < due:
            before_due.append(Pause(free_from + gap, free_from + gap + length))
            due, free_from = due + length, free_from + gap + length

    moved = with_pauses(promise.due, before_due)

    lengths = sum((pause.ends - pause.begins for pause in before_due if pause.ends), timedelta(0))
    assert instant(moved) == promise.due.instant + lengths


@given(promises(), st.data())
def test_a_pause_that_is_split_is_the_same_pause(promise: Promise, data: st.DataObject) -> None:
    parts: list[Pause] = []
    for pause in promise.pauses:
        length = timedelta(days=5) if pause.ends is None else pause.ends - pause.begins
        inside = pause.begins + data.draw(st.timedeltas(timedelta(0), length))
        parts += [Pause(pause.begins, inside), Pause(inside, pause.ends)]

    split = with_pauses(promise.due, parts)

    whole = with_pauses(promise.due, promise.pauses)
    assert instant(split) == instant(whole)
    assert split.steps == whole.steps


@given(promises(), st.randoms(use_true_random=False))
def test_pauses_may_become_known_in_any_order_at_once_or_one_by_one(promise: Promise, dice: Random) -> None:
    shuffled = list(promise.pauses)
    dice.shuffle(shuffled)

    one_by_one: Due | Suspended = promise.due
    for pause in shuffled:
        one_by_one = with_pauses(one_by_one, [pause])

    assert instant(one_by_one) == instant(with_pauses(promise.due, promise.pauses))


@given(promises())
def test_a_pause_never_makes_a_promise_due_earlier(promise: Promise) -> None:
    due = with_pauses(promise.due, promise.pauses)

    assert instant(due) >= promise.due.instant


@given(promises())
def test_pauses_that_begin_at_the_due_instant_or_later_change_nothing(promise: Promise) -> None:
    late = [pause for pause in promise.pauses if pause.begins >= promise.due.instant]

    due = with_pauses(promise.due, late)

    assert instant(due) == promise.due.instant


@given(promises(), MICROSECONDS)
def test_every_explanation_adds_up_to_its_due_time(promise: Promise, later: timedelta) -> None:
    promise = Promise(promise.rule, promise.start + later, promise.zone, promise.calendar, promise.pauses)

    due = with_pauses(promise.due, promise.pauses)

    assert isinstance(due, Suspended) or (adds_up(due) and sum_of(due.steps, promise.zone) == due.instant)


@given(promises())
def test_every_due_time_can_be_told_in_one_sentence_and_in_json(promise: Promise) -> None:
    due = with_pauses(promise.due, promise.pauses)

    told = due.as_json()

    assert told["sentence"] == due.explanation
    assert due.explanation.count(".") == 1
    assert (told["due_at"] is None) == isinstance(due, Suspended)
