"""An incident as Peerline knows it: who was involved and when, never what happened or to whom.

A report is one message about an incident; the record is what all its reports say together. The rules here
decide how a further report changes the record. They never remove a person: only a human does.
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

#: Two dates of one incident that lie this far apart are different dates, not one corrected by some hours.
ANOTHER_DATE = timedelta(days=1)

Actuality = Literal["actual", "potential"]
Version = Literal["R4", "R5", "peerline"]


class Involvement(StrEnum):
    """What a person named in a report had to do with the incident."""

    INVOLVED = "involved"
    """Is offered support."""
    AUTHOR = "author"
    """Wrote or signed the report; a person decides whether they were involved."""
    TEAM = "team"
    """A team or organisation; a person says who belongs to it."""
    INFORMANT = "informant"
    """Only reported it; is not contacted."""


_STRENGTH = {Involvement.INFORMANT: 0, Involvement.TEAM: 1, Involvement.AUTHOR: 2, Involvement.INVOLVED: 3}


@dataclass(frozen=True)
class Identifier:
    """A business identifier of a person; `system` is "" where the sender gave none."""

    system: str
    value: str


@dataclass(frozen=True)
class Contact:
    """Name and addresses given in a report, kept only from a source that is trusted for them."""

    name: str | None = None
    email: str | None = None
    phone: str | None = None


@dataclass(frozen=True)
class Participant:
    """Somebody named in a report, by what the directory can look up.

    Without identifiers and references it stands for somebody whom the report mentions but does not name.
    """

    identifiers: tuple[Identifier, ...]
    references: tuple[str, ...]
    involvement: Involvement
    contact: Contact | None = field(default=None, repr=False)

    @property
    def named(self) -> bool:
        """Whether the directory has anything to look this person up by."""
        return bool(self.identifiers or self.references)

    def is_same_as(self, other: "Participant") -> bool:
        """Whether both share an identifier or a reference."""
        if not (self.named or other.named):
            return self.involvement == other.involvement
        return bool({*self.identifiers, *self.references} & {*other.identifiers, *other.references})


@dataclass(frozen=True)
class IncidentReport:
    """One report of an incident.

    Times are aware and in UTC, `severity` is 0-5, and `dropped` holds paths of fields only.
    """

    incident_id: str
    occurred_at: datetime | None
    detected_at: datetime | None
    recorded_at: datetime | None
    actuality: Actuality
    severity: int | None
    retracted: bool
    participants: tuple[Participant, ...]
    reporter: Participant | None
    subject_digest: bytes | None = field(repr=False)
    dropped: tuple[str, ...]
    version: Version

    def people(self, *involvements: Involvement) -> tuple[Participant, ...]:
        """Return the participants of these kinds."""
        return tuple(p for p in self.participants if p.involvement in involvements)

    @property
    def involved(self) -> tuple[Participant, ...]:
        """Those to be offered support: involved, and named well enough to be looked up."""
        return tuple(p for p in self.people(Involvement.INVOLVED) if p.named)

    @property
    def to_decide(self) -> tuple[Participant, ...]:
        """Those a person has to judge: authors, teams, and people who are mentioned without being named."""
        unnamed = tuple(p for p in self.people(Involvement.INVOLVED) if not p.named)
        return self.people(Involvement.AUTHOR, Involvement.TEAM) + unnamed

    @property
    def names_nobody(self) -> bool:
        """Whether nobody can be contacted on this report alone; such an incident goes to a person."""
        return not self.involved


@dataclass(frozen=True)
class ReportKey:
    """What makes two reports be about one incident."""

    source_id: str
    incident_id: str


class Change(StrEnum):
    """What a further report of a known incident amounts to."""

    REPEAT = "repeat"
    CORRECTION = "correction"
    ANOTHER_SUBJECT = "another-subject"
    RETRACTION = "retraction"
    CONFLICT = "conflict"


@dataclass(frozen=True)
class Update:
    """The record after a further report.

    `added` are people newly offered support or newly to be judged (late-added participants, or known ones who
    turn out to be involved). `missing` are people whom a correction no longer names: they stay, and a person
    decides.
    """

    change: Change
    report: IncidentReport
    added: tuple[Participant, ...] = ()
    missing: tuple[Participant, ...] = ()


def key_of(report: IncidentReport, source_id: str) -> ReportKey:
    """Return the key under which all reports of this incident by this source meet."""
    return ReportKey(source_id, report.incident_id)


def subject_digest(key: bytes, subject: str) -> bytes | None:
    """Return a keyed digest (32 bytes) by which one subject is recognised again and never named.

    None without a key: record numbers are few, so a plain hash of one could be looked up.
    """
    return hmac.digest(key, subject.encode("utf-8", "surrogatepass"), hashlib.sha256) if key else None


def received_at(report: IncidentReport, arrived_at: datetime) -> datetime:
    """Return when the report counts as received: when it was recorded, unless that lies after its arrival."""
    if report.recorded_at is None or report.recorded_at > arrived_at:
        return arrived_at
    return report.recorded_at


def reported_after(report: IncidentReport, received_at: datetime) -> timedelta | None:
    """
    Return how long after it happened an incident was reported; None where the source does not say, or cannot be right.

    A day without a time counts from its first moment, a month without a day from its last.
    """
    if report.occurred_at is None or report.occurred_at > received_at:
        return None
    return received_at - report.occurred_at


def is_too_old(report: IncidentReport, arrived_at: datetime, age_limit: timedelta) -> bool:
    """Whether the incident happened longer before its arrival than the source's age limit allows."""
    happened = report.occurred_at or report.detected_at or report.recorded_at
    return happened is not None and arrived_at - happened > age_limit


