"""The steps of a due time as people say them; the same words in every locale."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta, tzinfo
from itertools import groupby

from sla_monitor.domain.steps import Class, Day, Idle, Paused, Received, Step, Wait, Worked, WorkOwed

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_MANY = 10
"""With more steps of a kind than this they are counted, not listed."""

_RECEIVED = {
    Class.WEEKDAY: "on a weekday",
    Class.WEEKEND: "at a weekend",
    Class.DAY_OFF: "on a day off, which counts as a weekend",
}


def in_words(local: datetime) -> str:
    """A local time as people write it, for example `Tue 9 Jun 2026 10:15 EDT`."""
    return f"{_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]} {local.year} {_clock(local)} {local:%Z}"


def phrases(steps: Sequence[Step], due: datetime | None, zone: tzinfo) -> Iterator[str]:
    """
    The parts of the sentence that says how these steps led to a due time.

    Without a due time the last step is the open pause that leaves it undecided.
    """
    received, terms, *rest = steps
    assert isinstance(received, Received)
    local = received.at.astimezone(zone)
    first = f"{_beginning(received)} {in_words(local)} ({zone})"
    yield f"{first}, {_RECEIVED[terms.received_on]}" if isinstance(terms, Wait) else first
    yield from _days(rest, local.date())
    yield from _times([step for step in rest if isinstance(step, Worked | Paused)], zone)
    if due is None:
        yield "not due at any time until that pause ends"
    else:
        yield _due(terms, in_words(due.astimezone(zone)), was_paused=any(isinstance(step, Paused) for step in rest))


def _beginning(received: Received) -> str:
    return "received" if received.by is None else f"started by {received.by}"


def _due(terms: Step, at: str, *, was_paused: bool) -> str:
    match terms:
        case Wait(elapsed=elapsed):
            return f"due {_length(elapsed)} of elapsed time later, {'pauses left out, ' if was_paused else ''}{at}"
        case WorkOwed(wait=wait):
            return f"due after {_length(wait)} of working time, {at}"
        case _:
            return f"due {at}"


def _days(steps: Iterable[Step], received_on: date) -> Iterator[str]:
    days = [step for step in steps if isinstance(step, Day)]
    if len(days) > _MANY:
        counting = [day for day in days if day.nth is not None]
        yield f"{len(days) - len(counting)} of the next {len(days)} days do not count{_paused_days(days)}"
        yield f"{_date(days[-1].day, None)} is the {_ordinal(len(counting))} working day"
        return
    months = [received_on.month, *(day.day.month for day in days)]
    named = [(day, _date(day.day, month)) for day, month in zip(days, months, strict=False)]
    for (idle, codes), group in groupby(named, key=lambda each: (each[0].idle, each[0].codes)):
        same = list(group)
        if idle is None:
            yield ", ".join(_counted(name, day) for day, name in same)
        else:
            yield f"{_and([name for _, name in same])} {_why(idle, len(same))}{_because(codes)}"


def _paused_days(days: Sequence[Day]) -> str:
    paused = [day for day in days if day.idle is Idle.PAUSED]
    return f", {len(paused)} of them for a pause{_because(_codes(paused))}" if paused else ""


def _codes(steps: Iterable[Day | Paused]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(code for step in steps for code in step.codes))


def _because(codes: Sequence[str]) -> str:
    return f" ({', '.join(codes)})" if codes else ""


def _counted(name: str, day: Day) -> str:
    assert day.nth is not None
    return f"{name} is the first working day" if day.nth == 1 else f"{name} the {_ordinal(day.nth)}"


def _why(idle: Idle, count: int) -> str:
    match idle:
        case Idle.WEEKDAY:
            return "does not count" if count == 1 else "do not count"
        case Idle.DAY_OFF:
            return "is a day off" if count == 1 else "are days off"
        case Idle.PAUSED:
            return "is touched by a pause" if count == 1 else "are touched by a pause"


def _times(steps: Sequence[Worked | Paused], zone: tzinfo) -> Iterator[str]:
    if len(steps) > _MANY:
        *earlier, last = steps
        work = [step.ends - step.begins for step in earlier if isinstance(step, Worked)]
        paused = [step for step in earlier if isinstance(step, Paused)]
        pauses = f", with {len(paused)} pauses between them{_because(_codes(paused))}" if paused else ""
        yield f"{_length(sum(work, timedelta(0)))} of time that counts in {len(work)} spells{pauses}"
        steps = [last]
    for step in steps:
        begins = in_words(step.begins.astimezone(zone))
        why = _because(step.codes) if isinstance(step, Paused) else ""
        if step.ends is None:
            yield f"paused from {begins} on{why}"
            continue
        verb = "paused" if isinstance(step, Paused) else "working time"
        until = in_words(step.ends.astimezone(zone))
        yield f"{verb} from {begins} to {until}{why}, {_length(step.ends - step.begins)}"


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _date(day: date, month: int | None) -> str:
    """A day with its month where that is not the one that was named before."""
    return f"{_DAYS[day.weekday()]} {day.day}{'' if day.month == month else f' {_MONTHS[day.month - 1]}'}"


def _clock(local: datetime) -> str:
    return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"


def _ordinal(number: int) -> str:
    if number <= len(_ORDINALS):
        return _ORDINALS[number - 1]
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _length(duration: timedelta) -> str:
    minutes, seconds = divmod(duration.total_seconds(), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(f"{hours:g}", "h"), (f"{minutes:g}", "min"), (f"{seconds:g}", "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number != "0") or "0 h"
