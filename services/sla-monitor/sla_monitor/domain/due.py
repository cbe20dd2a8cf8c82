"""
When a promise is due, and why.

A rule turns the instant at which a request was received into the instant at which its answer is due,
together with the steps of the arithmetic. The programme's zone and calendar decide which days count.
Whatever changes an instant afterwards (a pause, another calendar) is a function from Due to Due.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from sla_monitor.domain.calendar import Calendar
from sla_monitor.domain.pauses import Pause
from sla_monitor.domain.reckoning import Terms, reckon
from sla_monitor.domain.recorded import Recalculation
from sla_monitor.domain.rules import Rule
from sla_monitor.domain.steps import Json, Received, Step, sum_of, written
from sla_monitor.domain.wording import in_words, phrases


@dataclass(frozen=True)
class _Explained:
    """What a due time was reckoned from, and the steps."""

    terms: Terms
    steps: tuple[Step, ...]

    @property
    def calendar_version(self) -> str | None:
        """The calendar that was asked, None where the rule counts no days."""
        return self.terms.days.version if self.terms.rule.counts_days else None

    def steps_as_json(self) -> list[Json]:
        """The steps, and after them that they were not reckoned so at first, where that is so."""
        zone, again = self.terms.zone, self.terms.recalculated
        steps = [step.as_json(zone) for step in self.steps]
        if again is not None:
            local = again.at.astimezone(zone).isoformat()
            steps.append({"step": "recalculated", "at": written(again.at), "local": local, "code": again.code})
        return steps

    def _sentence(self, due: datetime | None) -> str:
        parts = [*phrases(self.steps, due, self.terms.zone)]
        if self.terms.recalculated is not None:
            at, code, _ = self.terms.recalculated
            parts.append(f"recalculated {in_words(at.astimezone(self.terms.zone))} ({code})")
        if self.calendar_version is not None:
            parts.append(f"days off as of {self.calendar_version}")
        if self.terms.tzdata is not None:
            parts.append(f"time zones as of {self.terms.tzdata}")
        return f"{'; '.join(parts)}."

    def _json(self, due: datetime | None) -> Json:
        zone = self.terms.zone
        return {
            "due_at": None if due is None else written(due),
            "due_local": None if due is None else due.astimezone(zone).isoformat(),
            "zone": str(zone),
            "calendar": self.calendar_version,
            "tzdata": self.terms.tzdata,
            "steps": self.steps_as_json(),
            "sentence": self._sentence(due),
        }


@dataclass(frozen=True)
class Due(_Explained):
    """An instant (UTC), inclusive, and the steps that add up to it."""

    instant: datetime

    @property
    def explanation(self) -> str:
        """The steps as one sentence."""
        return self._sentence(self.instant)

    def as_json(self) -> Json:
        """All of it in values that JSON has; instants in UTC, the due time also local."""
        return self._json(self.instant)


@dataclass(frozen=True)
class Suspended(_Explained):
    """No due time while a pause is open that began before one was reached; the steps end with that pause."""

    @property
    def explanation(self) -> str:
        """The steps as one sentence."""
        return self._sentence(None)

    def as_json(self) -> Json:
        """As of a due time, which is null."""
        return self._json(None)


def due_at(
    rule: Rule, received_at: datetime, zone: tzinfo, calendar: Calendar | None = None, tzdata: str | None = None
) -> Due:
    """
    Return when the answer to a request received at this instant is due; `tzdata` is the zones' release.

    Raises ValueError for a start without offset from UTC and for a rule that counts days without a
    calendar, CalendarEnds for a year that the calendar does not know.

    A start whose wall time a change of the clocks leaves out is read with the offset before the gap, as the
    standard library does; one that comes twice is told apart by the offset or fold it was given with.
    """
    terms = Terms(rule, received_at, zone, calendar, tzdata)
    instant, steps = reckon(terms)
    assert instant is not None  # nothing is paused
    return Due(terms, steps, instant)


def started_by(due: Due, moment: str) -> Due:
    """The same promise where it was this moment that started its clock, and not the receipt of a request."""
    received, *steps = due.steps
    assert isinstance(received, Received)
    terms = replace(due.terms, started_by=moment)
    return replace(due, terms=terms, steps=(replace(received, by=moment), *steps))


def recalculated(due: Due, recalculation: Recalculation) -> Due:
    """The same promise, which says when and why it was reckoned as it is now."""
    return replace(due, terms=replace(due.terms, recalculated=recalculation))


def with_pauses(due: Due | Suspended, pauses: Iterable[Pause]) -> Due | Suspended:
    """
    The same promise with these pauses besides those it has, in whatever order they become known.

    Suspended where one is open that began before the promise was due. Raises CalendarEnds as `due_at` does.
    """
    return _reckoned(replace(due.terms, pauses=(*due.terms.pauses, *pauses)))


def with_calendar(due: Due | Suspended, calendar: Calendar) -> Due | Suspended:
    """
    The same promise by another calendar: what was pinned is reckoned again only where somebody asks for it.

    Raises CalendarEnds as `due_at` does.
    """
    return _reckoned(replace(due.terms, calendar=calendar))


def _reckoned(terms: Terms) -> Due | Suspended:
    instant, steps = reckon(terms)
    return Suspended(terms, steps) if instant is None else Due(terms, steps, instant)


def adds_up(due: Due) -> bool:
    """Whether the steps lead to the instant; raises ValueError where they contradict themselves."""
    return sum_of(due.steps, due.terms.zone) == due.instant
