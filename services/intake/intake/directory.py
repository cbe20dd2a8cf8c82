"""The directory of physicians: taking in what a file says of people, without ever forgetting a name of theirs."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from uuid import UUID

from chassis import UnitOfWork
from peerline.ids import Pseudonyms

from intake import keys
from intake.domain.people import EMAIL, NOBODY, PHONE, REFERENCE, TEAM, ContactData, Names, Person
from intake.readers.directory import DirectoryEntry
from intake.repository import incidents, people
from intake.repository.people import Bearer, PersonRow

SUPERVISOR_ATTRIBUTE = "supervisor"
TEAM_ATTRIBUTE = "team"


class SeveralPeople(Exception):
    """An entry bears identifiers of more than one known person; a person has to say who it is."""


@dataclass
class Loaded:
    """What a load has changed. `names` are those by which reports may have called the people it told of."""

    new: int = 0
    changed: int = 0
    names: Names = NOBODY
    refused: list[DirectoryEntry] = field(default_factory=list)
    """Entries whose identifiers belong to several known people."""


async def load(work: UnitOfWork, entries: Sequence[DirectoryEntry], source_ids: Sequence[str]) -> Loaded:
    """Take in entries whose references mean something to these sources; incidents of new people are marked."""
    await incidents.change_directory(work.connection)
    stated = [_stated(work.pseudonyms, entry, source_ids) for entry in entries]
    known = await people.bearers(work.connection, NOBODY.union(*(person.names for person, _ in stated)))
    loaded, rows, owners = Loaded(), dict[UUID, PersonRow](), dict[str, UUID]()
    digests = {b.person_id: b.digest for bearers in known.values() for b in bearers}
    for entry, (person, addresses) in zip(entries, stated, strict=True):
        try:
            person_id = _owner(work, person, addresses, known, owners)
        except SeveralPeople:
            loaded.refused.append(entry)
            continue
        owners |= dict.fromkeys(person.names - addresses, person_id)
        rows[person_id] = _joined(work, rows.get(person_id), person_id, person, addresses)
    fresh = [row for row in rows.values() if digests.get(row.person.person_id) != row.digest]
    loaded.new = sum(1 for row in fresh if row.person.person_id not in digests)
    loaded.changed = len(fresh) - loaded.new
    loaded.names = NOBODY.union(*(row.person.names for row in fresh))
    await people.save_people(work.connection, work.vault, fresh)
    await incidents.mark_for_review(work.connection, loaded.names)
    return loaded


async def add_person(work: UnitOfWork, person: Person, addresses: Names) -> None:
    """Enter somebody whom a coordinator has described."""
    added = replace(person, person_id=keys.person_key(work.ids, min(person.names - addresses or addresses)))
    await people.save_people(work.connection, work.vault, [_row(work, added, addresses)])


async def remember_person(work: UnitOfWork, person: Person) -> None:
    """Enter somebody again whom this database had lost with them; who is known stays as the directory says."""
    if not await people.people_known_as(work.connection, work.vault, (), [person.person_id]):
        addresses = addresses_of(work.pseudonyms, person.contact.email, person.contact.phone) & person.identified
        await people.save_people(work.connection, work.vault, [_row(work, person, addresses)])


def addresses_of(pseudonyms: Pseudonyms, email: str | None, phone: str | None) -> Names:
    """Names by addresses; several people may share one."""
    stated = [(EMAIL, email or ""), (PHONE, phone or "")]
    return frozenset(pseudonyms.of(system, value) for system, value in stated if value)


def _stated(pseudonyms: Pseudonyms, entry: DirectoryEntry, source_ids: Iterable[str]) -> tuple[Person, Names]:
    """An entry as a person without an id yet, and those of their names that are addresses."""
    addresses = addresses_of(pseudonyms, entry.email, entry.phone)
    identifiers = frozenset(pseudonyms.of(i.system, i.value) for i in entry.identifiers)
    pairs = [(source_id, reference) for source_id in source_ids for reference in entry.references]
    systems = [identifier.system for identifier in entry.identifiers]
    attributes = entry.attributes
    person = Person(
        person_id=UUID(int=0),
        identified=identifiers | addresses,
        references=frozenset(pseudonyms.of(REFERENCE + source_id, reference) for source_id, reference in pairs),
        attributes=attributes,
        contact=ContactData(
            entry.name, entry.email, entry.phone, attributes.get("time_zone"), attributes.get("language")
        ),
        supervisors=_others(pseudonyms, attributes.get(SUPERVISOR_ATTRIBUTE, ""), systems),
        teams=_others(pseudonyms, attributes.get(TEAM_ATTRIBUTE, ""), [*systems, TEAM]),
    )
    return person, addresses


def _others(pseudonyms: Pseudonyms, text: str, systems: Sequence[str]) -> Names:
    """
    Names of the people in a list such as `npi|1;npi|2`.

    An identifier without a system is tried in each system that the entry itself uses: to exclude one
    person too many costs less than one too few.
    """
    names: set[str] = set()
    for part in filter(None, (part.strip() for part in text.split(";"))):
        system, bar, value = part.rpartition("|")
        names |= {pseudonyms.of(each, value) for each in ([system] if bar else [*systems, ""])}
    return frozenset(names)


def _owner(
    work: UnitOfWork,
    person: Person,
    addresses: Names,
    known: dict[str, list[Bearer]],
    owners: dict[str, UUID],
) -> UUID:
    """The id of the person whom an entry means; raises SeveralPeople."""
    strong = person.names - addresses
    found = {owners[name] for name in strong if name in owners}
    found |= {b.person_id for name in strong for b in known.get(name, ()) if b.kind != "address"}
    if not found:
        # Somebody whom a coordinator entered by an address alone is taken over by their directory entry.
        at_address = {b.person_id for name in addresses for b in known.get(name, ()) if not b.has_identifier}
        found = at_address if len(at_address) == 1 and not at_address & set(owners.values()) else set()
    if len(found) > 1:
        raise SeveralPeople
    return found.pop() if found else keys.person_key(work.ids, min(strong))


def _joined(
    work: UnitOfWork, earlier: PersonRow | None, person_id: UUID, person: Person, addresses: Names
) -> PersonRow:
    """A person whom a file lists twice has the names of both entries, and what the later one says."""
    if earlier is None:
        return _row(work, replace(person, person_id=person_id), addresses)
    both = replace(
        person,
        person_id=person_id,
        identified=person.identified | earlier.person.identified,
        references=person.references | earlier.person.references,
    )
    return _row(work, both, addresses | earlier.addresses)


def _row(work: UnitOfWork, person: Person, addresses: Names) -> PersonRow:
    said = [asdict(person.contact), dict(person.attributes), sorted(person.names)]
    return PersonRow(person, addresses, keys.digest_of(work.ids, json.dumps(said, sort_keys=True)))
