"""`peerline.outreach.v1`, written by notifier: what was said to have happened with a case."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from peerline.events.base import Event, Topic


class Phase(StrEnum):
    """Where a case stands; closed set."""

    OPEN = "open"
    CONTACTED = "contacted"
    CLOSED = "closed"
    EXCEPTION = "exception"


STEPS: dict[str, str] = {
    "supporter-notified": "The supporter was asked whether they have room; the answer window starts.",
    "supporter-accepted": "The supporter has room; asks matcher to confirm.",
    "supporter-declined": "The supporter declined, at any stage, or was silent before the contact was shown.",
    "contact-shown": "The supporter has seen the physician's contact.",
    "contact-attempted": "The supporter tried to reach the physician; stops the first-contact clock.",
    "contact-made": "The supporter reached the physician.",
    "contact-wrong": "The contact did not work.",
    "physician-invited": "The programme's own invitation was handed over.",
    "wants-to-talk": "The physician would like to talk; matching starts where the programme invites first.",
    "does-not-want": "The physician does not want to talk; the door stays open.",
    "not-now": "The physician may want to talk later.",
    "other-supporter-requested": "The physician asks for another supporter; the first has been told to stop.",
    "resources-permitted": "The physician agreed to be sent resources.",
    "resources-sent": "Resources were handed over.",
    "meeting-scheduled": "A talk was arranged.",
    "meeting-moved": "A talk was moved.",
    "meeting-held": "A talk took place.",
    "follow-up-planned": "A further talk was arranged.",
    "needs-more-than-peer-support": "The supporter suggests other help.",
    "safety-concern": "The supporter fears for someone's safety.",
    "safety-acknowledged": "The safety contact has taken over.",
    "opted-out": "The person asked never to be contacted.",
    "withdrawal-requested": "The person asked to be left alone.",
    "retraction-declined": "The source retracted after somebody was contacted; the offer stands.",
    "join-refused": "A trigger came for a case that had closed; intake opens a new one.",
    "reminder-sent": "The supporter was reminded.",
    "coordinator-told": "The coordinator was sent a message about this case.",
    "delivery-failed": "A message could not be delivered.",
    "delivery-unknown": "It is not known whether a message was delivered; a coordinator decides.",
    "closed": "The case is closed.",
}
"""The documented vocabulary of steps. A consumer acts on those it names and keeps the rest as facts."""

PUBLIC_STEPS: frozenset[str] = frozenset(
    {
        "supporter-notified",
        "supporter-accepted",
        "supporter-declined",
        "contact-shown",
        "contact-attempted",
        "contact-made",
        "resources-permitted",
        "resources-sent",
        "other-supporter-requested",
        "retraction-declined",
        "join-refused",
        "closed",
        "delivery-failed",
        "delivery-unknown",
    }
)
"""Steps that start or stop a clock or free a seat, and so may stand in the public part."""


class OutreachLogged(Event):
    """
    A step of a case.

    `step` is absent where it is not one of PUBLIC_STEPS; it then stands in the sealed StepDetail
    (`matcher` where matching depends on it, `desk` and `notifier` itself always).
    `into` comes with `join-refused`: the closed case that the referral was to join.
    """

    name: ClassVar[str] = "outreach-logged"
    topic: ClassVar[Topic] = Topic.OUTREACH

    phase: Phase
    step: Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)*$")] | None = None
    match_id: UUID | None = None
    attempt: Annotated[int, Field(ge=1)] | None = None
    into: UUID | None = None
