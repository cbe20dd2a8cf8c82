"""Notifier's metrics."""

from chassis.metrics import counter, gauge, histogram

SENDS = counter("sends", "Messages by kind and by what became of one try.", ["kind", "fate"])
SEND_SECONDS = histogram("send_seconds", "Time to hand one message over.", (0.05, 0.1, 0.25, 0.5, 1, 5, 15, 30, 60))
PAUSED = gauge("outreach_paused", "Programmes whose messages to people are paused.")
