"""How figures are rounded, summed up and shown."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import leather  # type: ignore[import-untyped]  # has no stubs

Curve = list[tuple[float, float]]
"""Seconds, and how many."""


def spread(values: Sequence[float], digits: int = 0) -> dict[str, float]:
    """Median, least and most."""
    return {
        "median": _round(median(values), digits),
        "min": _round(min(values), digits),
        "max": _round(max(values), digits),
    }


def percentiles(seconds: Sequence[float], *which: int, digits: int = 1) -> dict[str, float]:
    """Percentiles of durations, in milliseconds: the smallest value that so many per cent do not exceed."""
    ordered = sorted(seconds)
    return {f"p{each}_ms": _round(ordered[-(-len(ordered) * each // 100) - 1] * 1000, digits) for each in which}


def paired(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of ours ÷ theirs, round by round: what the machine does to both in a round falls out."""
    return round(median(mine / other for mine, other in zip(ours, theirs, strict=True)), 3)


def lines_of(figures: Mapping[str, Any], indent: str = "  ") -> Iterator[str]:
    """Figures as lines; what is nested stands below its name, further in."""
    for name, value in figures.items():
        if isinstance(value, Mapping) and any(isinstance(each, list) for each in value.values()):
            continue  # curves are drawn
        if isinstance(value, Mapping) and any(isinstance(each, Mapping) for each in value.values()):
            yield f"{indent}{name}"
            yield from lines_of(value, indent + "  ")
        elif isinstance(value, Mapping):
            yield f"{indent}{name:<{34 - len(indent)}} {', '.join(f'{key} {each}' for key, each in value.items())}"
        else:
            yield f"{indent}{name:<{34 - len(indent)}} {value}"


def draw(curves: Mapping[str, Curve], path: Path) -> None:
    """Write curves as one SVG."""
    chart = leather.Chart("Waiting before and behind each service")
    for name, curve in curves.items():
        chart.add_line(curve, name=name)
    chart.add_x_axis(name="seconds")
    chart.add_y_axis(name="records")
    chart.to_svg(str(path), width=900, height=500)


def _round(value: float, digits: int) -> float:
    return round(value, digits) if digits else round(value)
