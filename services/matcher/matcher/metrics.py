"""Matcher's own metrics."""

from chassis.metrics import counter

DECISIONS = counter("match_decisions", "Decisions about matches, by kind.", ["decision"])
LEFT_FOR_LATER = counter(
    "match_choices_repeated", "Choices that were made again because another process had taken the seat."
)
