"""A service that only counts: it answers each referral with a match, refuses or fails where it is told to."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from chassis import Consumer, Refused, Service, ServiceSettings, UnitOfWork
from peerline.events import MatchConfirmed, ProgrammeRef, ReferralCreated, ReferralWithdrawn

from tests.support.workplace import Running, Workplace

NOW = datetime(2026, 6, 9, 14, 15, tzinfo=UTC)
SHCP = ProgrammeRef(id="shcp", digest="0" * 16)


def a_referral(place: Workplace, number: int) -> ReferralCreated:
    referral_id = place.ids.referral("shcp", "test", str(number), "person")
    return ReferralCreated(
        event_id=place.ids.event("referral-created", referral_id),
        referral_id=referral_id,
        programme=SHCP,
        sequence=1,
        occurred_at=NOW,
        received_at=NOW,
    )


def a_withdrawal(place: Workplace, created: ReferralCreated) -> ReferralWithdrawn:
    return ReferralWithdrawn(
        event_id=place.ids.event("referral-withdrawn", created.referral_id, 2),
        referral_id=created.referral_id,
        programme=SHCP,
        sequence=2,
        occurred_at=NOW,
    )


class Counter:
    """A service that answers each referral with a match, and notes the order in which events came."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, UUID]] = []
        self.refuse: set[UUID] = set()
        self.fail: set[UUID] = set()
        self.tries: int = 0
        self.trouble: Callable[[Sequence[ReferralCreated], UnitOfWork], Awaitable[None]] | None = None
        self.consumer = Consumer("matcher")
        self.consumer.on(ReferralCreated)(self.created)
        self.consumer.on(ReferralWithdrawn)(self.withdrawn)

    async def created(self, events: Sequence[ReferralCreated], work: UnitOfWork) -> None:
        self.tries += 1
        if self.trouble:
            await self.trouble(events, work)
        for event in events:
            if event.event_id in self.refuse:
                raise Refused(event.event_id, "not-like-this")
            if event.event_id in self.fail:
                raise RuntimeError("a bug")
            work.publish(
                MatchConfirmed(
                    event_id=work.ids.event("match-confirmed", event.referral_id, 1),
                    referral_id=event.referral_id,
                    programme=event.programme,
                    sequence=1,
                    occurred_at=work.now,
                    match_id=work.ids.match(event.referral_id, 1),
                    attempt=1,
                )
            )
        self.taken += [(event.name, event.referral_id) for event in events]

    async def withdrawn(self, events: Sequence[ReferralWithdrawn], work: UnitOfWork) -> None:
        self.taken += [(event.name, event.referral_id) for event in events]

    def service(self, place: Workplace, migrations: Path) -> Service:
        settings = place.settings(ServiceSettings, "matcher")
        return Service(name="matcher", settings=settings, consumer=self.consumer, migrations=migrations)


async def quarantined(service: Running) -> list[tuple[str, str]]:
    rows = await service.fetch("SELECT reason, path FROM quarantine ORDER BY reason, path")
    return [(row["reason"], row["path"]) for row in rows]
