"""What a coordinator can do about an item of intake's worklist. An item's subject is the key of its incident."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar
from uuid import UUID

from chassis import Item, UnitOfWork, stays
from chassis.http import Problem
from chassis.worklist import RESOLVE, Actions
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from intake import casework, rounds
from intake.domain import referring, settling
from intake.domain.book import Book, SourceTerms
from intake.domain.incident import Identifier, Involvement, Participant
from intake.domain.people import Names
from intake.repository import incidents, people

Text = Annotated[str, Field(min_length=1, max_length=256)]
M = TypeVar("M", bound=BaseModel)
Decision = Callable[[Book, UUID, SourceTerms], Names | None]


class NamedPerson(BaseModel):
    """Somebody whom a coordinator names: by an identifier, or as the source calls them."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    system: str = ""
    value: Text | None = None
    reference: Text | None = None

    @model_validator(mode="after")
    def _is_named(self) -> "NamedPerson":
        if not (self.value or self.reference):
            raise ValueError("names nobody")
        return self

    def participant(self) -> Participant:
        """The person as somebody involved."""
        identifiers = (Identifier(self.system, self.value),) if self.value else ()
        references = (self.reference,) if self.reference else ()
        return Participant(identifiers, references, Involvement.INVOLVED)


class AddedPeople(BaseModel):
    """The body of the action add-people."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    people: Annotated[tuple[NamedPerson, ...], Field(min_length=1, max_length=100)]


class Dismissed(BaseModel):
    """The body of the action not-a-physician: which of an incident's unresolved people, or all of them."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    referral_ids: frozenset[UUID] | None = None


async def not_a_physician(work: UnitOfWork, item: Item, body: Mapping[str, Any]) -> None:
    """Whom nobody knew are no physicians; this is remembered for their next report."""
    chosen = _read(Dismissed, body).referral_ids

    def decide(book: Book, key: UUID, terms: SourceTerms) -> Names:
        return referring.dismiss(book, key, terms, work.now, chosen)

    names = await _decide(work, item, decide)
    await people.save_strangers(work.connection, names or ())
    # The act resolves the item; the review opens it again for those who were not chosen.
    await incidents.mark_incident(work.connection, UUID(item.subject))
    work.wake()


async def offer(work: UnitOfWork, item: Item, _body: Mapping[str, Any]) -> None:
    """An old report is not too late: its people are offered support."""

    def decide(book: Book, key: UUID, terms: SourceTerms) -> None:
        referring.offer_late(book, key, terms, work.now)

    await _decide(work, item, decide)


async def add_people(work: UnitOfWork, item: Item, body: Mapping[str, Any]) -> None:
    """These people were involved: they are offered support from now on."""
    added = tuple(person.participant() for person in _read(AddedPeople, body).people)

    def decide(book: Book, key: UUID, terms: SourceTerms) -> None:
        referring.add_people(book, key, added, terms, work.now)

    await _decide(work, item, decide, added)


async def _decide(work: UnitOfWork, item: Item, decide: Decision, added: tuple[Participant, ...] = ()) -> Names | None:
    """Load the item's incident, let the domain decide, write and publish; 409 where it is known no more."""
    key = UUID(item.subject)
    await incidents.hold_directory(work.connection)
    source = await incidents.source_of(work.connection, key)
    if source is None:
        raise Problem(409, "unknown-incident")
    try:
        terms = casework.terms_of(work, source)
    except LookupError:
        raise Problem(409, "unknown-source") from None
    book = await casework.book_of_incident(work, key, source, added)
    names = decide(book, key, terms)
    await casework.save(work, book)
    return names


def _read(kind: type[M], body: Mapping[str, Any]) -> M:
    try:
        return kind.model_validate(dict(body))
    except ValidationError as error:
        place = error.errors(include_input=False)[0]["loc"]
    raise Problem(422, "wrong-value", field=str(place[0]) if place else None)


async def retry(work: UnitOfWork, item: Item, _body: Mapping[str, Any]) -> None:
    """Look at an incident again that failed by a fault of ours; if it still fails, the item is back."""
    await incidents.mark_incident(work.connection, UUID(item.subject))
    work.wake()


ACTIONS: Actions = {
    rounds.STUCK: {"retry": retry, RESOLVE: stays},
    settling.UNRESOLVED: {"not-a-physician": not_a_physician, RESOLVE: stays},
    settling.OLD_REPORT: {"offer": offer},
    settling.NOBODY_NAMED: {"add-people": add_people},
    settling.DECIDE_INVOLVEMENT: {"add-people": add_people},
    settling.CONFLICTING_REPORT: {"add-people": add_people},
}
