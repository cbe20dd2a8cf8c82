"""
What the monitor measures, service-wide: nothing by programme, case or person.

Labels are the kind and the firmness of a clock. A kind may be a programme file's own; so there are as many as
the files name.
"""

from collections.abc import Iterable

from chassis.metrics import counter, gauge, histogram

from sla_monitor.domain.measures import Tally, Wait

HOUR = 3600.0
CLOCK = ("clock", "firmness")
WHATS = ("set", "approaching", "met", "corrected", "breached", "escalated", "acknowledged")

DECISIONS = counter(
    "deadline_decisions",
    "Deadlines set, approaching, met, breached, breaches corrected by a fact that came later, and further steps told.",
    ["what", *CLOCK],
)
LATENESS = histogram(
    "breach_lateness_seconds",
    "How long after a due time its breach was decided; late entries are not counted.",
    # A second or two is usual: only what all facts up to then are known for is decided. Hours come after an outage.
    (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300, 900, HOUR, 4 * HOUR, 24 * HOUR),
)
OVERRULED_LAG = gauge(
    "deadlines_provisional", "1 while breaches are told as provisional, since the inputs have been behind for too long."
)
WAITS = histogram(
    "clock_seconds",
    "Time from a clock's start (received_at) to what stopped it, in time or not: clock=match is the time to match, "
    "first-contact the time to contact.",
    # The promises (24, 48, 72, 96 h), and two working days across a weekend or a long one (up to 144 h).
    [0.25 * HOUR, *(h * HOUR for h in (1, 4, 8, 12, 24, 36, 48, 72, 96, 120, 144, 168, 336))],
    CLOCK,
)
OPEN = gauge(
    "clocks_open",
    "Clocks that run, are overdue, or are never breached (clock=response): up to 100,000 of each of the three.",
    CLOCK,
)
PAUSED = gauge("clocks_paused", "Clocks that have no due time while a pause is open, up to 100,000.", CLOCK)
DUE_SOON = gauge("clocks_due_within_hour", "Open clocks that are due within the hour.", CLOCK)
OVERDUE = gauge("clocks_overdue", "Open clocks that are past due: nobody has come yet.", CLOCK)
OLDEST = gauge("clock_oldest_overdue_seconds", "How long ago the oldest overdue open clock was due; 0 without.", CLOCK)
BEHIND = gauge("sweep_behind_seconds", "For how long the oldest undecided deadline could have been decided.")


def expect(clocks: Iterable[tuple[str, str]]) -> None:
    """
    Let there be a count, of zero, for each of these kinds with their firmness before anything is counted.

    Prometheus sees no increase in a count whose first value is one: the first breach of all would not alarm.
    """
    for kind, firmness in clocks:
        for what in WHATS:
            DECISIONS.labels(what, kind, firmness)
        WAITS.labels(kind, firmness)


def show(tallies: Iterable[Tally]) -> None:
    """Set the gauges of open clocks to these, and no others."""
    listed = list(tallies)
    for gauge_ in (OPEN, PAUSED, DUE_SOON, OVERDUE, OLDEST):
        gauge_.clear()
    for tally in listed:
        labels = (tally.kind, tally.firmness)
        OPEN.labels(*labels).set(tally.open)
        PAUSED.labels(*labels).set(tally.paused)
        DUE_SOON.labels(*labels).set(tally.due_soon)
        OVERDUE.labels(*labels).set(tally.overdue)
        OLDEST.labels(*labels).set(tally.oldest.total_seconds())
    BEHIND.set(max((tally.behind.total_seconds() for tally in listed), default=0.0))


def count_waits(waits: Iterable[Wait]) -> None:
    """Count waits that have ended."""
    for wait in waits:
        WAITS.labels(wait.kind, wait.firmness).observe(wait.lasted.total_seconds())
