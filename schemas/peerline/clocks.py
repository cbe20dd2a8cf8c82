"""
The clocks of a programme file: what starts and stops them, when they are due, and on which days work is done.

A fault is told by the name of its field. What a file cannot know (whether the holidays of a country are
known, and for which years) is asked where the calendar is made.
"""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Discriminator, Field, Tag, ValidationInfo, field_validator

from peerline.escalation import Escalation
from peerline.events import EVENTS, PUBLIC_STEPS
from peerline.events.deadlines import ClockKind, Firmness
from peerline.sections import Code, LocalDate, LocalTime, Section, Wait

Weekday = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
"""Names of the days of a week; the first is ISO day 1."""

LONGEST = timedelta(days=366)
"""No clock runs longer: beyond it a rule is taken for a slip of the pen, or for one that never ends."""

_MIDNIGHT = time(0)
_SPOKEN_OF = ("referral-", "participant-", "match-")
_MOMENTS = {event.name for event in EVENTS if event.name.startswith(_SPOKEN_OF)} | PUBLIC_STEPS

_USUAL: Mapping[str, Mapping[str, frozenset[str]]] = {
    "match": {
        "starts": frozenset({"referral-created", "participant-unresolved"}),
        "stops": frozenset({"match-confirmed"}),
    },
    "first-contact": {
        "starts": frozenset({"referral-created"}),
        "stops": frozenset({"contact-attempted", "contact-made"}),
    },
}


def usual_moments(kind: str) -> Mapping[str, frozenset[str]]:
    """What starts and what stops a clock of a kind where its file does not say; empty for kinds of its own."""
    return _USUAL.get(kind, {})


def _known_moment(name: str) -> str:
    if name not in _MOMENTS:
        raise ValueError("is neither an event nor a step that could start or stop a clock")
    return name


def _within_a_year(duration: timedelta) -> timedelta:
    if duration > LONGEST:
        raise ValueError("must not be longer than a year")
    return duration


def _after_midnight(at: time) -> time:
    if at == _MIDNIGHT:
        raise ValueError("must be after 00:00: the end of a day is 23:59:59, the start of one is no end")
    return at


WeekTime = Annotated[str, Field(pattern=r"^(Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([01]\d|2[0-3]):[0-5]\d$")]
Moment = Annotated[str, AfterValidator(_known_moment)]
ClockWait = Annotated[Wait, AfterValidator(_within_a_year)]


class Elapsed(Section):
    """
    Due a fixed elapsed time after the start; another where the start falls into a weekend.

    A weekend lasts from `weekend_begins` to `weekend_ends`, the first included, by local wall time; days
    off are like a weekend, from midnight to midnight, only with `holidays_as_weekend`.
    """

    rule: Literal["elapsed"] = "elapsed"
    weekday: ClockWait
    weekend: ClockWait
    weekend_begins: WeekTime = "Sat 00:00"
    weekend_ends: Annotated[WeekTime, Field(validate_default=True)] = "Mon 00:00"
    holidays_as_weekend: bool = False

    @field_validator("weekend_ends")
    @classmethod
    def _lasts(cls, ends: str, info: ValidationInfo) -> str:
        if ends == info.data.get("weekend_begins"):
            raise ValueError("is where the weekend begins: is it all of the week, or nothing of it?")
        return ends

    @property
    def counts_days(self) -> bool:
        """Whether a calendar is needed."""
        return self.holidays_as_weekend


class WorkingDays(Section):
    """Due at a local time of the Nth working day strictly after the local date of the start."""

    rule: Literal["working-days"] = "working-days"
    weekdays: Annotated[frozenset[Weekday], Field(min_length=1)] = frozenset(("Mon", "Tue", "Wed", "Thu", "Fri"))
    days: Annotated[int, Field(ge=1)]
    at: Annotated[LocalTime, AfterValidator(_after_midnight)]

    @field_validator("days")
    @classmethod
    def _ends(cls, days: int, info: ValidationInfo) -> int:
        if timedelta(weeks=1) * days > LONGEST * len(info.data.get("weekdays", WEEKDAYS)):
            raise ValueError("takes longer than a year on these weekdays")
        return days

    @property
    def counts_days(self) -> bool:
        """Whether a calendar is needed: always."""
        return True


def weekday_of(day: date) -> Weekday:
    """The name of a date's weekday."""
    return WEEKDAYS[day.weekday()]


class Shift(Section):
    """Working time from one local time to another of the same day; `to` 00:00 is the end of the day."""

    from_: Annotated[LocalTime, Field(alias="from")]
    to: LocalTime

    @field_validator("to")
    @classmethod
    def _ends_after_it_begins(cls, to: time, info: ValidationInfo) -> time:
        if to != _MIDNIGHT and to <= info.data.get("from_", _MIDNIGHT):
            raise ValueError("must be after `from`; a night's work is two shifts")
        return to

    @property
    def length(self) -> timedelta:
        """How long it lasts where no clock is changed."""
        lasted = datetime.combine(date.min, self.to) - datetime.combine(date.min, self.from_)
        return lasted if lasted > timedelta(0) else lasted + timedelta(days=1)


