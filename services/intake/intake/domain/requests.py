"""Requests that a coordinator enters: somebody phoned, a colleague or lead asked, or the physician did."""

from dataclasses import dataclass, replace
from datetime import datetime

from intake.domain.book import Book, ProgrammeRules
from intake.domain.cases import Inputs, Referral, Standing, open_or_join
from intake.domain.people import NOBODY, Names, Person

DOORS = frozenset({"phone", "colleague", "lead", "self", "coordinator"})


@dataclass(frozen=True)
class Request:
    """A request as it was entered. `received_at` is when it was made; `referrer` are names of who made it."""

    request_id: str
    door: str
    received_at: datetime
    reason: str | None = None
    referrer: Names = NOBODY
    preferences: tuple[tuple[str, str], ...] = ()
    traceparent: str | None = None


def take_request(book: Book, request: Request, person: Person, programme: ProgrammeRules) -> Referral:
    """The referral that a request leads to: a case of its own, or within the person's open case."""
    referral = Referral(
        referral_id=book.allot(programme.id, request.door, request.request_id, str(person.person_id)),
        programme=programme.id,
        digest=programme.digest,
        incident=None,
        person=person.person_id,
        names=person.names,
        standing=Standing.OPEN,
        received_at=request.received_at,
        inputs=Inputs(request.door, reason=request.reason, preferences=request.preferences),
        traceparent=request.traceparent,
    )
    asked = request.referrer | book.directory.identified(request.referrer)
    excluded = (asked | book.directory.close_to(person)) - person.identified
    return open_or_join(book.cases, replace(referral, excluded=excluded), person)


def programme_for(programmes: list[ProgrammeRules], attributes: dict[str, str], door: str) -> ProgrammeRules | None:
    """The first of these programmes with this door whose audience holds the person."""
    return next((p for p in programmes if door in p.doors and p.serves(attributes)), None)
