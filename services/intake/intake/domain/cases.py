"""Referrals and where they stand; a case is a referral that was published as created."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from intake.domain.incident import Contact
from intake.domain.people import NOBODY, Names, Person


class Standing(StrEnum):
    """Where a referral stands, as intake knows it."""

    UNRESOLVED = "unresolved"
    """Somebody was named whom the directory does not know."""
    OPEN = "open"
    """A case of its own."""
    JOINED = "joined"
    """Taken by an open case of the same person."""
    WAITING = "waiting"
    """The person's case was taken back, and whether it ends is not known yet: joins it or becomes a case."""
    WITHDRAWN = "withdrawn"
    """Taken back; outreach has the last word."""
    CLOSED = "closed"


class Withdrawal(StrEnum):
    """Why a referral was taken back."""

    WITHDRAWN = "withdrawn"
    RETRACTED = "retracted"
    NOT_ELIGIBLE = "not-eligible"


@dataclass(frozen=True)
class Inputs:
    """What later events of a referral are made of, beside the directory; kept encrypted."""

    door: str
    source: str | None = None
    incident: str | None = field(default=None, repr=False)
    reason: str | None = field(default=None, repr=False)
    contact: Contact | None = field(default=None, repr=False)
    """What a source that is trusted for it says, which goes before the directory."""
    preferences: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    reported_after: timedelta | None = field(default=None, repr=False)
    """How long after it happened the incident was first reported."""


@dataclass(frozen=True)
class Referral:
    """One person's referral for one incident or request."""

    referral_id: UUID
    programme: str
    digest: str
    """The version of the programme that it began with."""
    incident: UUID | None
    person: UUID | None
    names: Names
    standing: Standing
    received_at: datetime
    inputs: Inputs
    into: UUID | None = None
    opened: bool = False
    """Whether it was ever a case of its own."""
    retracted: bool = False
    """Whether its source took it back; a case may stand on for others that joined it."""
    stands: bool = False
    """Whether outreach has let it stand in spite of that, as it will each time: the person has been contacted."""
    excluded: Names = NOBODY
    sequence: int = 0
    traceparent: str | None = None


class FactKind(StrEnum):
    """What is published about a referral."""

    CREATED = "created"
    JOINED = "joined"
    AMENDED = "amended"
    WITHDRAWN = "withdrawn"
    UNRESOLVED = "unresolved"


@dataclass(frozen=True)
class Fact:
    """Something decided about a referral, which stands here as it was right after."""

    kind: FactKind
    referral: Referral
    person: Person | None = None
    withdrawal: Withdrawal | None = None


class Cases:
    """The referrals at hand, and the facts decided about them; the only place where one changes."""

    def __init__(self, referrals: Iterable[Referral] = ()) -> None:
        self._referrals = {referral.referral_id: referral for referral in referrals}
        self.facts: list[Fact] = []
        self.changed: dict[UUID, Referral] = {}

    def __iter__(self) -> Iterator[Referral]:
        return iter(self._earliest_first(lambda _: True))

    def get(self, referral_id: UUID | None) -> Referral | None:
        """The referral with this id."""
        return self._referrals.get(referral_id) if referral_id else None

    def of_incident(self, incident: UUID) -> list[Referral]:
        """An incident's referrals, the earliest first."""
        return self._earliest_first(lambda referral: referral.incident == incident)

    def relying_on(self, case: UUID, *standings: Standing) -> list[Referral]:
        """The referrals that stand so within a case, the earliest first."""
        return self._earliest_first(lambda referral: referral.into == case and referral.standing in standings)

    def case_of(self, programme: str, person: UUID) -> Referral | None:
        """The person's case that is not known to be closed; one that is open goes before one taken back."""
        alive = self._earliest_first(
            lambda referral: (
                referral.opened
                and referral.person == person
                and referral.programme == programme
                and referral.standing in (Standing.OPEN, Standing.WITHDRAWN)
            )
        )
        return min(alive, key=lambda referral: referral.standing != Standing.OPEN, default=None)

    def _earliest_first(self, wanted: Callable[[Referral], bool]) -> list[Referral]:
        return sorted(filter(wanted, self._referrals.values()), key=lambda each: (each.received_at, each.referral_id))

    def keep(self, referral: Referral) -> Referral:
        """Remember a referral as it now is, without anything to be said about it."""
        self._referrals[referral.referral_id] = referral
        self.changed[referral.referral_id] = referral
        return referral

    def state(
        self,
        kind: FactKind,
        referral: Referral,
        *,
        person: Person | None = None,
        withdrawal: Withdrawal | None = None,
    ) -> Referral:
        """Remember a referral as it now is, and that this is to be published under its next number."""
        counted = self.keep(replace(referral, sequence=referral.sequence + 1))
        self.facts.append(Fact(kind, counted, person, withdrawal))
        return counted


