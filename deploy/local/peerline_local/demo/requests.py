"""What coordinators key in: residents who ask or are referred, a phone call, a colleague's hint."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from peerline_local.demo.people import Person, Population
from peerline_local.demo.scenes import Offer

_CALLED_AGO = timedelta(days=3, hours=1)


@dataclass(frozen=True)
class Request:
    """One request through POST /v1/referrals; the same `id` is the same request."""

    id: str
    programme: str
    door: str
    person: Person
    received_at: datetime
    reason: str | None = None
    late: bool = False
    """Keyed so long after it was made that a deadline had passed already."""

    @property
    def offer(self) -> Offer:
        """What must come of it."""
        return Offer(self.person, self.programme, door=self.door, source=None, incident=self.id)

    def body(self) -> dict[str, Any]:
        """The JSON to send."""
        content = {
            "request_id": self.id,
            "programme": self.programme,
            "door": self.door,
            "person": {"system": "npi", "value": self.person.npi},
            "received_at": self.received_at.isoformat(),
        }
        return {**content, "reason": self.reason} if self.reason else content


def requests(rng: random.Random, now: datetime, people: Population) -> tuple[Request, ...]:
    """Eight requests for residents, one of them for somebody who has asked already; two for the hospital."""
    residents, attendings = people.of("rcaps"), people.of("shcp")
    run = f"{now:%y%m%d-%H%M%S}"
    doors = ("self", "lead", "coordinator", "lead", "self", "colleague", "lead")
    reasons = ("near_miss", None, "medical_error", "residency_stress", None, "complication_known_risk", None)
    asked = [
        Request(
            f"R-{run}-{number}",
            "rcaps",
            door,
            resident,
            now - timedelta(minutes=rng.randrange(5, 240)),
            reason,
        )
        for number, (door, reason, resident) in enumerate(zip(doors, reasons, residents, strict=False), start=1)
    ]
    again = Request(f"R-{run}-8", "rcaps", "lead", residents[0], now - timedelta(minutes=3))
    # From the end of the list, where no incident has taken them; the last two are supporters.
    called = Request(f"P-{run}-1", "shcp", "phone", attendings[-3], now - _CALLED_AGO, late=True)
    hinted = Request(f"P-{run}-2", "shcp", "colleague", attendings[-4], now - timedelta(minutes=30), "adverse_event")
    return (*asked, again, called, hinted)
