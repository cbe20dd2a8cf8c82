"""From events to facts about clocks: which of a programme's clocks an event starts, hastens, stops or ends."""

from collections.abc import Iterator
from uuid import UUID

from chassis import Refused
from peerline.clocks import Clock
from peerline.events import (
    Event,
    MatchEvent,
    MatchReleased,
    OutreachLogged,
    ParticipantUnresolved,
    ReferralCreated,
    ReferralForgotten,
    ReferralJoined,
    ReferralWithdrawn,
)
from peerline.programme import Programme, Programmes

from sla_monitor.domain.calendar import CalendarEnds
from sla_monitor.domain.case import WHOLE_CASE, ClockName, Start
from sla_monitor.domain.due import started_by
from sla_monitor.domain.facts import (
    Closed,
    Fact,
    Forgotten,
    Joined,
    Reached,
    Released,
    RetractionDeclined,
    Started,
    Stopped,
    Withdrawn,
)
from sla_monitor.promises import due_of, start_of

Request = ReferralCreated | ParticipantUnresolved | ReferralJoined
REQUESTS = frozenset({ReferralCreated.name, ParticipantUnresolved.name, ReferralJoined.name})

OF_AN_ATTEMPT = frozenset(
    {
        "match-proposed",
        "match-confirmed",
        "match-release-requested",
        "supporter-notified",
        "supporter-accepted",
        "contact-shown",
        "contact-attempted",
        "contact-made",
    }
)
"""Moments in the life of one attempt to match. A clock that nothing else starts is that attempt's own."""

ENDS_OF_AN_ATTEMPT = frozenset({"supporter-declined", "other-supporter-requested", "match-released"})
"""Moments after which another attempt is due. A clock that they start is the next attempt's, or a later one's."""


def facts_of(event: Event, programmes: Programmes) -> Iterator[Fact]:
    """
    What an event says about the clocks of its case, by the file of the programme that it names.

    Raises Refused for a programme that is not known here: without its file a stop would be lost, and later
    told as a breach. Raises it as well for a due time beyond the programme's calendar.
    """
    if isinstance(event, ReferralForgotten):
        yield Forgotten(event.referral_id)
        return
    moment = _moment(event)
    if moment is None:
        return
    programme = programmes.get(event.programme.id)
    if programme is None:
        raise Refused(event.event_id, "unknown-programme")
    yield from _of_the_case(event)
    yield from _starts(event, moment, programme)
    yield from _stops(event, moment, programme)


def _of_the_case(event: Event) -> Iterator[Fact]:
    """What is so whatever the programme promises."""
    match event:
        case ReferralWithdrawn():
            yield Withdrawn(event.referral_id, event.occurred_at)
        case OutreachLogged(step="closed"):
            yield Closed(event.referral_id, event.occurred_at)
        case OutreachLogged(step="retraction-declined"):
            yield RetractionDeclined(event.referral_id)
        case OutreachLogged(step="contact-made"):
            yield Reached(event.referral_id, event.occurred_at)


def _starts(event: Event, moment: str, programme: Programme) -> Iterator[Fact]:
    """The clocks that this moment starts; a further trigger also hastens those that started with the request."""

    def reckoned(clocks: list[Clock]) -> dict[ClockName, Start]:
        return {_name_of_start(clock, event): _start(clock, event, programme) for clock in clocks}

    if starting := [clock for clock in programme.clocks if moment in clock.starts]:
        yield Started(_case_of(event), reckoned(starting))
    if isinstance(event, ReferralJoined):
        hastened = [clock for clock in programme.clocks if clock.starts & REQUESTS and moment not in clock.starts]
        yield Joined(event.into, reckoned(hastened))


def _stops(event: Event, moment: str, programme: Programme) -> Iterator[Fact]:
    if stopping := [clock for clock in programme.clocks if moment in clock.stops]:
        yield Stopped(_case_of(event), [_name_of_stop(clock, event) for clock in stopping], event.occurred_at)
    if isinstance(event, MatchReleased):
        own = [ClockName(clock.kind, event.attempt) for clock in programme.clocks if _is_an_attempts_own(clock)]
        if own:
            yield Released(event.referral_id, own, event.occurred_at)


def _moment(event: Event) -> str | None:
    """What has happened, by the name that a programme file has for it; None for a step that is not public."""
    return event.step if isinstance(event, OutreachLogged) else event.name


def _case_of(event: Event) -> UUID:
    return event.into if isinstance(event, ReferralJoined) else event.referral_id


def _name_of_start(clock: Clock, event: Event) -> ClockName:
    """The clock that an event starts: of the case, of the attempt that it names, or of the next."""
    attempt = _attempt(event)
    if attempt and _is_an_attempts_own(clock):
        return ClockName(clock.kind, attempt)
    if attempt and _moment(event) in ENDS_OF_AN_ATTEMPT:
        return ClockName(clock.kind, attempt + 1)
    return ClockName(clock.kind)


def _name_of_stop(clock: Clock, event: Event) -> ClockName:
    """The clock that an event stops, with those before it that wait for any later attempt (Case.stop_of)."""
    if _is_an_attempts_own(clock) or clock.starts & ENDS_OF_AN_ATTEMPT:
        return ClockName(clock.kind, _attempt(event) or WHOLE_CASE)
    return ClockName(clock.kind)


def _attempt(event: Event) -> int | None:
    return event.attempt if isinstance(event, MatchEvent | OutreachLogged) else None


def _is_an_attempts_own(clock: Clock) -> bool:
    return clock.starts <= OF_AN_ATTEMPT


def _start(clock: Clock, event: Event, programme: Programme) -> Start:
    """What an event makes due: a request from when it was received, everything later from when it happened."""
    try:
        if isinstance(event, Request):
            due = due_of(clock, event.received_at, programme)
        else:
            due = started_by(due_of(clock, event.occurred_at, programme), _moment(event) or event.name)
    except CalendarEnds:
        raise Refused(event.event_id, "calendar-without-the-year") from None
    return start_of(
        clock,
        due,
        event.occurred_at,
        programme,
        digest=event.programme.digest,
        any_later=_moment(event) in ENDS_OF_AN_ATTEMPT,
        reported_within=(event.reported_within_hours or 0) if isinstance(event, Request) else 0,
    )
