"""From what a programme file promises to due times, and what of it this service cannot watch."""

import json
from collections.abc import Collection
from datetime import datetime, time
from zoneinfo import ZoneInfo

from peerline import clocks
from peerline.clocks import WEEKDAYS, Clock
from peerline.events import Firmness, ReferralForgotten, ReferralWithdrawn
from peerline.programme import Programme
from tzdata import IANA_VERSION  # type: ignore[import-untyped]  # two words of text; has no stubs

from sla_monitor.calendars import CalendarError, calendar_from
from sla_monitor.domain.calendar import Calendar, CalendarEnds
from sla_monitor.domain.case import NEVER_BREACHED, Pinned, Start
from sla_monitor.domain.due import Due, due_at, recalculated, started_by
from sla_monitor.domain.escalation import EscalationStep
from sla_monitor.domain.recorded import Recalculation
from sla_monitor.domain.rules import Elapsed, Rule, Shift, Weekend, WeekTime, WorkingDays, WorkingHours

FORGETTING = frozenset({ReferralForgotten.name})
ENDINGS = frozenset({ReferralWithdrawn.name, "closed"}) | FORGETTING
"""Moments after which no clock of a case runs, so that none can be started by them."""

RESOURCES = frozenset({"resources-permitted", "resources-sent"})
"""Steps that only those programmes have whose supporters send resources."""


def due_of(clock: Clock, received_at: datetime, programme: Programme) -> Due:
    """
    When this promise to somebody whose request was received then is due.

    Raises CalendarEnds for a year that the programme's calendar does not know.
    """
    return due_by(clock.due, received_at, programme.zone, programme.calendar)


def due_by(section: clocks.Rule, received_at: datetime, zone: ZoneInfo, days: clocks.Calendar | None) -> Due:
    """The same by a rule, a zone and a calendar as a programme file has them; raises CalendarError as well."""
    calendar = _calendar_around(received_at, zone, days) if section.counts_days else None
    return due_at(rule_of(section), received_at, zone, calendar, tzdata=IANA_VERSION)


def start_of(
    clock: Clock,
    due: Due,
    entered_at: datetime,
    programme: Programme,
    *,
    digest: str,
    any_later: bool,
    reported_within: int = 0,
) -> Start:
    """A reason for a clock to run that makes it due then; `entered_at` is when that was recorded, `digest` by what file."""
    return Start(
        due_at=due.instant,
        starts_at=due.terms.received_at,
        entered_at=entered_at,
        warn_at=due.instant - clock.warn_before,
        firmness=clock.firmness,
        programme_id=programme.id,
        programme_digest=digest,
        explanation=due.explanation,
        pinned=_pinned(due),
        any_later=any_later,
        reported_within=reported_within,
        escalation=tuple(EscalationStep(step.after, step.to) for step in programme.escalation_of(clock)),
        recalculated=due.terms.recalculated,
        reckoned=due,
    )


def _pinned(due: Due) -> Pinned:
    zone = due.terms.zone
    return Pinned(
        zone=str(zone),
        due_local=due.instant.astimezone(zone).isoformat(),
        calendar_version=due.calendar_version,
        tzdata=due.terms.tzdata,
        steps=json.dumps(due.steps_as_json()),
    )


def start_again(start: Start, clock: Clock, programme: Programme, recalculation: Recalculation | None) -> Start:
    """The same reason to run by a programme's file as it is now; raises CalendarEnds."""
    due = due_of(clock, start.starts_at, programme)
    moment = json.loads(start.pinned.steps)[0].get("by") if start.pinned else None
    if moment is not None:
        due = started_by(due, moment)
    if recalculation is not None:
        due = recalculated(due, recalculation)
    return start_of(
        clock,
        due,
        start.entered_at,
        programme,
        digest=programme.ref.digest,
        any_later=start.any_later,
        reported_within=start.reported_within,
    )


def calendar_of(programme: Programme, at: datetime) -> Calendar | None:
    """The programme's days off around an instant; raises CalendarError for a place that is not known."""
    return _calendar_around(at, programme.zone, programme.calendar)


def rule_of(section: clocks.Rule) -> Rule:
    """The rule that a programme file describes."""
    match section:
        case clocks.Elapsed():
            span = Weekend(_week_time(section.weekend_begins), _week_time(section.weekend_ends))
            return Elapsed(section.weekday, section.weekend, span, section.holidays_as_weekend)
        case clocks.WorkingDays():
            return WorkingDays(section.days, section.at, frozenset(_iso(weekday) for weekday in section.weekdays))
        case clocks.WorkingHours():
            hours = {
                _iso(weekday): tuple(Shift(shift.from_, shift.to) for shift in shifts)
                for weekday, shifts in section.hours.items()
            }
            return WorkingHours(section.wait, hours)


def fault_of(programme: Programme, now: datetime) -> str | None:
    """
    What of a programme cannot be watched, by the name of its field; None where all can.

    A promise that nothing can start or stop would go unwatched, and one whose calendar ends could not be reckoned.
    """
    try:
        calendar_of(programme, now)
    except CalendarError as error:
        return str(error)
    for number, clock in enumerate(programme.clocks):
        fault = _unwatched(clock) or _unasked(clock, programme) or _without_days(clock, programme, now)
        if fault is not None:
            return fault if fault.startswith("calendar") else f"clocks.{number}.{fault}"
    return None


def _unwatched(clock: Clock) -> str | None:
    if ending := clock.starts & ENDINGS:
        return f"starts: {_named(ending)} ends a case, and its clocks with it"
    if clock.stops & FORGETTING:
        return f"stops: {_named(FORGETTING)} leaves nothing to stop"
    if both := clock.starts & clock.stops:
        return f"stops: {_named(both)} starts it as well"
    if clock.kind in NEVER_BREACHED and clock.firmness is Firmness.PROMISED:
        return f"firmness: {clock.kind} is never breached, so that it cannot be promised"
    if clock.kind in NEVER_BREACHED and clock.escalation:
        return f"escalation: {clock.kind} is never breached, so that nobody is told of it"
    return None


def _unasked(clock: Clock, programme: Programme) -> str | None:
    if programme.supporters_send_resources:
        return None
    for field, moments in (("starts", clock.starts), ("stops", clock.stops)):
        if moments <= RESOURCES:
            return f"{field}: {_named(moments)} is asked on no page without supporters_send_resources"
    return None


def _named(moments: Collection[str]) -> str:
    return ", ".join(sorted(moments))


def _without_days(clock: Clock, programme: Programme, now: datetime) -> str | None:
    try:
        due_of(clock, now, programme)
    except CalendarEnds as error:
        return f"calendar.years: {error.year} is missing, and {clock.kind} may be due then"
    return None


def _calendar_around(at: datetime, zone: ZoneInfo, days: clocks.Calendar | None) -> Calendar | None:
    return None if days is None else calendar_from(days, at.astimezone(zone).year)


def _week_time(text: str) -> WeekTime:
    weekday, at = text.split()
    return WeekTime(_iso(weekday), time.fromisoformat(at))


def _iso(weekday: str) -> int:
    return WEEKDAYS.index(weekday) + 1
