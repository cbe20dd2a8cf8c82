"""What the parts of a programme file have in common: strictness, durations, local times, dates, time zones."""

from datetime import date, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError


class Section(BaseModel):
    """A part of a programme file; a field that nobody knows is an error, not a wish that is ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _waiting(duration: timedelta) -> timedelta:
    if duration < timedelta(0):
        raise ValueError("must not be negative")
    return duration


def _as_text(value: Any) -> Any:
    """YAML reads an unquoted 17:00 as 1020, which would pass for seconds: 00:17; and ON, NO as yes and no."""
    if isinstance(value, int | float):
        raise ValueError("must stand in quotes, as text")
    return value


def _without_offset(at: time) -> time:
    if at.tzinfo is not None:
        raise ValueError("is a local time and takes no offset")
    return at


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder's name, or one too long for a file
        raise ValueError("is not an IANA time zone") from None
    return name


Wait = Annotated[timedelta, AfterValidator(_waiting)]
LocalTime = Annotated[time, BeforeValidator(_as_text), AfterValidator(_without_offset)]
LocalDate = Annotated[date, BeforeValidator(_as_text)]
Code = Annotated[str, BeforeValidator(_as_text)]
Zone = Annotated[str, AfterValidator(_zone)]


def first_fault(error: ValidationError) -> tuple[str, str]:
    """The field that is wrong ("" for the whole) and what is wrong with it, without what was given there."""
    fault = error.errors(include_input=False, include_url=False)[0]
    return ".".join(str(part) for part in fault["loc"]), fault["msg"]
