"""A programme with a clock of every kind that programmes have, and one of its own; and events about it."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import yaml
from peerline.events import (
    Event,
    MatchConfirmed,
    MatchEvent,
    MatchReleased,
    OutreachLogged,
    ParticipantUnresolved,
    Phase,
    ProgrammeRef,
    ReferralCreated,
    ReferralJoined,
)
from peerline.programme import Programme, Programmes

SHCP: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "deploy" / "programmes" / "shcp.yaml").read_text())
DIGEST = "0" * 16


def a_clock(kind: str, starts: Sequence[str] = (), stops: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    """A clock of a programme file, due a day after its start on any day of the week."""
    clock = {"kind": kind, "firmness": "usual", "due": {"rule": "elapsed", "weekday": "PT24H", "weekend": "PT24H"}}
    return clock | {name: list(named) for name, named in (("starts", starts), ("stops", stops)) if named} | more


EVERY_KIND = (
    a_clock("match", firmness="promised"),
    a_clock("first-contact"),
    a_clock("answer", ["supporter-notified"], ["supporter-accepted", "supporter-declined"]),
    a_clock("response", ["contact-attempted"], ["contact-made"]),
    a_clock("follow-up", ["contact-made"], ["closed"]),
    a_clock("resources", ["resources-permitted"], ["resources-sent"]),
    a_clock("showing", ["match-confirmed"], ["contact-shown", "contact-made"], firmness="internal"),
)
"""The last is a kind that no other programme has."""


def promising(*clocks: dict[str, Any], **more: Any) -> Programme:
    """SHCP with these clocks instead of its own."""
    return Programme.model_validate(SHCP | {"clocks": list(clocks)} | more).model_copy(update={"digest": DIGEST})


def only(programme: Programme) -> Programmes:
    """The programmes of a service that holds one."""
    return Programmes({programme.id: programme})


def common(referral_id: UUID, at: datetime) -> dict[str, Any]:
    """What every event says; each is another one."""
    ref = ProgrammeRef(id="shcp", digest=DIGEST)
    return {"event_id": uuid4(), "referral_id": referral_id, "programme": ref, "sequence": 1, "occurred_at": at}


def created(
    referral_id: UUID, received_at: datetime, entered_at: datetime | None = None, within: Any = None
) -> ReferralCreated:
    """A request, entered when it was received unless said otherwise, and reported within a class of hours."""
    happened = common(referral_id, entered_at or received_at)
    return ReferralCreated(**happened, received_at=received_at, reported_within_hours=within)


def unresolved(referral_id: UUID, received_at: datetime, within: Any = None) -> ParticipantUnresolved:
    """Somebody was named whom nobody knows yet."""
    happened = common(referral_id, received_at)
    return ParticipantUnresolved(**happened, received_at=received_at, reported_within_hours=within)


def joined(referral_id: UUID, received_at: datetime, within: Any = None) -> ReferralJoined:
    """A further trigger for this case."""
    happened = common(uuid4(), received_at)
    return ReferralJoined(**happened, into=referral_id, received_at=received_at, reported_within_hours=within)


def matched(referral_id: UUID, at: datetime, attempt: int = 1, kind: type[MatchEvent] = MatchConfirmed) -> MatchEvent:
    """What became of an attempt to match."""
    return kind(**common(referral_id, at), match_id=uuid4(), attempt=attempt)


def released(referral_id: UUID, at: datetime, attempt: int = 1) -> MatchEvent:
    """The end of an attempt to match."""
    return matched(referral_id, at, attempt, MatchReleased)


def logged(referral_id: UUID, step: str | None, at: datetime, attempt: int | None = None) -> OutreachLogged:
    """A step of a case, of an attempt or of none."""
    return OutreachLogged(**common(referral_id, at), phase=Phase.OPEN, step=step, attempt=attempt)


def told(kind: type[Event], referral_id: UUID, at: datetime) -> Event:
    """An event about a referral that says nothing but that it happened."""
    return kind(**common(referral_id, at))
