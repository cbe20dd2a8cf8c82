"""A calendar as the rules see it: plain dates under a name, for the years that it knows."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date


class CalendarEnds(LookupError):
    """A rule came to a year that the calendar does not know; `year` is that year."""

    def __init__(self, calendar: "Calendar", year: int) -> None:
        super().__init__(f"the calendar {calendar.version} does not know the year {year}")
        self.year = year


@dataclass(frozen=True)
class Calendar:
    """
    Days off, and days that are worked whatever their weekday.

    `version` names what the days were taken from, so that a due time can be reckoned again. Raises
    ValueError for a day that is both off and opened.
    """

    version: str
    first_year: int
    last_year: int
    days_off: frozenset[date] = field(default=frozenset(), repr=False)
    opened: frozenset[date] = field(default=frozenset(), repr=False)

    def __post_init__(self) -> None:
        for day in sorted(self.days_off & self.opened):
            raise ValueError(f"{day} is both off and opened")

    def is_off(self, day: date) -> bool:
        """Whether it is a holiday or a closure; raises CalendarEnds for a year that is not known."""
        return self._known(day) in self.days_off

    def is_worked(self, day: date, weekdays: Collection[int]) -> bool:
        """Whether work is done that day, where these ISO weekdays are worked; raises CalendarEnds as above."""
        return self._known(day) in self.opened or (day.isoweekday() in weekdays and day not in self.days_off)

    def _known(self, day: date) -> date:
        if not self.first_year <= day.year <= self.last_year:
            raise CalendarEnds(self, day.year)
        return day