def open_or_join(cases: Cases, referral: Referral, person: Person) -> Referral:
    """
    Give a referral of a known person its place: a case of its own, or within the person's open case.

    Where that case was taken back and outreach has not said whether it ends, the referral waits for the
    answer: joining it might lose the person, opening another might contact them twice.
    """
    case = cases.case_of(referral.programme, person.person_id)
    placed = replace(referral, person=person.person_id)
    if case is None or case.referral_id == referral.referral_id:
        opened = replace(placed, standing=Standing.OPEN, opened=True, into=None)
        return cases.state(FactKind.CREATED, opened, person=person)
    if case.standing == Standing.OPEN:
        joined = replace(placed, standing=Standing.JOINED, into=case.referral_id)
        return cases.state(FactKind.JOINED, joined, person=person)
    return cases.keep(replace(placed, standing=Standing.WAITING, into=case.referral_id))


def withdraw(cases: Cases, referral: Referral, why: Withdrawal) -> Referral:
    """Take one referral back, and say so."""
    # A wish outweighs a retraction, which outreach may decline.
    retracted = why != Withdrawal.WITHDRAWN and (referral.retracted or why == Withdrawal.RETRACTED)
    taken_back = replace(referral, standing=Standing.WITHDRAWN, retracted=retracted)
    return cases.state(FactKind.WITHDRAWN, taken_back, withdrawal=why)


def withdraw_person(cases: Cases, referral: Referral) -> bool:
    """
    The person wants to be left alone: take back the whole case that this referral belongs to.

    A retraction does not stand for the wish: outreach may let an offer stand that a source retracted, but
    not one that the person does not want. False where there was nothing left to take back.
    """
    case = cases.get(referral.into) if referral.into else referral
    together = [case or referral, *cases.relying_on((case or referral).referral_id, Standing.JOINED, Standing.WAITING)]
    if all(referral.referral_id != other.referral_id for other in together):
        together.append(referral)
    going_on = [each for each in together if _goes_on(each)]
    for each in going_on:
        withdraw(cases, each, Withdrawal.WITHDRAWN)
    return bool(going_on)


def say_again(cases: Cases, referral: Referral, person: Person | None) -> bool:
    """
    Say what stands of a referral once more, sealed anew: somebody could not open it.

    False where nothing sealed was said of it, or all is over.
    """
    if referral.standing in (Standing.OPEN, Standing.JOINED) and person is not None:
        cases.state(FactKind.AMENDED, referral, person=person)
        return True
    if referral.standing == Standing.WITHDRAWN:
        cases.state(FactKind.WITHDRAWN, referral, withdrawal=_why_withdrawn(referral))
        return True
    return False


def _why_withdrawn(referral: Referral) -> Withdrawal:
    if referral.retracted:
        return Withdrawal.RETRACTED
    # Neither a case nor part of one: it was taken back because it was nobody for a programme.
    of_nobody = not referral.opened and referral.into is None
    return Withdrawal.NOT_ELIGIBLE if of_nobody else Withdrawal.WITHDRAWN


def _goes_on(referral: Referral) -> bool:
    """Whether a person's wish to be left alone still changes something."""
    if referral.standing == Standing.WITHDRAWN:
        return referral.retracted and referral.opened
    return referral.standing != Standing.CLOSED


def retract(cases: Cases, referral: Referral) -> None:
    """
    The source takes one referral back.

    A case that others have joined stands on for them until the last of them is taken back: closing it
    would drop a person for an incident that was not retracted. One that outreach has let stand is its own.
    """
    if referral.retracted or referral.standing in (Standing.WITHDRAWN, Standing.CLOSED):
        return
    if referral.standing == Standing.OPEN and cases.relying_on(referral.referral_id, Standing.JOINED):
        cases.keep(replace(referral, retracted=True))
        return
    withdraw(cases, referral, Withdrawal.RETRACTED)
    case = cases.get(referral.into)
    if case is None or case.standing != Standing.OPEN or not case.retracted or case.stands:
        return
    if not cases.relying_on(case.referral_id, Standing.JOINED):
        withdraw(cases, case, Withdrawal.RETRACTED)
