"""The quality department's file: its own column names, local times, NCC MERP letters, a row per person."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from zoneinfo import ZoneInfo

from peerline_local.demo.fhir import Facts
from peerline_local.demo.people import Person
from peerline_local.demo.scenes import QUALITY, Cast, Delivery, Offer, Scene, Spared, Way, offers

_ZONE = ZoneInfo("America/New_York")
COLUMNS = (
    "Event No.",
    "Date of event",
    "Date entered",
    "Reached patient",
    "Harm category",
    "Void",
    "MRN",
    "Staff ID",
    "Staff role in event",
    "Entered by",
    "Patient name",
    "What happened",
)
Row = tuple[str, ...]


def monthly_file(cast: Cast) -> Scene:
    """Six incidents in one file, which is handed in twice; one row stands twice, one incident is a near miss."""
    rows: list[Row] = []
    expected: list[Offer] = []
    grave = [cast.facts(prefix="Q") for _ in range(5)]
    for facts, letter, count in zip(grave, "FGEID", (2, 1, 3, 1, 1), strict=True):
        people = [cast.physician() for _ in range(count)]
        rows += [row(facts, letter, person) for person in people]
        expected += offers(facts, people, QUALITY)
    rows.append(rows[0])
    rows.append(row(grave[1], "G", reviewer := cast.physician(), role="reported only"))
    near, one = cast.facts(prefix="Q", happened=False), cast.physician()
    rows.append(row(near, "B", one))
    file = Delivery("quality-file.csv", Way.IMPORT, as_csv(rows), source=QUALITY)
    spared = (Spared(one, near.id, not_eligible=True), Spared(reviewer, grave[1].id))
    return Scene((*(facts.id for facts in grave), near.id), (file, file), tuple(expected), spared)


def row(facts: Facts, letter: str, person: Person, role: str = "involved") -> Row:
    """One person of one incident; the last two columns are more than Peerline asks for."""
    return (
        facts.id,
        _local(facts.occurred_at),
        _local(facts.recorded_at),
        "yes" if facts.happened else "no",
        letter,
        "",
        f"MRN-{facts.id[-3:]}",
        person.staff_number,
        role,
        "S100001",
        facts.patient,
        facts.story,
    )


def as_csv(rows: list[Row]) -> bytes:
    """The file as it is handed in: semicolons, as the department's program writes it."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerows([COLUMNS, *rows])
    return text.getvalue().encode()


def _local(time: datetime) -> str:
    return time.astimezone(_ZONE).strftime("%m/%d/%Y %H:%M")


SCENES = (monthly_file,)
