"""The invented people of the samples: physicians, a few who are none, and the supporters."""

from __future__ import annotations

import random
from dataclasses import dataclass

from peerline_local.demo.names import Name, invent

NPI = "http://hl7.org/fhir/sid/us-npi"
STAFF = "https://risk.example.org/staff"

HOSPITAL, COLLEGE = "shcp", "rcaps"
TRAINING = ("internal-medicine", "general-surgery", "paediatrics", "psychiatry", "emergency-medicine")
DEPARTMENTS = ("anaesthesia", "surgery", "obstetrics", "emergency", "medicine", "radiology")

_HOSPITAL_PHYSICIANS, _RESIDENTS = 60, 20
_HOSPITAL_SUPPORTERS, _COLLEGE_SUPPORTERS = 16, 9
_SUPPORTERS_FROM_THE_DIRECTORY = 2
_PATIENTS = 6


@dataclass(frozen=True)
class Person:
    """Somebody who works at one of the two organisations, under every identifier they have."""

    id: str
    """The FHIR id; opaque, and so what progress and findings may show."""
    name: Name
    organisation: str
    role: str
    rank: str
    department: str
    training_programme: str
    npi: str
    staff_number: str

    @property
    def reference(self) -> str:
        """The FHIR reference of the practitioner."""
        return f"Practitioner/{self.id}"

    @property
    def role_reference(self) -> str:
        """The FHIR reference of the practitioner's role."""
        return f"PractitionerRole/role-{self.id}"


@dataclass(frozen=True)
class Supporter:
    """A trained colleague on the roster of one programme."""

    person: Person
    programme: str

    @property
    def id(self) -> str:
        """The roster's own id."""
        return f"sup-{self.person.id}"


@dataclass(frozen=True)
class Population:
    """Everybody there is; `known` people are in the directory from the start, `late` ones come in afterwards."""

    physicians: tuple[Person, ...]
    nurses: tuple[Person, ...]
    late: Person
    locum: Person
    """Named in a report, and never in any directory."""
    supporters: tuple[Supporter, ...]
    patients: tuple[Name, ...]
    """Named in narratives only."""

    @property
    def known(self) -> tuple[Person, ...]:
        """Who is in the directory that is loaded first."""
        return self.physicians + self.nurses

    def of(self, organisation: str) -> list[Person]:
        """The physicians of an organisation, in the order of their ids."""
        return [person for person in self.physicians if person.organisation == organisation]

    @property
    def everyone(self) -> tuple[Person, ...]:
        """Every invented person once."""
        people = {p.id: p for p in (*self.known, self.late, self.locum, *(s.person for s in self.supporters))}
        return tuple(people.values())


def populate(rng: random.Random) -> Population:
    """80 physicians of two organisations, some who are no physicians, and 25 supporters."""
    names = invent(rng)

    def employ(prefix: str, count: int, organisation: str, role: str, rank: str) -> list[Person]:
        return [
            _person(rng, next(names), own_id=f"{prefix}-{n:03}", organisation=organisation, role=role, rank=rank)
            for n in range(1, count + 1)
        ]

    attendings = employ("dr", _HOSPITAL_PHYSICIANS, HOSPITAL, "physician", "attending")
    residents = employ("res", _RESIDENTS, COLLEGE, "physician", "resident")
    nurses = employ("rn", 3, HOSPITAL, "nurse", "staff")
    late, locum = employ("new", 2, HOSPITAL, "physician", "attending")
    # Two of the hospital's supporters are in its directory too: they may be involved themselves.
    colleagues = attendings[-_SUPPORTERS_FROM_THE_DIRECTORY:] + employ(
        "col", _HOSPITAL_SUPPORTERS - _SUPPORTERS_FROM_THE_DIRECTORY, HOSPITAL, "physician", "attending"
    )
    seniors = employ("sen", _COLLEGE_SUPPORTERS, COLLEGE, "physician", "senior-resident")
    supporters = [Supporter(p, HOSPITAL) for p in colleagues] + [Supporter(p, COLLEGE) for p in seniors]
    patients = tuple(next(names) for _ in range(_PATIENTS))
    return Population((*attendings, *residents), tuple(nurses), late, locum, tuple(supporters), patients)


def _person(rng: random.Random, name: Name, *, own_id: str, organisation: str, role: str, rank: str) -> Person:
    number = int(own_id.rpartition("-")[2])
    return Person(
        id=own_id,
        name=name,
        organisation=organisation,
        role=role,
        rank=rank,
        department=rng.choice(DEPARTMENTS),
        # In turn, not drawn: each training programme then has supporters in the others.
        training_programme=TRAINING[number % len(TRAINING)] if organisation == COLLEGE else "",
        npi=f"1{rng.randrange(10**8, 10**9)}",
        staff_number=f"S{rng.randrange(10**5, 10**6)}{own_id.upper()}",
    )
