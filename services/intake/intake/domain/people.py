"""People by their pseudonyms: whom the directory knows, and who must not be asked to support whom.

A name here is a keyed pseudonym of an identifier, of a source's own reference, or of an address. Rules compare
names and never see what they stand for.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from intake.domain.incident import Participant

Names = frozenset[str]
NOBODY: Names = frozenset()
REFERENCE = "urn:peerline:reference:"
EMAIL = "email"
PHONE = "phone"
TEAM = "urn:peerline:team"


@dataclass(frozen=True)
class ContactData:
    """How somebody is called and can be reached."""

    name: str
    email: str | None = None
    phone: str | None = None
    zone: str | None = None
    language: str | None = None


@dataclass(frozen=True)
class Person:
    """Somebody whom the directory knows. `identified` are names that other services can derive as well."""

    person_id: UUID
    identified: Names
    references: Names
    attributes: Mapping[str, str]
    contact: ContactData = field(repr=False)
    supervisors: Names = NOBODY
    teams: Names = NOBODY

    @property
    def names(self) -> Names:
        """Everything that this person is known as."""
        return self.identified | self.references


class Naming:
    """Turns what a report says of a person into names."""

    def __init__(self, pseudonym: Callable[[str, str], str]) -> None:
        self._pseudonym = pseudonym

    def identified(self, participant: Participant) -> Names:
        """Names by business identifiers."""
        return frozenset(self._pseudonym(i.system, i.value) for i in participant.identifiers)

    def references(self, references: Iterable[str], source_id: str) -> Names:
        """Names by references that mean something within one source only."""
        return frozenset(self._pseudonym(REFERENCE + source_id, reference) for reference in references)

    def of(self, participant: Participant, source_id: str) -> Names:
        """Everything that a report of this source calls a person."""
        return self.identified(participant) | self.references(participant.references, source_id)


class Directory:
    """The people who matter to the decisions at hand."""

    def __init__(self, people: Iterable[Person] = ()) -> None:
        self._people = {person.person_id: person for person in people}
        self._by_name: dict[str, set[UUID]] = {}
        self._by_team: dict[str, set[UUID]] = {}
        for person in self._people.values():
            for name in person.names:
                self._by_name.setdefault(name, set()).add(person.person_id)
            for team in person.teams:
                self._by_team.setdefault(team, set()).add(person.person_id)

    def get(self, person_id: UUID | None) -> Person | None:
        """The person with this id."""
        return self._people.get(person_id) if person_id else None

    def known_as(self, names: Names) -> list[Person]:
        """Those who bear any of these names; more than one where a report confuses people."""
        found = {person_id for name in names for person_id in self._by_name.get(name, ())}
        return [self._people[person_id] for person_id in sorted(found)]

    def one_known_as(self, names: Names) -> Person | None:
        """The one person meant by these names; None if nobody is, or if it could be several."""
        found = self.known_as(names)
        return found[0] if len(found) == 1 else None

    def identified(self, names: Names) -> Names:
        """Every identified name of those who bear any of these names."""
        return NOBODY.union(*(person.identified for person in self.known_as(names)))

    def close_to(self, person: Person) -> Names:
        """Names of a person's supervisors and team, as far as the directory says."""
        mates = {mate for team in person.teams for mate in self._by_team.get(team, ())}
        together = NOBODY.union(*(self._people[mate].identified for mate in mates))
        stated = person.supervisors | person.teams
        return (stated | self.identified(stated) | together) - person.identified
