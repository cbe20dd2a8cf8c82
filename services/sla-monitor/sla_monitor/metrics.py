"""What the monitor measures, service-wide: nothing by programme, case or person."""

from chassis.metrics import counter, gauge, histogram

DECISIONS = counter("deadline_decisions", "Deadlines set, approaching, met and breached.", ["what"])
LATENESS = histogram(
    "breach_lateness_seconds",
    "How long after a due time its breach was decided; late entries are not counted.",
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 60, 900),
)
OVERRULED_LAG = gauge(
    "deadlines_provisional", "1 while breaches are told as provisional, since the inputs have been behind for too long."
)