class WorkingHours(Section):
    """Due when this much working time has passed since the start; `hours` are the shifts of each weekday."""

    rule: Literal["working-hours"] = "working-hours"
    hours: Annotated[Mapping[Weekday, tuple[Shift, ...]], Field(min_length=1)]
    wait: ClockWait

    @field_validator("hours")
    @classmethod
    def _one_after_another(cls, hours: Mapping[Weekday, tuple[Shift, ...]]) -> Mapping[Weekday, tuple[Shift, ...]]:
        for weekday, shifts in hours.items():
            if not shifts:
                raise ValueError(f"{weekday} has no shift: leave the day out")
            if any(one.to == _MIDNIGHT or other.from_ < one.to for one, other in pairwise(shifts)):
                raise ValueError(f"the shifts of {weekday} overlap, or do not stand in their order")
        return hours

    @field_validator("wait")
    @classmethod
    def _ends(cls, wait: timedelta, info: ValidationInfo) -> timedelta:
        week = sum((shift.length for shifts in info.data.get("hours", {}).values() for shift in shifts), timedelta(0))
        if not wait:
            raise ValueError("must be longer than nothing")
        if week and wait / week > LONGEST / timedelta(weeks=1):
            raise ValueError("takes longer than a year in these hours")
        return wait

    @property
    def counts_days(self) -> bool:
        """Whether a calendar is needed: always."""
        return True


def _rule_of(content: Any) -> str:
    """The name of a rule; a file that names none has the one that there was before there were others."""
    return str(content.get("rule", "elapsed") if isinstance(content, Mapping) else getattr(content, "rule", None))


Rule = Annotated[
    Annotated[Elapsed, Tag("elapsed")]
    | Annotated[WorkingDays, Tag("working-days")]
    | Annotated[WorkingHours, Tag("working-hours")],
    Discriminator(_rule_of, "no-such-rule", "is not a rule: elapsed, working-days or working-hours"),
]
"""Every kind of rule, told apart by its field `rule`."""


class Clock(Section):
    """
    A promise: from the first of `starts` to the first of `stops`, due by a rule, in the programme's zone.

    `starts` and `stops` name events and public steps. A match or first contact has usual ones; any other
    kind of clock must say its own. `escalation` is who is told after the coordinator, who hears of every breach.
    """

    kind: ClockKind
    starts: Annotated[frozenset[Moment], Field(validate_default=True)] = frozenset()
    stops: Annotated[frozenset[Moment], Field(validate_default=True)] = frozenset()
    firmness: Firmness
    due: Rule
    warn_before: ClockWait = timedelta(0)
    escalation: Escalation = ()

    @field_validator("starts", "stops")
    @classmethod
    def _usual(cls, named: frozenset[str], info: ValidationInfo) -> frozenset[str]:
        usual = usual_moments(info.data.get("kind", "")).get(info.field_name or "", frozenset())
        if not named and not usual:
            raise ValueError("is missing: only match and first-contact have usual ones")
        return named or usual


class Years(Section):
    """Years of the calendar, the first and the last included."""

    from_: Annotated[int, Field(alias="from", ge=2000, le=2100)]
    to: Annotated[int, Field(ge=2000, le=2100)]

    @field_validator("to")
    @classmethod
    def _in_order(cls, to: int, info: ValidationInfo) -> int:
        if to < info.data.get("from_", to):
            raise ValueError("is before `from`")
        return to


class Calendar(Section):
    """
    Days off: the holidays of a country (ISO 3166) and its subdivision, less `opened`, and `closed`.

    A day that is opened is worked whatever its weekday. `years` are those for which the days were entered;
    without it, all that are known for the country.
    """

    country: Annotated[Code, Field(pattern=r"^[A-Z]{2}$")] | None = None
    subdivision: Annotated[Code, Field(pattern=r"^[A-Z0-9]{1,3}$")] | None = None
    years: Annotated[Years | None, Field(validate_default=True)] = None
    closed: frozenset[LocalDate] = frozenset()
    opened: frozenset[LocalDate] = frozenset()

    @field_validator("subdivision")
    @classmethod
    def _of_a_country(cls, subdivision: str | None, info: ValidationInfo) -> str | None:
        if subdivision and not info.data.get("country"):
            raise ValueError("needs a country")
        return subdivision

    @field_validator("years")
    @classmethod
    def _are_known(cls, years: Years | None, info: ValidationInfo) -> Years | None:
        if years is None and not info.data.get("country"):
            raise ValueError("is missing: without a country nobody else knows for which years the days were entered")
        return years

    @field_validator("closed", "opened")
    @classmethod
    def _in_these_years(cls, days: frozenset[date], info: ValidationInfo) -> frozenset[date]:
        years: Years | None = info.data.get("years")
        for day in sorted(days):
            if years and not years.from_ <= day.year <= years.to:
                raise ValueError(f"{day} is not in these years")
        return days

    @field_validator("opened")
    @classmethod
    def _either_or(cls, opened: frozenset[date], info: ValidationInfo) -> frozenset[date]:
        for day in sorted(opened & info.data.get("closed", frozenset())):
            raise ValueError(f"{day} is closed as well")
        return opened


def check_days(rule: Rule, calendar: Calendar | None, name: str) -> None:
    """Raise ValueError where a rule, called `name`, lacks a calendar or has no hours for a day that is opened."""
    if rule.counts_days and calendar is None:
        raise ValueError(f"is missing, but {name} counts days")
    if calendar is not None and isinstance(rule, WorkingHours):
        for day in sorted(calendar.opened):
            if weekday_of(day) not in rule.hours:
                raise ValueError(f"{day} is opened, but {name} has no hours for a {weekday_of(day)}")
