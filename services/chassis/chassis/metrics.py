"""
Every metric of the chassis, declared once with its meaning, and how a service declares its own.

Labels are bounded sets (a topic, a kind); never an id, a person, a unit or a programme.
"""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

REGISTRY = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=REGISTRY)  # memory, CPU and when the process started, under the names that are usual


def counter(name: str, meaning: str, labels: Sequence[str] = ()) -> Counter:
    """A count that only grows; `name` without the prefix `peerline_` and the suffix `_total`."""
    return Counter(f"peerline_{name}", meaning, labels, registry=REGISTRY)


def gauge(name: str, meaning: str, labels: Sequence[str] = ()) -> Gauge:
    """A value that goes up and down."""
    return Gauge(f"peerline_{name}", meaning, labels, registry=REGISTRY)


def histogram(name: str, meaning: str, buckets: Sequence[float], labels: Sequence[str] = ()) -> Histogram:
    """A distribution; seconds unless the name says otherwise."""
    return Histogram(f"peerline_{name}", meaning, labels, buckets=tuple(buckets), registry=REGISTRY)


EVENTS_TAKEN = counter("events_taken", "Events whose effect was committed, repeats not counted.", ["topic"])
EVENTS_REPEATED = counter("events_repeated", "Events that the inbox had already.")
EVENTS_PUBLISHED = counter(
    "events_published", "Events that the relay published and the broker acknowledged.", ["topic"]
)
EVENTS_QUARANTINED = counter("events_quarantined", "Records set aside as unreadable or refused.", ["topic", "reason"])
BATCH_SECONDS = histogram(
    "batch_seconds",
    "Time from a batch's arrival to its commit.",
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
BATCH_SIZE = histogram("batch_size", "Records in a batch.", (1, 2, 5, 10, 25, 50, 100, 250, 500))
DELIVERY_FAILURES = counter(
    "delivery_failures", "Batches that failed and are tried again; cause: world, ours (a bug).", ["cause", "error"]
)
CLIENTS_MADE_ANEW = counter(
    "clients_made_anew", "Kafka clients replaced: no partition was readable, or the broker was unheard.", ["reason"]
)
CHECKS = gauge("check_ok", "1 where a check of /ready was good when it was last made.", ["check"])
PARTITIONS_HELD = gauge("partitions_held", "Partitions waiting out a failure.")
PARTITIONS_STALLED = gauge("partitions_stalled", "Partitions that have records and have not moved for a minute.")
TOPICS_HALTED = gauge("topics_halted", "Input topics halted because too much of them was set aside.")
GROUP_OFFSETS_DIFFER = counter(
    "group_offsets_differ",
    "Partitions taken over whose offset in Kafka was lost, or ahead of the database's.",
    ["reason"],
)
RECORDS_LOST = counter(
    "records_lost", "Records that a topic dropped (retention) before this service had read them.", ["topic"]
)
CONSUMER_LAG = gauge("consumer_lag", "Records behind the ends of all assigned partitions.")
INPUTS_BEHIND = gauge("inputs_behind_seconds", "How long ago the service was last known to have taken all its input.")
OUTBOX_DEPTH = gauge("outbox_rows", "Events written and not yet published.")
OUTBOX_AGE = gauge("outbox_oldest_seconds", "Age of the oldest event not yet published.")
RELAY_LEADER = gauge("relay_leader", "1 where this process is the one that publishes.")
RELAY_FAILURES = counter("relay_failures", "Publications that the broker did not acknowledge.")
LOST_EVENTS = counter("lost_events", "Own events that stood on the topic and were unknown to a restored database.")
RESTORED_HALT = gauge("restored_halt", "1 while nothing is sent, since a restored database has yet to be looked at.")
ROUND_SECONDS = histogram(
    "round_seconds", "Duration of one run of a round.", (0.005, 0.025, 0.1, 0.5, 2.5, 10), ["what"]
)
ROUND_FAILURES = counter("round_failures", "Runs of a round that ended with an error.", ["what"])
WORKLIST_ITEMS = gauge("worklist_items", "Open items for a human.", ["kind"])
WORKLIST_AGE = gauge("worklist_oldest_seconds", "Age of the oldest open item.", ["kind"])
HTTP_SECONDS = histogram(
    "http_seconds", "Time to answer a request.", (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5), ["route", "status"]
)
