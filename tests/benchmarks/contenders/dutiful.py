"""
The floor with what an event owes besides its effect: its headers checked against its body, its trace passed on, metrics.

It shows how much of what lies between the chassis and the floor these duties cost, and how much the chassis itself.
"""

from typing import Any
from uuid import UUID

import uvloop
from chassis import ServiceSettings, load, metrics, telemetry
from chassis.decoding import decode_all
from peerline.events import ReferralCreated

from tests.benchmarks.contenders import Spec
from tests.benchmarks.contenders.confirming import Confirmed, confirmed
from tests.benchmarks.contenders.floor import Floor, until_told


class Dutiful(Floor):
    """The floor, which trusts no header."""

    def read(self, records: list[Any]) -> dict[UUID, Confirmed]:
        """What these records ask for, by their events' ids; ends the process where one is no event."""
        decoded, unreadable = decode_all(records)
        if unreadable:
            raise SystemExit(f"{len(unreadable)} records are no events")
        with telemetry.span("take batch", among=[item.traceparent for item in decoded], count=len(records)):
            batch = {
                item.event.event_id: confirmed(item.event, item.body_hash, item.traceparent)
                for item in decoded
                if isinstance(item.event, ReferralCreated)
                and item.record.offset >= self.positions[item.record.partition]
            }
        metrics.EVENTS_TAKEN.labels(records[0].topic).inc(len(batch))
        metrics.BATCH_SIZE.observe(len(records))
        return batch


if __name__ == "__main__":
    telemetry.configure("matcher", load(ServiceSettings))
    uvloop.run(until_told(Dutiful(Spec.read())))
