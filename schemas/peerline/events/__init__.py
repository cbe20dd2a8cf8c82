"""Every event of Peerline, and the registry by which a record finds its model."""

from peerline.events.base import Audience, Event, ProgrammeRef, Sealed, Topic
from peerline.events.deadlines import (
    ClockKind,
    DeadlineApproaching,
    DeadlineBreached,
    DeadlineEvent,
    DeadlineMet,
    DeadlineSet,
    Firmness,
)
from peerline.events.matches import (
    MatchConfirmed,
    MatchEvent,
    MatchProposed,
    MatchReleased,
    MatchReleaseRequested,
    MatchUnavailable,
)
from peerline.events.outreach import PUBLIC_STEPS, STEPS, OutreachLogged, Phase
from peerline.events.referrals import (
    ParticipantUnresolved,
    ReferralAmended,
    ReferralCreated,
    ReferralForgotten,
    ReferralJoined,
    ReferralWithdrawn,
)
from peerline.events.worklist import (
    WORKLIST_CHANGED,
    IntakeWorklistChanged,
    MatcherWorklistChanged,
    MonitorWorklistChanged,
    WorklistChanged,
)

EVENTS: tuple[type[Event], ...] = (
    ReferralCreated,
    ReferralJoined,
    ReferralAmended,
    ReferralWithdrawn,
    ParticipantUnresolved,
    ReferralForgotten,
    MatchProposed,
    MatchConfirmed,
    MatchReleased,
    MatchReleaseRequested,
    MatchUnavailable,
    OutreachLogged,
    DeadlineSet,
    DeadlineApproaching,
    DeadlineMet,
    DeadlineBreached,
    IntakeWorklistChanged,
    MatcherWorklistChanged,
    MonitorWorklistChanged,
)

REGISTRY: dict[str, type[Event]] = {event.ce_type(): event for event in EVENTS}

__all__ = [
    "EVENTS",
    "PUBLIC_STEPS",
    "REGISTRY",
    "STEPS",
    "WORKLIST_CHANGED",
    "Audience",
    "ClockKind",
    "DeadlineApproaching",
    "DeadlineBreached",
    "DeadlineEvent",
    "DeadlineMet",
    "DeadlineSet",
    "Event",
    "Firmness",
    "IntakeWorklistChanged",
    "MatchConfirmed",
    "MatchEvent",
    "MatchProposed",
    "MatchReleaseRequested",
    "MatchReleased",
    "MatchUnavailable",
    "MatcherWorklistChanged",
    "MonitorWorklistChanged",
    "OutreachLogged",
    "ParticipantUnresolved",
    "Phase",
    "ProgrammeRef",
    "ReferralAmended",
    "ReferralCreated",
    "ReferralForgotten",
    "ReferralJoined",
    "ReferralWithdrawn",
    "Sealed",
    "Topic",
    "WorklistChanged",
]
