"""What intake counts. No label names a source, a programme or a person."""

from chassis.metrics import counter

REPORTS = counter("intake_reports", "Reports of incidents, by door and what came of them.", ["door", "outcome"])
REQUESTS = counter("intake_requests", "Requests entered by a coordinator, by outcome.", ["outcome"])
