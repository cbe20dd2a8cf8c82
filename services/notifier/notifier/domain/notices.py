"""When a coordinator is told what waits: at once where it is urgent, else once a day."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from notifier.domain.hours import ContactHours

GATHERED = timedelta(minutes=15)
"""A digest waits until what it is about is this old, so that it does not tell of the first of many only."""


class Notice(StrEnum):
    """The kinds of message to a coordinator."""

    URGENT = "urgent"
    DIGEST = "digest"


@dataclass(frozen=True)
class Pace:
    """
    At most one urgent message in `urgent_every` to a programme: what else becomes urgent is counted in the next.

    By default a burst of a thousand is two messages, and the shortest promise that we know, 24 hours, loses 1%.
    """

    urgent_every: timedelta = timedelta(minutes=15)


@dataclass(frozen=True)
class Untold:
    """What a coordinator has not been told of: whether something of it is urgent, and since when the oldest is open."""

    is_urgent: bool
    since: datetime


@dataclass(frozen=True)
class Told:
    """When a programme's coordinator was last told of something urgent, and the local day of the last digest."""

    urgent_at: datetime | None = None
    digest_on: date | None = None


def notice_due(untold: Untold, told: Told, hours: ContactHours, pace: Pace, now: datetime) -> Notice | None:
    """Which message is due now, if any. Only a digest waits for contact hours, and there is one a local day."""
    if untold.is_urgent and (told.urgent_at is None or told.urgent_at + pace.urgent_every <= now):
        return Notice.URGENT
    in_hours = hours.next_window(now)[0] <= now
    if in_hours and untold.since + GATHERED <= now and told.digest_on != now.astimezone(hours.zone).date():
        return Notice.DIGEST
    return None
