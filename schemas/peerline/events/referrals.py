"""`peerline.referrals.v1`, written by intake: who asked for outreach, or for whom it is due."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from peerline.events.base import Event, Topic

ReceivedAt = Annotated[
    AwareDatetime,
    Field(
        description="When the programme's clock starts: asked, reported or first identified; never the event's date."
    ),
]

REPORTED_WITHIN = (72, 168, 336, 720)
"""
Classes of hours, the only ones in which an event says how long after something happened it was reported.

None spans less than three days: `received_at` stands beside it, and a class of six hours would tell the event's date.
"""

ReportedWithin = Annotated[
    Literal[72, 168, 336, 720] | None,
    Field(
        description="Hours, the least of these, within which an incident system first reported what had happened; "
        "absent where it did not say when that was, where it took longer, and where no such system reported."
    ),
]


class ReferralCreated(Event):
    """
    A physician is to be offered a talk.

    Sealed: `matcher` MatchingProfile, `notifier` ContactProfile, `desk` Origin; as in every event of this topic,
    `intake` itself Recollection.
    """

    name: ClassVar[str] = "referral-created"
    topic: ClassVar[Topic] = Topic.REFERRALS

    received_at: ReceivedAt
    reported_within_hours: ReportedWithin = None


class ReferralJoined(Event):
    """
    A further trigger for a physician whose case is open; the case `into` takes it.

    `referral_id` is the id that this trigger has of its own. Sealed as ReferralCreated.
    """

    name: ClassVar[str] = "referral-joined"
    topic: ClassVar[Topic] = Topic.REFERRALS

    into: UUID
    received_at: ReceivedAt
    reported_within_hours: ReportedWithin = None


class ReferralAmended(Event):
    """The source corrected what is sealed in a referral; the new compartments replace the old."""

    name: ClassVar[str] = "referral-amended"
    topic: ClassVar[Topic] = Topic.REFERRALS


class ReferralWithdrawn(Event):
    """The physician withdrew, or the source took the report back. Sealed: `notifier` Withdrawal."""

    name: ClassVar[str] = "referral-withdrawn"
    topic: ClassVar[Topic] = Topic.REFERRALS


class ParticipantUnresolved(Event):
    """A named person is not in the directory; the referral id is allotted and the match clock runs."""

    name: ClassVar[str] = "participant-unresolved"
    topic: ClassVar[Topic] = Topic.REFERRALS

    received_at: ReceivedAt
    reported_within_hours: ReportedWithin = None


class ReferralForgotten(Event):
    """Retention has ended, or erasure was asked: every service deletes what it holds of the referral."""

    name: ClassVar[str] = "referral-forgotten"
    topic: ClassVar[Topic] = Topic.REFERRALS
