"""What travels sealed: one model per audience and purpose, strict to write, tolerant to read."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from peerline.events.base import Part

Attributes = dict[str, str]


class MatchingProfile(Part):
    """
    For matcher: what a supporter must and should be like, and who must not be asked.

    `person` and `excluded` are pseudonyms (ids.Pseudonyms) of every known identifier of the physician
    and of each person involved, reporting, supervising or in the team.
    """

    person: tuple[str, ...]
    excluded: tuple[str, ...] = ()
    attributes: Attributes = Field(default_factory=dict)
    preferences: Attributes = Field(default_factory=dict)


class ContactProfile(Part):
    """For notifier: whom the offer is for and how they can be reached."""

    name: str
    email: str | None = None
    phone: str | None = None
    zone: str | None = None
    language: str | None = None


class Origin(Part):
    """For the desk: where a referral came from. `incident` is the source's own identifier."""

    door: str
    source: str | None = None
    incident: str | None = None
    reason: str | None = None


class Recollection(Part):
    """For intake itself: what it has to know again should its database be set back, as JSON of its own form."""

    content: str


class WithdrawalKind(StrEnum):
    """Who took the referral back: the person, or the source of the report."""

    WITHDRAWN = "withdrawn"
    RETRACTED = "retracted"
    NOT_ELIGIBLE = "not-eligible"


class Withdrawal(Part):
    """For notifier: why a referral was withdrawn."""

    kind: WithdrawalKind


class SupporterContact(Part):
    """For notifier: the supporter who is to be asked."""

    supporter_id: str
    name: str
    email: str
    phone: str | None = None
    zone: str | None = None


class AskedSupporter(Part):
    """For matcher itself: whom it has proposed, should its database be set back."""

    supporter_id: str


class StepDetail(Part):
    """
    A step that is not public, with coded detail; for `desk`, and for `matcher` where it must act.

    For `notifier` too, which has to know its own steps again should its database be set back.
    """

    step: Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)*$")]
    codes: dict[str, str] = Field(default_factory=dict)
