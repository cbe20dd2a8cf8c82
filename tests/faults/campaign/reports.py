"""What is reported of whom: every report of a seed, the physicians and supporters there are, and the forms they come in."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tests.faults.campaign.plan import Plan

NPI = "http://hl7.org/fhir/sid/us-npi"
SUPPORTERS = 120
CANARIES = ("Zyxqua", "Vombatyl", "+1 207 666")
"""A family name, a clinical word and the beginning of a telephone number; none may be seen outside of sealed parts."""
WEBHOOK, RECORD, FILE = "webhook", "record", "file"
FIRST_PROBE = 900_000

MATCH_PROMISE = timedelta(hours=24)


@dataclass(frozen=True)
class Report:
    """One incident as its system reports it. `people` are numbers of physicians."""

    number: int
    door: str
    people: tuple[int, ...]
    known: bool = True
    again: bool = False
    retracted_after: float | None = None
    withdrawn: bool = False
    due_in: float | None = None
    """Seconds from its making until the match is due, where that is soon."""

    @property
    def incident(self) -> str:
        """The source's own identifier."""
        return f"EV-{self.number}"


def report_of(plan: Plan, number: int) -> Report:
    """The n-th report of a seed. Physician n is of incident n; some incidents name one of an earlier incident too."""
    dice = plan.dice("report", number)
    door = door_of(plan, number)
    people = [number]
    earlier = dice.randrange(max(0, number - 30), number + 1)
    named = dice.random() < 0.08 and earlier != number and is_known(plan, earlier)
    if named and (door_of(plan, earlier) == FILE) == (door == FILE):
        people.append(earlier)
    return Report(
        number,
        door,
        tuple(people),
        known=is_known(plan, number),
        again=dice.random() < 0.02,
        retracted_after=dice.uniform(0.5, 30) if dice.random() < 0.02 and door == WEBHOOK else None,
        withdrawn=dice.random() < 0.01,
        due_in=dice.uniform(5, 60) if dice.random() < 0.4 and door != FILE else None,
    )


def is_known(plan: Plan, number: int) -> bool:
    """Whether the directory has the physician of the n-th report from the start."""
    return plan.dice("known", number).random() > 0.01


def probe_of(number: int) -> Report:
    """A report outside of the stream, whose way shows whether the system works."""
    return Report(FIRST_PROBE + number, WEBHOOK, (FIRST_PROBE + number,))


def door_of(plan: Plan, number: int) -> str:
    """Through which door the n-th report comes; it settles by which number its physician is known."""
    if number >= FIRST_PROBE:
        return WEBHOOK
    return plan.dice("door", number).choices([WEBHOOK, RECORD, FILE], [45, 45, 10])[0]


def body_of(report: Report, now: datetime, *, retracted: bool = False) -> bytes:
    """The report in Peerline's own format, with what must be dropped."""
    recorded = now - MATCH_PROMISE + timedelta(seconds=report.due_in) if report.due_in else now
    content = {
        "peerline": "incident-report/1",
        "incident_id": report.incident,
        "occurred_at": recorded.isoformat(),
        "recorded_at": recorded.isoformat(),
        "actuality": "actual",
        "severity": 4,
        "retracted": retracted,
        "participants": [
            {"identifier": {"system": NPI, "value": known_as(number, report)}, "involvement": "involved"}
            for number in report.people
        ],
        "narrative": f"{CANARIES[1]} was given to {CANARIES[0]}",
    }
    return json.dumps(content).encode()


def known_as(number: int, report: Report) -> str:
    """A physician's number in this report's system; one of their own that no directory has, where they are unknown."""
    unknown = not report.known and number == report.number
    return f"{'S' if report.door == FILE else ''}{2 if unknown else 1}{number:09}"


def name_of(number: int) -> str:
    """A physician's name, by which pages are told apart."""
    return f"Dr {CANARIES[0]} {number}"


def address_of(number: int) -> str:
    """A physician's e-mail address."""
    return f"p{number}@staff.example"


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], delimiter: str = ",") -> bytes:
    """A CSV file."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()


def directory(reports: Sequence[Report]) -> bytes:
    """The physicians of these reports, in each its own."""
    columns = ("name", "email", "phone", "identifier", "identifier_system", "role")
    rows = [
        (name_of(n), address_of(n), f"{CANARIES[2]} {n:04}", known_as(n, one), "shcp-staff" if one.door == FILE else "npi", "physician")
        for one in reports
        for n in (one.number,)
    ]  # fmt: skip
    return table(columns, rows)


def roster() -> bytes:
    """Supporters with room for everybody."""
    columns = ("supporter_id", "name", "email", "zone", "programme", "active", "trained_at", "capacity", "identifiers")
    rows = [
        (f"s{n}", f"Supporter {n}", f"s{n}@support.example", "America/New_York", "shcp", "yes", "2025-03-01", 999, f"npi|9{n:09}")
        for n in range(SUPPORTERS)
    ]  # fmt: skip
    return table(columns, rows)


def file_of(reports: Sequence[Report]) -> bytes:
    columns = (
        "Event No.", "Date of event", "Date entered", "Reached patient", "Harm category",
        "Void", "MRN", "Staff ID", "Staff role in event", "Entered by", "What happened",
    )  # fmt: skip
    now = datetime.now(ZoneInfo("America/New_York")).strftime("%m/%d/%Y %H:%M")
    rows = [
        (report.incident, now, now, "yes", "F", "", "MRN-1", known_as(number, report), "involved", "", CANARIES[1])
        for report in reports
        for number in report.people
    ]
    return table(columns, rows, ";")
