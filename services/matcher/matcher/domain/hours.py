"""How long a supporter has to answer: a window counted only in hours in which they may be contacted."""

from datetime import UTC, date, datetime, timedelta, tzinfo

from matcher.domain.rules import Hours

DAY = timedelta(days=1)
ALL_DAYS = (1, 2, 3, 4, 5, 6, 7)


def answer_by(asked_at: datetime, window: timedelta, hours: Hours, zone: tzinfo) -> datetime:
    """
    Return the instant (UTC) at which `window` of contact time has passed since `asked_at` (aware).

    Contact time is real time between the local opening and closing, so that a day on which the clocks
    change is an hour longer or shorter; a night with no contact hours does not use up the window.
    """
    left, now = window, asked_at.astimezone(UTC)
    if left <= timedelta(0):
        return now
    day = now.astimezone(zone).date() - DAY
    while True:
        opens, closes = _open_on(day, hours, zone)
        start = max(opens, now)
        if start < closes:
            if closes - start >= left:
                return start + left
            left -= closes - start
            now = closes
        day += DAY


def _open_on(day: date, hours: Hours, zone: tzinfo) -> tuple[datetime, datetime]:
    """
    The contact hours that begin on a local day, in UTC; empty (both equal) on a day without.

    Hours that close before they open last into the next day.
    """
    opens = datetime.combine(day, hours.opens, zone).astimezone(UTC)
    if day.isoweekday() not in (hours.days or ALL_DAYS):
        return opens, opens
    last_day = day if hours.opens < hours.closes else day + DAY
    return opens, datetime.combine(last_day, hours.closes, zone).astimezone(UTC)
