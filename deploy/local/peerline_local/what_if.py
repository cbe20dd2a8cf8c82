"""
What-ifs about clocks: a rule or a programme's clock, a start and pauses in, a due time with its reasons out.

It is reckoned by the monitor's own code, without a monitor.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from peerline.clocks import Calendar, Rule, check_days
from peerline.events import EVENTS
from peerline.programme import Programmes
from peerline.sections import Section, Zone, first_fault
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import from_json
from sla_monitor.calendars import CalendarError
from sla_monitor.domain.calendar import CalendarEnds
from sla_monitor.domain.due import Due, Suspended, started_by, with_pauses
from sla_monitor.domain.pauses import Pause
from sla_monitor.promises import due_by

_DATE_AND_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
_YEARS = range(2000, 2101)
"""As in a programme's calendar; near the ends of time arithmetic would fail."""

REQUESTS = {event.name for event in EVENTS if "received_at" in event.model_fields}
"""What counts from when it was received. The monitor has them too, with a second of imports around them."""


@dataclass
class Unanswerable(Exception):
    """What keeps a question from an answer: the field ("" for the whole of it), and what is wrong with it."""

    field: str
    why: str


def _written_out(value: Any) -> Any:
    """Numbers would pass for seconds since 1970, a date for its midnight."""
    if not isinstance(value, str) or not _DATE_AND_TIME.match(value):
        raise ValueError("must be a date and time such as 2026-08-14T18:00, with an offset or local")
    return value


def _of_these_years(at: datetime) -> datetime:
    if at.year not in _YEARS:
        raise ValueError(f"must be from {_YEARS[0]} to {_YEARS[-1]}")
    return at


Instant = Annotated[datetime, BeforeValidator(_written_out), AfterValidator(_of_these_years)]
"""With an offset from UTC, or a local time in the rule's zone."""


class Interruption(Section):
    """A pause from one instant up to, but without, another; open where it has no end. `code` says why."""

    from_: Annotated[Instant, Field(alias="from")]
    to: Instant | None = None
    code: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")] | None = None


class _Question(Section):
    received_at: Instant
    pauses: tuple[Interruption, ...] = ()


class RuleQuestion(_Question):
    """What is asked by a rule of one's own; rule and calendar are as in a programme file."""

    due: Rule
    zone: Zone
    calendar: Annotated[Calendar | None, Field(validate_default=True)] = None

    @field_validator("calendar")
    @classmethod
    def _there_where_days_count(cls, calendar: Calendar | None, info: ValidationInfo) -> Calendar | None:
        if "due" in info.data:
            check_days(info.data["due"], calendar, "the rule")
        return calendar


class ClockQuestion(_Question):
    """What is asked by the clock of a programme; `received_at` is when whatever starts it happened."""

    programme: str
    clock: str

    def by_rule(self, programmes: Programmes) -> tuple[RuleQuestion, str | None]:
        """
        The same question by the rule that the programme has, and what starts the clock, None for a request.

        Raises Unanswerable where the programme has no such clock.
        """
        programme = programmes.get(self.programme)
        if programme is None:
            raise Unanswerable("programme", f"there is no {self.programme!r}, only {', '.join(programmes)}")
        clock = programme.clock(self.clock)
        if clock is None:
            kinds = ", ".join(clock.kind for clock in programme.clocks)
            raise Unanswerable("clock", f"{programme.id} has no {self.clock!r}, only {kinds}")
        question = RuleQuestion.model_construct(
            received_at=self.received_at,
            pauses=self.pauses,
            due=clock.due,
            zone=programme.time_zone,
            calendar=programme.calendar,
        )
        return question, None if clock.starts & REQUESTS else " or ".join(sorted(clock.starts))


def answer(line: bytes, programmes: Callable[[], Programmes]) -> Due | Suspended:
    """
    When what a line asks about is due, and why; Suspended while a pause is open.

    The line is JSON: a RuleQuestion, or a ClockQuestion where it has `programme`; only for that `programmes`
    is called. Raises Unanswerable.
    """
    question = _read(line)
    by = None
    if isinstance(question, ClockQuestion):
        question, by = question.by_rule(programmes())
    zone = ZoneInfo(question.zone)
    pauses = [_pause(number, pause, zone) for number, pause in enumerate(question.pauses)]
    try:
        due = due_by(question.due, in_zone(question.received_at, zone), zone, question.calendar)
        return with_pauses(due if by is None else started_by(due, by), pauses)
    except CalendarError as error:
        field, _, why = str(error).partition(": ")
        raise Unanswerable(field, why) from None
    except CalendarEnds as error:
        raise Unanswerable("calendar.years", f"the calendar does not know {error.year}") from None


def in_zone(at: datetime, zone: ZoneInfo) -> datetime:
    """
    The instant (UTC) that is meant: a time without offset is local to the zone.

    As everywhere, one that comes twice means the first, and one that a change of the clocks leaves out is
    read with the offset before the gap.
    """
    return (at if at.tzinfo else at.replace(tzinfo=zone, fold=0)).astimezone(UTC)


def _read(line: bytes) -> RuleQuestion | ClockQuestion:
    try:
        content = from_json(line)
    except ValueError as error:
        raise Unanswerable("", f"is not JSON: {str(error).replace('line 1 column', 'column')}") from None
    if not isinstance(content, dict):
        raise Unanswerable("", "is not a JSON object")
    try:
        return (ClockQuestion if "programme" in content else RuleQuestion).model_validate(content)
    except ValidationError as error:
        field, why = first_fault(error)
        raise Unanswerable(field, why.removeprefix("Value error, ")) from None


def _pause(number: int, asked: Interruption, zone: ZoneInfo) -> Pause:
    begins, ends = in_zone(asked.from_, zone), None if asked.to is None else in_zone(asked.to, zone)
    try:
        return Pause(begins, ends, () if asked.code is None else (asked.code,))
    except ValueError as error:
        raise Unanswerable(f"pauses.{number}.to", str(error)) from None
