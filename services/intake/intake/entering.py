"""Entering a coordinator's request: who it is for, which programme takes it, and what comes of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chassis import UnitOfWork
from peerline.programme import Disposition, Programme

from intake import casework, directory, keys
from intake.domain import cases
from intake.domain.book import Book
from intake.domain.cases import Standing, withdraw_person
from intake.domain.people import NOBODY, ContactData, Person
from intake.domain.requests import DOORS, Request, take_request
from intake.repository import incidents, referrals
from intake.repository.records import AnswerRecord

CREATED, OK = 201, 200
NOT_ELIGIBLE = "not-eligible"


class Refusal(Exception):
    """A request that cannot be entered as it is: HTTP status, code, and the field at fault."""

    def __init__(self, status: int, code: str, field_name: str | None = None) -> None:
        super().__init__(code)
        self.status, self.code, self.field = status, code, field_name


@dataclass(frozen=True)
class Described:
    """A person in the coordinator's own words."""

    name: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    zone: str | None = None
    language: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """What was asked for. `received_at` is when it was asked; identifiers are (system, value)."""

    programme: str | None
    door: str
    received_at: datetime
    reason: str | None
    identifier: tuple[str, str] | None = field(repr=False)
    described: Described
    referrer: tuple[str, str] | None = field(repr=False)
    preferences: Mapping[str, str] = field(default_factory=dict)


async def enter(work: UnitOfWork, request_id: str, said: Mapping[str, Any], asked: Asked) -> AnswerRecord:
    """The answer to a request, given once: the same request again has the same, raises Refusal for another one."""
    key = keys.answer_key(work.ids, "request", request_id)
    digest = keys.digest_of(work.ids, json.dumps(said, sort_keys=True))
    await incidents.hold_directory(work.connection)
    known = await referrals.claim_answers(work.connection, work.vault, [key])
    if key in known:
        if known[key][0] != digest:
            raise Refusal(409, "request-id-reused", "request_id")
        return known[key][1]
    answer = await _answer(work, request_id, asked)
    await referrals.save_answers(work.connection, work.vault, {key: (digest, answer)})
    return answer


async def withdraw(work: UnitOfWork, referral_id: UUID) -> bool | None:
    """
    Take a person's case back at their wish, with everything that joined it.

    False where all of it was closed or taken back at their wish before; None for a referral that nobody knows.
    """
    await incidents.hold_directory(work.connection)
    book = await casework.book_of_referrals(work, [referral_id])
    referral = book.cases.get(referral_id)
    if referral is None:
        return None
    taken_back = withdraw_person(book.cases, referral)
    await casework.save(work, book)
    if referral.standing == Standing.UNRESOLVED and referral.incident:
        await incidents.mark_incident(work.connection, referral.incident)
        work.wake()
    return taken_back


async def say_again(work: UnitOfWork, referral_id: UUID) -> bool | None:
    """
    Publish what stands of a referral once more, sealed anew with what is known now.

    False where there is nothing to say: nobody was named by it, or it is over. None for one that nobody knows.
    """
    await incidents.hold_directory(work.connection)
    book = await casework.book_of_referrals(work, [referral_id])
    referral = book.cases.get(referral_id)
    if referral is None:
        return None
    said = cases.say_again(book.cases, referral, book.directory.get(referral.person))
    await casework.save(work, book)
    return said


async def _answer(work: UnitOfWork, request_id: str, asked: Asked) -> AnswerRecord:
    if asked.door not in DOORS:
        raise Refusal(422, "unknown-door", "door")
    if asked.received_at > work.now:
        raise Refusal(422, "in-the-future", "received_at")
    named = _programme_named(work, asked.programme)
    elsewhere = _elsewhere(named, asked.reason) if named else None
    if elsewhere:
        return elsewhere
    book, person = await _person(work, asked, named)
    programme = _programme_for(work, asked, person, named)
    if programme is None or person is None:
        return AnswerRecord(status=OK, body={"referral_id": None, "outcome": NOT_ELIGIBLE})
    elsewhere = _elsewhere(programme, asked.reason)
    if elsewhere:
        return elsewhere
    return await _refer(work, request_id, asked, book=book, person=person, programme=programme)


