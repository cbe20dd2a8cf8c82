"""
From the calendar of a programme file to plain dates, by the `holidays` library.

The library is a base, not the truth: it lists days that a hospital does not keep and lacks others that it
does, so what the programme file opens and closes goes before it.
"""

import hashlib
from functools import lru_cache
from importlib.metadata import version

import holidays
from peerline import clocks

from sla_monitor.domain.calendar import Calendar

_LIBRARY = version("holidays")
_MARGIN = 3
"""Years past the start for which days are made: a clock runs a year at most, and pauses may move it on."""


class CalendarError(ValueError):
    """A calendar that cannot be made; the text names the field."""


@lru_cache(maxsize=256)
def calendar_from(section: clocks.Calendar, year: int) -> Calendar:
    """
    The days of a calendar from the year before this one on, three years ahead, as far as they are known.

    Raises CalendarError for a country or subdivision that the library does not know.
    """
    first, last = year - 1, year + _MARGIN
    known = _holidays_of(section, range(first, last + 2))  # 1 January may be kept on 31 December
    if section.years is not None:
        first, last = max(first, section.years.from_), min(last, section.years.to)
    if known is not None:
        first, last = max(first, known.start_year), min(last, known.end_year)
    public = frozenset() if known is None else frozenset(known)
    return Calendar(
        version=_version_of(section),
        first_year=first,
        last_year=last,
        days_off=(public - section.opened) | section.closed,
        opened=section.opened,
    )


def _holidays_of(section: clocks.Calendar, years: range) -> holidays.HolidayBase | None:
    """The public holidays of these years, None without a country; raises CalendarError for one not known."""
    if section.country is None:
        return None
    try:
        return holidays.country_holidays(section.country, section.subdivision, years=years, expand=False)
    except NotImplementedError:
        is_known = section.country in holidays.list_supported_countries()
        field, place = ("subdivision", section.subdivision) if is_known else ("country", section.country)
        raise CalendarError(f"calendar.{field}: no holidays are known of {place}") from None


def _version_of(section: clocks.Calendar) -> str:
    """A name under which the same days can be found again: the place, the library, the programme's own days."""
    own = section.model_dump_json(include={"years"})
    days = [",".join(day.isoformat() for day in sorted(days)) for days in (section.closed, section.opened)]
    digest = hashlib.sha256("|".join((own, *days)).encode()).hexdigest()[:8]
    place = "-".join(part for part in (section.country, section.subdivision) if part)
    return f"{place} holidays {_LIBRARY} own {digest}" if place else f"own {digest}"
