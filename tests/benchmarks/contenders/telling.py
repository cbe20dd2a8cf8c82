"""What the plain worker and the job queue write for a deadline that has passed: the least that could be called an event."""

import json
from uuid import uuid4

TOPIC = "peerline.deadlines.v1"


def record(referral_id: str, clock: str, due: str) -> tuple[str, bytes, bytes, bytes, str]:
    """Topic, key, headers, body and id, as the outbox has them."""
    event_id = str(uuid4())
    headers = [["ce_id", event_id], ["ce_type", "peerline.deadline-breached.v1"], ["ce_subject", referral_id]]
    body = {"event_id": event_id, "referral_id": referral_id, "clock": clock, "due_at": due}
    return TOPIC, referral_id.encode(), json.dumps(headers).encode(), json.dumps(body).encode(), event_id
