"""Times that a promise does not count: each from an instant on, up to another or still open."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Pause:
    """
    From `begins` on, up to but without `ends`; open where it has no end yet. `codes` say why.

    It may be entered long after it began. Raises ValueError for times without offset from UTC, and for one
    that ends before it begins.
    """

    begins: datetime
    ends: datetime | None = None
    codes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for at in (self.begins, self.ends):
            if at is not None and at.utcoffset() is None:
                raise ValueError("a pause needs offsets from UTC")
        if self.ends is not None and self.ends.astimezone(UTC) < self.begins.astimezone(UTC):
            raise ValueError("a pause ends before it begins")


def told_apart(pauses: Iterable[Pause], start: datetime) -> Sequence[Pause]:
    """
    The same pauses, of what comes after the start: in their order (UTC), none empty, none meeting another.

    Two that overlap or meet become one with the codes of both, so that a pause counts once, and counts the
    same when it was entered in parts.
    """
    apart: list[Pause] = []
    for pause in sorted((_since(start, pause) for pause in pauses), key=lambda pause: pause.begins):
        if pause.ends is not None and pause.ends <= pause.begins:
            continue
        if apart and _meet(apart[-1], pause):
            apart[-1] = _both(apart[-1], pause)
        else:
            apart.append(pause)
    return apart


def _since(start: datetime, pause: Pause) -> Pause:
    """What is left of it; a pause that was over by then is left empty."""
    begins = max(pause.begins.astimezone(UTC), start)
    ends = None if pause.ends is None else max(pause.ends.astimezone(UTC), begins)
    return Pause(begins, ends, pause.codes)


def _meet(earlier: Pause, later: Pause) -> bool:
    return earlier.ends is None or later.begins <= earlier.ends


def _both(earlier: Pause, later: Pause) -> Pause:
    ends = None if earlier.ends is None or later.ends is None else max(earlier.ends, later.ends)
    return Pause(earlier.begins, ends, tuple(dict.fromkeys((*earlier.codes, *later.codes))))
