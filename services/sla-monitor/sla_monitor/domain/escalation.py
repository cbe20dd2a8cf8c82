"""Who is told after the coordinator, where a breach goes unacknowledged."""

from datetime import timedelta
from typing import NamedTuple


class EscalationStep(NamedTuple):
    """So long after the due time whoever has the role `to` is told."""

    after: timedelta
    to: str