def merge_people(people: Iterable[Participant]) -> tuple[Participant, ...]:
    """Return each person once, with everything known of them and the strongest involvement."""
    groups: list[list[Participant]] = []
    place_of: dict[object, int] = {}
    for person in people:
        places = sorted({place_of[token] for token in _tokens(person) if token in place_of})
        # One person may turn out to be several earlier entries: the new one shares something with each.
        group = [known for place in places for known in groups[place]] + [person]
        for place in places:
            groups[place] = []
        place = places[0] if places else len(groups)
        groups[place : place + 1] = [group]
        moved = group if len(places) > 1 else [person]
        place_of.update((token, place) for known in moved for token in _tokens(known))
    return tuple(_joined(group) for group in groups if group)


def _tokens(person: Participant) -> tuple[object, ...]:
    """Return what a person is known by; those who are not named are told apart by their involvement only."""
    return (*person.identifiers, *person.references) or (person.involvement,)


def union(previous: IncidentReport, new: IncidentReport) -> Update:
    """Return what the record becomes when `new` arrives under the key of `previous`.

    A retraction keeps the people, since somebody may already have been contacted. A report that follows a
    retraction, or that has both another date and entirely other people (the source reused an identifier), is
    a conflict: the record stays as it is and a person decides.
    """
    if replace(new, dropped=previous.dropped) == previous:
        return Update(Change.REPEAT, previous)
    if new.retracted:
        change = Change.REPEAT if previous.retracted else Change.RETRACTION
        return Update(change, replace(previous, retracted=True))
    if previous.retracted or _is_another_incident(previous, new):
        return Update(Change.CONFLICT, previous)

    merged = replace(
        _latest(previous, new),
        participants=merge_people([*previous.participants, *new.participants]),
    )
    added = _added(previous, merged)
    if _has_another_subject(previous, new):
        return Update(Change.ANOTHER_SUBJECT, _gravest(previous, merged), added)
    missing = tuple(p for p in previous.participants if not _knows(new, p))
    return Update(Change.CORRECTION, merged, added, missing)


def _joined(same: list[Participant]) -> Participant:
    return Participant(
        identifiers=tuple(dict.fromkeys(i for p in same for i in p.identifiers)),
        references=tuple(dict.fromkeys(r for p in same for r in p.references)),
        involvement=max((p.involvement for p in same), key=_STRENGTH.__getitem__),
        contact=next((p.contact for p in reversed(same) if p.contact), None),
    )


def _knows(report: IncidentReport, person: Participant) -> bool:
    return any(person.is_same_as(known) for known in report.participants)


def _added(previous: IncidentReport, merged: IncidentReport) -> tuple[Participant, ...]:
    """People of the merged record who now need something that they did not need before."""

    def needed_before(person: Participant) -> bool:
        earlier = [p.involvement for p in previous.participants if p.is_same_as(person)]
        return any(_STRENGTH[kind] >= _STRENGTH[person.involvement] for kind in earlier)

    asked = (p for p in merged.participants if p.involvement != Involvement.INFORMANT)
    return tuple(p for p in asked if not needed_before(p))


def _is_another_incident(previous: IncidentReport, new: IncidentReport) -> bool:
    before, after = previous.involved, new.involved
    if previous.occurred_at is None or new.occurred_at is None or not before or not after:
        return False
    another_date = abs(previous.occurred_at - new.occurred_at) >= ANOTHER_DATE
    return another_date and not any(a.is_same_as(b) for a in before for b in after)


def _has_another_subject(previous: IncidentReport, new: IncidentReport) -> bool:
    digests = {previous.subject_digest, new.subject_digest}
    return None not in digests and len(digests) > 1


def _latest(previous: IncidentReport, new: IncidentReport) -> IncidentReport:
    """Return the newer report's statements, the earlier ones where it is silent; the first subject stays."""
    return replace(
        new,
        occurred_at=new.occurred_at or previous.occurred_at,
        detected_at=new.detected_at or previous.detected_at,
        recorded_at=new.recorded_at or previous.recorded_at,
        severity=previous.severity if new.severity is None else new.severity,
        reporter=new.reporter or previous.reporter,
        subject_digest=previous.subject_digest or new.subject_digest,
        dropped=tuple(sorted({*previous.dropped, *new.dropped})),
    )


def _gravest(previous: IncidentReport, merged: IncidentReport) -> IncidentReport:
    """Return the record of one incident seen from two patients: what was worst for either holds."""
    grades = [grade for grade in (previous.severity, merged.severity) if grade is not None]
    actual = "actual" in (previous.actuality, merged.actuality)
    return replace(
        merged,
        occurred_at=previous.occurred_at or merged.occurred_at,
        severity=max(grades, default=None),
        actuality="actual" if actual else "potential",
    )
