"""
Small numbers are not shown, nor what would give them away.

Counts of one kind of clock in one month stand beside their total. Who knows the total and all counts but one
knows that one too, and who knows the rule by which they are hidden may know more. Nothing else is ever added
up: no total over months or kinds, which would give away what its parts hide.
"""

from collections.abc import Mapping
from dataclasses import dataclass

SMALLEST = 11
"""The smallest number of clocks that is shown; zero is not either."""


@dataclass(frozen=True)
class Shown:
    """Counts, None where hidden, and their total, None where hidden too."""

    counts: Mapping[str, int | None]
    total: int | None


def shown(counts: Mapping[str, int]) -> Shown:
    """What may be shown of these counts: none below eleven, and none from which such a one could be reckoned."""
    hidden, total = _hidden(counts), sum(counts.values())
    return Shown(
        counts={name: None if name in hidden else count for name, count in counts.items()},
        total=total if total >= SMALLEST else None,
    )


def part_shown(part: int, whole: int | None) -> int | None:
    """How many of a count are of some kind; None where the count is hidden, or these or the others are too few."""
    if whole is None or min(part, whole - part) < SMALLEST:
        return None
    return part


def percentile_shown(value: int | None, of: int) -> int | None:
    """A percentile, None where it is of fewer than eleven."""
    return value if of >= SMALLEST else None


def _hidden(counts: Mapping[str, int]) -> frozenset[str]:
    """
    The names of the counts that are hidden: with a small one, the next larger until their sum says nothing.

    The sum of the hidden is what anybody can reckon. It must not be small itself, and every count that is shown
    must be larger: then it could be shared out among the hidden in any way, and the same would be hidden.
    """
    rising = sorted(counts, key=lambda name: (counts[name], name))
    if not rising or counts[rising[0]] >= SMALLEST:
        return frozenset()
    for number in range(1, len(rising)):
        reckoned = sum(counts[name] for name in rising[:number])
        if SMALLEST <= reckoned < counts[rising[number]]:
            return frozenset(rising[:number])
    return frozenset(rising)
