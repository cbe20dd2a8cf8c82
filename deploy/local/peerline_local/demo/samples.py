"""
The samples: everything that is handed in, and what must come of it.

Invented, and made from a seed: the same seed and the same `now` give the same bytes. Incidents lie in the
hours before `now`, since sources do not take old ones; the files in `deploy/samples` are of a fixed `now`
and are for reading.

    python -m peerline_local.demo.samples deploy/samples
"""

from __future__ import annotations

import csv
import io
import random
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from peerline_local.demo import feed_records, fhir, quality_file, webhooks
from peerline_local.demo.names import PHRASES
from peerline_local.demo.people import Person, Population, Supporter, populate
from peerline_local.demo.requests import Request, requests
from peerline_local.demo.scenes import Cast, Delivery, Offer, Scene, Spared, Stage, Way

SEED = 2018
SHOWN_AT = datetime(2026, 6, 9, 12, 0, tzinfo=UTC)
"""The `now` of the files in `deploy/samples`."""

_SCENES = (*webhooks.SCENES, *feed_records.SCENES, *quality_file.SCENES)
_TOO_LARGE_FOR_A_FOLDER = 1024 * 1024

_DIRECTORY_COLUMNS = (
    *("name", "email", "phone", "identifier", "identifier_system", "reference"),
    *("role", "rank", "training_programme", "hospital"),
)
_ROSTER_COLUMNS = (
    *("supporter_id", "name", "email", "phone", "zone", "programme", "active", "trained_at", "capacity"),
    *("identifiers", "attr_department", "attr_training_programme"),
)
_ZONES = {"shcp": "America/New_York", "rcaps": "America/Toronto"}


@dataclass(frozen=True)
class Samples:
    """One seeded set of samples."""

    people: Population
    scenes: tuple[Scene, ...]
    requests: tuple[Request, ...]

    @property
    def incidents(self) -> tuple[str, ...]:
        """The sources' ids of all incidents."""
        return tuple(incident for scene in self.scenes for incident in scene.incidents)

    @property
    def offers(self) -> tuple[Offer, ...]:
        """Everybody who must be offered a talk, once for each incident or request."""
        requested = tuple(request.offer for request in self.requests)
        return tuple(offer for scene in self.scenes for offer in scene.offers) + requested

    @property
    def spared(self) -> tuple[Spared, ...]:
        """Everybody who is named and must be left alone."""
        return tuple(one for scene in self.scenes for one in scene.spared)

    @property
    def strangers(self) -> int:
        """How many people no directory will ever know."""
        return sum(scene.strangers for scene in self.scenes)

    def deliveries(self, way: Way, stage: Stage = Stage.FIRST) -> list[Delivery]:
        """What is handed in by one way, in order."""
        everything = (delivery for scene in self.scenes for delivery in scene.deliveries)
        return [delivery for delivery in everything if delivery.way == way and delivery.stage == stage]

    @property
    def must_be_quarantined(self) -> int:
        """How many records must end in quarantine."""
        return sum(delivery.quarantined for delivery in self.deliveries(Way.KAFKA))

    def hospital_directory(self) -> bytes:
        """The hospital's people as a FHIR Bundle; all of them, nurses too."""
        people = [person for person in self.people.known if person.organisation == "shcp"]
        return fhir.body(fhir.bundle("collection", *_resources(people)))

    def late_directory(self) -> bytes:
        """One physician who was forgotten."""
        return fhir.body(fhir.bundle("collection", *_resources([self.people.late])))

    def college_directory(self) -> bytes:
        """The residents as CSV."""
        return _csv(_DIRECTORY_COLUMNS, (_directory_row(person) for person in self.people.of("rcaps")))

    def roster(self) -> bytes:
        """All supporters as CSV."""
        return _csv(_ROSTER_COLUMNS, map(_roster_row, self.people.supporters))

    def files(self) -> dict[str, bytes]:
        """Every file by its name."""
        everything = (delivery for scene in self.scenes for delivery in scene.deliveries)
        return {
            "directory-shcp.json": self.hospital_directory(),
            "directory-shcp-late.json": self.late_directory(),
            "directory-rcaps.csv": self.college_directory(),
            "roster.csv": self.roster(),
            **{delivery.name: delivery.body for delivery in everything},
        }

    def canaries(self) -> frozenset[str]:
        """
        Every invented name, address, number and phrase: texts that may stand in no log, header or metric.

        A phone number counts with and without blanks and country code.
        """
        names = [person.name for person in self.people.everyone] + list(self.people.patients)
        return frozenset({*PHRASES, *(trace for name in names for trace in name.traces())})


def make_samples(now: datetime, seed: int = SEED) -> Samples:
    """The samples of a seed, with incidents in the hours before `now` (aware)."""
    rng = random.Random(seed)  # noqa: S311  invented people, no secrets; the same for the same seed
    now = now.replace(microsecond=0)
    people = populate(rng)
    cast = Cast(rng, now, people)
    scenes = tuple(scene(cast) for scene in _SCENES)
    return Samples(people, scenes, requests(rng, now, people))


def write(samples: Samples, folder: Path) -> list[Path]:
    """Write every file but the one that is too large to be kept; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in samples.files().items():
        if len(content) <= _TOO_LARGE_FOR_A_FOLDER:
            (folder / name).write_bytes(content)
            written.append(folder / name)
    return written


def _resources(people: Iterable[Person]) -> list[fhir.Resource]:
    return [resource(person) for person in people for resource in (fhir.practitioner, fhir.practitioner_role)]


def _directory_row(person: Person) -> tuple[str, ...]:
    return (
        *(person.name.full, person.name.email, person.name.phone, person.npi, "npi", person.reference),
        *(person.role, person.rank, person.training_programme, person.department),
    )


def _roster_row(supporter: Supporter) -> tuple[str, ...]:
    person = supporter.person
    identifiers = f"npi|{person.npi};shcp-staff|{person.staff_number}"
    return (
        *(supporter.id, person.name.full, person.name.email, person.name.phone, _ZONES[supporter.programme]),
        *(supporter.programme, "yes", "2025-03-01", "", identifiers),
        *(person.department, person.training_programme),
    )


def _csv(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return text.getvalue().encode()


if __name__ == "__main__":
    for path in write(make_samples(SHOWN_AT), Path(sys.argv[1])):
        print(path)
