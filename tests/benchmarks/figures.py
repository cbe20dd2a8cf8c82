"""What runs say together: median, smallest and largest, and ratios of pairs from the same round."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median


@dataclass(frozen=True)
class Spread:
    """The median of several figures, with the smallest and the largest."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, figures: Sequence[float], digits: int = 0) -> dict[str, float]:
        """The spread of figures, rounded, as it stands in a report."""
        spread = cls(median(figures), min(figures), max(figures))
        return {name: rounded(value, digits) for name, value in asdict(spread).items()}


def rounded(value: float, digits: int) -> float:
    """A figure as one reads it: without a point where no digits are wanted."""
    return round(value, digits) if digits else round(value)


def paired(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of ours ÷ theirs, round by round: what the machine does to both in a round falls out."""
    return round(median(mine / other for mine, other in zip(ours, theirs, strict=True)), 3)


def table(report: Mapping[str, object], indent: str = "") -> str:
    """A report as lines that people read."""
    lines = []
    for name, value in report.items():
        if isinstance(value, Mapping):
            inner = ", ".join(f"{key} {figure}" for key, figure in value.items())
            flat = not any(isinstance(figure, Mapping) for figure in value.values())
            lines.append(f"{indent}{name:<28} {inner}\n" if flat else f"{indent}{name}\n{table(value, indent + '  ')}")
        else:
            lines.append(f"{indent}{name:<28} {value}\n")
    return "".join(lines)