async def _refer(
    work: UnitOfWork, request_id: str, asked: Asked, *, book: Book, person: Person, programme: Programme
) -> AnswerRecord:
    request = Request(
        request_id=request_id,
        door=asked.door,
        received_at=asked.received_at.astimezone(UTC),
        reason=asked.reason,
        referrer=frozenset({work.pseudonyms.of(*asked.referrer)}) if asked.referrer else NOBODY,
        preferences=tuple(sorted(asked.preferences.items())),
        traceparent=work.traceparent(casework.NO_REFERRAL),
    )
    referral = take_request(book, request, person, programme)
    await casework.save(work, book)
    outcome = "offered" if referral.opened else "joined"
    return AnswerRecord(
        status=CREATED,
        body={"referral_id": str(referral.referral_id), "outcome": outcome, "programme": programme.id},
    )


def _programme_named(work: UnitOfWork, programme_id: str | None) -> Programme | None:
    if programme_id is None:
        return None
    programme = work.programmes.get(programme_id)
    if programme is None:
        raise Refusal(422, "unknown-programme", "programme")
    return programme


def _elsewhere(programme: Programme, reason: str | None) -> AnswerRecord | None:
    """Where a programme does not serve a reason: who does, with the lines for immediate help; else None."""
    if reason is None:
        return None
    disposition = programme.reasons.get(reason)
    if disposition is None:
        raise Refusal(422, "unknown-reason", "reason")
    if disposition == Disposition.IN_SCOPE:
        return None
    body = {
        "referral_id": None,
        "outcome": disposition.value,
        "programme": programme.id,
        "crisis_lines": [line.model_dump(mode="json", exclude_none=True) for line in programme.crisis_lines],
        "resources": [resource.model_dump(mode="json", exclude_none=True) for resource in programme.resources],
    }
    return AnswerRecord(status=OK, body=body)


def _programme_for(work: UnitOfWork, asked: Asked, person: Person | None, named: Programme | None) -> Programme | None:
    """The named programme, or the first with this door that serves the person; None if it does not."""
    if person is None:
        return None
    attributes = dict(person.attributes)
    if named is None:
        offering = [p for p in work.programmes.values() if asked.door in p.doors]
        return next((p for p in offering if p.serves(attributes)), None)
    if asked.door not in named.doors:
        return None
    # Of somebody whom a coordinator describes, what they leave unsaid is taken to fit the programme they name.
    unsaid = {} if asked.identifier else {name: min(allowed) for name, allowed in named.audience.items()}
    return named if named.serves(unsaid | attributes) else None


async def _person(work: UnitOfWork, asked: Asked, named: Programme | None) -> tuple[Book, Person | None]:
    """Whom a request is for, with all that is known of them, locked; raises Refusal where it is not clear."""
    described = asked.described
    addresses = directory.addresses_of(work.pseudonyms, described.email, described.phone)
    identified = frozenset({work.pseudonyms.of(*asked.identifier)}) if asked.identifier else NOBODY
    referrer = frozenset({work.pseudonyms.of(*asked.referrer)}) if asked.referrer else NOBODY
    book = await casework.book_of_people(work, identified or addresses, referrer)
    found = book.directory.known_as(identified or addresses)
    if len(found) == 1:
        return book, found[0]
    if found:
        raise Refusal(409, "several-people", "person")
    if identified:
        raise Refusal(422, "unknown-person", "person")
    if named is None:
        raise Refusal(422, "missing-field", "programme")
    await _add(work, described, addresses)
    # Read again under their lock: the same person may have been entered at this moment by somebody else.
    book = await casework.book_of_people(work, addresses, referrer)
    return book, book.directory.one_known_as(addresses)


async def _add(work: UnitOfWork, described: Described, addresses: frozenset[str]) -> None:
    if not described.name:
        raise Refusal(422, "missing-field", "person.name")
    if not addresses:
        raise Refusal(422, "missing-field", "person.email")
    if described.zone and not _is_zone(described.zone):
        raise Refusal(422, "wrong-value", "person.zone")
    contact = ContactData(described.name, described.email, described.phone, described.zone, described.language)
    person = Person(UUID(int=0), addresses, NOBODY, dict(described.attributes), contact)
    await directory.add_person(work, person, addresses)


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
