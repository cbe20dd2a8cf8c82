"""Contact hours: when a person may be written to, and when so many such hours have passed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

DAY = timedelta(days=1)


@dataclass(frozen=True)
class ContactHours:
    """
    Local hours of the days of a week (1 is Monday) in a zone; `opens` equal to `closes` means all day.

    Hours that close before they open close on the next day. ValueError without any day.
    """

    opens: time
    closes: time
    days: frozenset[int]
    zone: tzinfo

    def __post_init__(self) -> None:
        if not self.days:
            raise ValueError("contact hours need a day")

    def windows(self, at: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The windows [from, to) that end after `at`, in order and in UTC, without end."""
        day = at.astimezone(self.zone).date() - DAY  # yesterday's may last past midnight
        while True:
            opens, closes = self._window(day)
            if day.isoweekday() in self.days and opens < closes and closes > at:
                yield opens, closes
            day += DAY

    def next_window(self, at: datetime) -> tuple[datetime, datetime]:
        """From when (`at` or later) and until when a person may next be written to."""
        opens, closes = next(self.windows(at))
        return max(at.astimezone(UTC), opens), closes

    def after(self, start: datetime, hours: timedelta) -> datetime:
        """The instant by which so much contact time has passed since `start`."""
        left = hours
        for opens, closes in self.windows(start):
            begin = max(start.astimezone(UTC), opens)
            if left <= closes - begin:
                return begin + left
            left -= closes - begin
        raise AssertionError("windows never end")

    def _window(self, day: date) -> tuple[datetime, datetime]:
        """One day's window. A wall time that does not exist takes the offset before the gap, a double one the first."""
        last = day if self.opens < self.closes else day + DAY
        return self._instant(day, self.opens), self._instant(last, self.closes)

    def _instant(self, day: date, wall: time) -> datetime:
        return datetime.combine(day, wall, tzinfo=self.zone).astimezone(UTC)


def earliest_contact(
    reported_at: datetime, occurred_at: datetime, after_report: timedelta, after_occurrence: timedelta
) -> datetime:
    """Before this instant nothing is sent about a case."""
    return max(reported_at + after_report, occurred_at + after_occurrence)
