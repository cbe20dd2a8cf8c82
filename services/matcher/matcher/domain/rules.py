"""What one version of a programme says about matching; a case keeps the version it began with."""

from dataclasses import dataclass
from datetime import time, timedelta


@dataclass(frozen=True, slots=True)
class Hours:
    """Local hours of contact on ISO weekdays 1 to 7; `opens` equal to `closes` means all day."""

    opens: time
    closes: time
    days: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """
    The matching rules of a programme.

    `different` and `same` name attributes; `capacity` holds for a supporter whose roster entry gives none;
    `answer_window` is counted in `hours` of the supporter's zone, `zone` being the programme's own.
    """

    needs_approval: bool
    invites_first: bool
    different: tuple[str, ...]
    same: tuple[str, ...]
    capacity: int
    answer_window: timedelta
    attempts: int
    cool_off: timedelta
    hours: Hours
    zone: str
