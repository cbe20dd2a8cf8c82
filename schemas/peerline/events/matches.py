"""`peerline.matches.v1`, written by matcher, the only decider of a match."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from peerline.events.base import Event, Topic


class MatchEvent(Event):
    """A fact about one attempt to match a referral."""

    topic: ClassVar[Topic] = Topic.MATCHES

    match_id: UUID
    attempt: Annotated[int, Field(ge=1)]


class MatchProposed(MatchEvent):
    """A supporter is to be asked whether they have room. Sealed: `notifier` SupporterContact, `matcher` AskedSupporter."""

    name: ClassVar[str] = "match-proposed"


class MatchConfirmed(MatchEvent):
    """The supporter said yes and the match is current: name and contact may be shown."""

    name: ClassVar[str] = "match-confirmed"


class MatchReleased(MatchEvent):
    """The match has ended; another supporter will be sought unless the case is closed."""

    name: ClassVar[str] = "match-released"


class MatchReleaseRequested(MatchEvent):
    """A confirmed match should end; only notifier, which holds the case, ends it."""

    name: ClassVar[str] = "match-release-requested"


class MatchUnavailable(MatchEvent):
    """Nobody can be proposed for this attempt now; a coordinator is told, and it is tried again."""

    name: ClassVar[str] = "match-unavailable"
