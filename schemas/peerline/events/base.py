"""What every event has, and the topics that carry them."""

from enum import StrEnum
from functools import cache
from typing import Annotated, ClassVar, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Topic(StrEnum):
    """Kafka topics, one writer service each; keyed by referral id, the feed by the source's incident."""

    ADVERSE_EVENTS = "peerline.adverse-events.v1"
    REFERRALS = "peerline.referrals.v1"
    MATCHES = "peerline.matches.v1"
    OUTREACH = "peerline.outreach.v1"
    DEADLINES = "peerline.deadlines.v1"

    @classmethod
    @cache
    def of(cls, name: str) -> Self:
        """The topic that a name on a broker stands for; an installation may put a prefix before ours."""
        return cls(name[max(name.rfind("peerline."), 0) :])


class Audience(StrEnum):
    """Who may open a sealed compartment."""

    MATCHER = "matcher"
    NOTIFIER = "notifier"
    DESK = "desk"
    INTAKE = "intake"


class Part(BaseModel):
    """
    A value of the published language.

    Writers are strict (unknown fields and loose types are refused on construction), readers are
    tolerant: `Event.read` ignores fields that a later version has added.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class ProgrammeRef(Part):
    """A programme and the digest of its file, by which a case keeps the version it began with."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class Sealed(Part):
    """One compact JWE per audience; what is not for the public part of an event travels here."""

    matcher: str | None = None
    notifier: str | None = None
    desk: str | None = None
    intake: str | None = None


class Event(Part):
    """A fact about one referral, named in the past tense."""

    name: ClassVar[str]
    topic: ClassVar[Topic]
    version: ClassVar[int] = 1

    event_id: UUID
    referral_id: UUID
    programme: ProgrammeRef
    sequence: Annotated[int, Field(ge=1, description="The writer's counter for this referral.")]
    occurred_at: Annotated[AwareDatetime, Field(description="When it happened; ce_time is when it was logged.")]
    sealed: Sealed | None = None

    @classmethod
    def ce_type(cls) -> str:
        """The CloudEvents type, for example `peerline.referral-created.v1`."""
        return f"peerline.{cls.name}.v{cls.version}"

    @classmethod
    def read(cls, body: bytes) -> Self:
        """The event in a JSON body; raises pydantic.ValidationError, whose text never holds the input."""
        return cls.model_validate_json(body, extra="ignore")

    def body(self) -> bytes:
        """The JSON body, without absent fields."""
        return self.model_dump_json(exclude_none=True).encode()
