"""Intake and notifier as matcher hears them: events about one referral, with their compartments sealed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4

from peerline.compartments import MatchingProfile, StepDetail
from peerline.events import (
    Audience,
    Event,
    OutreachLogged,
    Phase,
    ProgrammeRef,
    ReferralAmended,
    ReferralCreated,
    ReferralForgotten,
    ReferralJoined,
    ReferralWithdrawn,
    Sealed,
)
from peerline.events.base import Part
from peerline.sealing import Sealer

E = TypeVar("E", bound=Event)


@dataclass
class Told:
    """What intake and notifier say about one referral."""

    programme: ProgrammeRef
    sealer: Sealer
    referral_id: UUID = field(default_factory=uuid4)
    sequences: dict[str, int] = field(default_factory=dict)

    def created(
        self,
        person: tuple[str, ...] = ("p-physician",),
        *,
        excluded: tuple[str, ...] = (),
        attributes: Mapping[str, str] | None = None,
        received_at: datetime | None = None,
    ) -> ReferralCreated:
        sealed = self._profile(ReferralCreated, person, excluded, attributes)
        return self._event(ReferralCreated, received_at=received_at or datetime.now(UTC), sealed=sealed)

    def unreadable(self) -> ReferralCreated:
        return self._event(
            ReferralCreated, received_at=datetime.now(UTC), sealed=Sealed(matcher="not.a.real.sealed.one")
        )

    def amended(
        self,
        person: tuple[str, ...] = ("p-physician",),
        *,
        excluded: tuple[str, ...] = (),
        attributes: Mapping[str, str] | None = None,
    ) -> ReferralAmended:
        return self._event(ReferralAmended, sealed=self._profile(ReferralAmended, person, excluded, attributes))

    def joined(self, into: UUID, *, excluded: tuple[str, ...] = ()) -> ReferralJoined:
        sealed = self._profile(ReferralJoined, ("p-physician",), excluded, None)
        return self._event(ReferralJoined, into=into, received_at=datetime.now(UTC), sealed=sealed)

    def withdrawn(self) -> ReferralWithdrawn:
        return self._event(ReferralWithdrawn)

    def forgotten(self) -> ReferralForgotten:
        return self._event(ReferralForgotten)

    def logged(
        self, step: str, attempt: int | None = None, *, at: datetime | None = None, phase: Phase = Phase.OPEN
    ) -> OutreachLogged:
        match_id = None if attempt is None else uuid4()
        more = {} if at is None else {"occurred_at": at}
        return self._event(OutreachLogged, phase=phase, step=step, attempt=attempt, match_id=match_id, **more)

    def privately(self, step: str, *, at: datetime | None = None) -> OutreachLogged:
        sealed = Sealed(matcher=self._sealed(OutreachLogged, StepDetail(step=step)))
        return self._event(OutreachLogged, phase=Phase.OPEN, sealed=sealed, occurred_at=at or datetime.now(UTC))

    def _profile(
        self,
        kind: type[Event],
        person: tuple[str, ...],
        excluded: tuple[str, ...],
        attributes: Mapping[str, str] | None,
    ) -> Sealed:
        profile = MatchingProfile(person=person, excluded=excluded, attributes=dict(attributes or {}))
        return Sealed(matcher=self._sealed(kind, profile))

    def _sealed(self, kind: type[Event], content: Part) -> str:
        return self.sealer.seal(
            Audience.MATCHER, content, referral_id=self.referral_id, event_type=kind.name, now=datetime.now(UTC)
        )

    def _event(self, kind: type[E], **more: Any) -> E:
        sequence = self.sequences[kind.topic] = self.sequences.get(kind.topic, 0) + 1
        ordinary: dict[str, Any] = {
            "event_id": uuid4(),
            "referral_id": self.referral_id,
            "programme": self.programme,
            "sequence": sequence,
            "occurred_at": datetime.now(UTC),
        }
        return kind(**ordinary | more)
