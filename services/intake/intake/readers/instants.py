"""Dates as incident systems write them, read as instants in UTC."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

_ISO = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:[T ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,12}))?)?"
    r"(?P<offset>Z|[+-]\d\d:?\d\d)?)?)?)?",
    re.ASCII | re.IGNORECASE,
)
_LONGEST_OFFSET = timedelta(hours=14)


def read_instant(text: str, *, zone: tzinfo, arrived_at: datetime) -> datetime | None:
    """Return the instant that an ISO 8601 text means, in UTC; ValueError (without the text) if it means none.

    Seconds and offset may be missing; without an offset the time is the source's own. A day without a time is
    its first moment, so that a promise counted from it is kept rather than stretched. A month or year is its
    last moment once that has passed, so that old incidents stay old; a month that still runs gives None.
    """
    found = _ISO.fullmatch(text.strip())
    if found is None:
        raise ValueError("not a date")
    parts = {name: int(digits) for name, digits in found.groupdict().items() if digits and digits.isdigit()}
    try:
        if "day" not in parts:
            ended = _end_of_period(parts["year"], parts.get("month"), zone)
            return ended if ended <= arrived_at else None
        return _moment(parts, found["fraction"], _offset(found["offset"]) or zone)
    except OverflowError:
        pass
    raise ValueError("not a date that can be reckoned with")


def in_zone(local: datetime, zone: tzinfo) -> datetime:
    """Return a local time in UTC; ValueError where the calendar ends.

    A time that occurs twice means the first; one that the clocks skip takes the offset before the gap.
    """
    try:
        return local.replace(tzinfo=zone).astimezone(UTC)
    except OverflowError:
        pass
    raise ValueError("not a date that can be reckoned with")


def _moment(parts: dict[str, int], fraction: str | None, zone: tzinfo) -> datetime:
    # A leap second is valid in FHIR and unknown to Python.
    second = min(parts.get("second", 0), 59) if parts.get("second", 0) <= 60 else 61
    local = datetime(
        parts["year"],
        parts["month"],
        parts["day"],
        parts.get("hour", 0),
        parts.get("minute", 0),
        second,
        int((fraction or "0").ljust(6, "0")[:6]),
        tzinfo=zone,
    )
    return in_zone(local, zone)


def _end_of_period(year: int, month: int | None, zone: tzinfo) -> datetime:
    after = datetime(year, month or 12, 1, tzinfo=zone) + timedelta(days=31)
    return in_zone(after.replace(day=1), zone) - timedelta(seconds=1)


def _offset(text: str | None) -> tzinfo | None:
    if text is None:
        return None
    if text in "Zz":
        return UTC
    hours, minutes = int(text[1:3]), int(text[-2:])
    offset = timedelta(hours=hours, minutes=minutes)
    if minutes > 59 or offset > _LONGEST_OFFSET:
        raise ValueError("not an offset")
    return timezone(-offset if text[0] == "-" else offset)
