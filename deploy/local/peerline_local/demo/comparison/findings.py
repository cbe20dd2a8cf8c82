"""What a comparison finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """What kind of thing is not as it must be."""

    MISSING = "missing"
    DUPLICATE = "duplicate"
    WRONG = "wrong"
    """Neither lost nor doubled, but against a rule: somebody was asked who must not be."""


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it must be; `place` is an incident and an opaque person, or an id."""

    fault: Fault
    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


def missing(place: object, what: str) -> Finding:
    """Something that ought to be there is not (yet)."""
    return Finding(Fault.MISSING, str(place), what)


def duplicate(place: object, what: str) -> Finding:
    """Something is there more than once."""
    return Finding(Fault.DUPLICATE, str(place), what)


def wrong(place: object, what: str) -> Finding:
    """Something is there against a rule."""
    return Finding(Fault.WRONG, str(place), what)


def exactly(wanted: int, found: int, place: object, what: str) -> Iterator[Finding]:
    """A finding where there are fewer or more than wanted."""
    if found < wanted:
        yield missing(place, f"{what}: {found} of {wanted}")
    if found > wanted:
        yield duplicate(place, f"{what}: {found} instead of {wanted}")


def of(fault: Fault, findings: Iterable[Finding]) -> list[str]:
    """The findings of one kind, in words."""
    return sorted(str(finding) for finding in findings if finding.fault is fault)
