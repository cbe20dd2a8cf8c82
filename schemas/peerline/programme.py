"""
The programme model: what a peer-support programme promises and how it works, as data.

A programme is one YAML file. A service reads all files of a folder at start and stops with the name of
the field that is wrong. A sixth programme is a file, not a code change.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import Field, ValidationError, ValidationInfo, field_validator

from peerline.clocks import Calendar, Clock, check_days
from peerline.escalation import COORDINATOR, EscalationStep
from peerline.events.base import ProgrammeRef
from peerline.sections import LocalTime, Section, Wait, Zone, first_fault
from peerline.texts import Coordinator, CrisisLine, Resource, Texts


class ProgrammeError(Exception):
    """A programme file is wrong; the text names the file and the field."""


class Door(StrEnum):
    """How a referral may come in."""

    ADVERSE_EVENT = "adverse-event"
    SELF = "self"
    COLLEAGUE = "colleague"
    LEAD = "lead"
    COORDINATOR = "coordinator"
    SMS = "sms"
    PHONE = "phone"


class Disposition(StrEnum):
    """What happens with a referral for a reason: served, told where to turn, or an emergency."""

    IN_SCOPE = "in-scope"
    REDIRECT = "redirect"
    CRISIS = "crisis"


class Trigger(Section):
    """Which reported events lead to outreach: at least this gravity (0–5), really happened or near miss."""

    severity_at_least: Annotated[int, Field(ge=0, le=5)] = 0
    unknown_severity: bool = True
    actuality: frozenset[Literal["actual", "potential"]] = frozenset({"actual"})


class Hours(Section):
    """Local hours in which a person may be contacted; `from` equal to `to` means all day."""

    from_: Annotated[LocalTime, Field(alias="from")] = time(8)
    to: LocalTime = time(20)
    days: tuple[Annotated[int, Field(ge=1, le=7)], ...] = (1, 2, 3, 4, 5, 6, 7)


class Contact(Section):
    """The earliest moment of contact, and the hours of day in the recipient's zone."""

    after_occurrence: Wait = timedelta(0)
    after_report: Wait = timedelta(0)
    hours: Hours = Hours()
    silence: Annotated[Wait, Field(description="Days without a step before the supporter is reminded.")] = timedelta(
        days=5
    )


class Matching(Section):
    """Hard rules and preferences of a match."""

    approval: Literal["automatic", "coordinator"] = "automatic"
    different: Annotated[
        tuple[str, ...],
        Field(description="Attributes in which supporter and physician must differ; unknown never differs."),
    ] = ()
    same: Annotated[tuple[str, ...], Field(description="Attributes in which they must agree.")] = ()
    capacity: Annotated[int, Field(ge=1)] = 2
    answer_window: Annotated[timedelta, Field(description="Contact hours in which a supporter answers.")] = timedelta(
        hours=8
    )
    attempts: Annotated[int, Field(ge=1)] = 5
    cool_off: Wait = timedelta(0)


class Programme(Section):
    """One programme, whole."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    name: str
    organisation: str
    time_zone: Zone
    audience: Annotated[
        Mapping[str, frozenset[str]],
        Field(min_length=1, description="Directory attributes and the values that this programme serves."),
    ]
    doors: frozenset[Door]
    reasons: Mapping[str, Disposition] = {}
    trigger: Trigger = Trigger()
    first_contact: Literal["supporter", "programme"]
    contact: Contact = Contact()
    matching: Matching = Matching()
    clocks: tuple[Clock, ...]
    calendar: Annotated[
        Calendar | None, Field(validate_default=True, description="Days off; needed where a clock counts days.")
    ] = None
    coordinator: Coordinator
    deputy: Annotated[Coordinator | None, Field(validate_default=True)] = None
    director: Annotated[Coordinator | None, Field(validate_default=True)] = None
    crisis_lines: Annotated[tuple[CrisisLine, ...], Field(min_length=1)]
    resources: tuple[Resource, ...] = ()
    supporters_send_resources: Annotated[
        bool, Field(description="Supporters ask whether the person would like to be sent further help, and send it.")
    ] = False
    texts: Texts
    retention: Annotated[Wait, Field(description="After a case closed.")] = timedelta(days=35)
    digest: Annotated[str, Field(exclude=True)] = ""

    @field_validator("clocks")
    @classmethod
    def _each_kind_once(cls, clocks: tuple[Clock, ...]) -> tuple[Clock, ...]:
        kinds = [clock.kind for clock in clocks]
        if len(kinds) != len(set(kinds)):
            raise ValueError("a kind of clock stands twice")
        return clocks

    @field_validator("calendar")
    @classmethod
    def _there_where_days_count(cls, calendar: Calendar | None, info: ValidationInfo) -> Calendar | None:
        for clock in info.data.get("clocks", ()):
            check_days(clock.due, calendar, clock.kind)
        return calendar

    @field_validator("deputy", "director")
    @classmethod
    def _there_where_told(cls, contact: Coordinator | None, info: ValidationInfo) -> Coordinator | None:
        told = [
            clock.kind
            for clock in info.data.get("clocks", ())
            for step in clock.escalation
            if step.to == info.field_name
        ]
        if contact is None and told:
            raise ValueError(f"is missing, but {told[0]} is escalated to the {info.field_name}")
        return contact

    @property
    def ref(self) -> ProgrammeRef:
        """The programme as events name it."""
        return ProgrammeRef(id=self.id, digest=self.digest)

    @property
    def zone(self) -> ZoneInfo:
        """The programme's time zone."""
        return ZoneInfo(self.time_zone)

    def serves(self, attributes: Mapping[str, str]) -> bool:
        """Whether a person with these directory attributes belongs to the audience."""
        return all(attributes.get(name) in allowed for name, allowed in self.audience.items())

    def contact_of(self, role: str) -> Coordinator | None:
        """Who has this role in the programme, None where nobody has."""
        contacts: dict[str, Coordinator | None] = {
            COORDINATOR: self.coordinator,
            "deputy": self.deputy,
            "director": self.director,
        }
        return contacts.get(role)

    def escalation_of(self, clock: Clock) -> Iterator[EscalationStep]:
        """
        The steps of a clock that tell somebody who was not told before: the coordinator is, of every breach.

        A step to the coordinator by that name is a reminder, which a file may ask for.
        """
        told = {self.coordinator.email.casefold()}
        for step in clock.escalation:
            contact = self.contact_of(step.to)
            address = contact.email.casefold() if contact else ""
            if step.to == COORDINATOR or address not in told:
                yield step
            told.add(address)

    def clock(self, kind: str) -> Clock | None:
        """The programme's clock of a kind, if it has one."""
        return next((clock for clock in self.clocks if clock.kind == kind), None)


class Programmes(Mapping[str, Programme]):
    """The programmes of a folder by id, in the order of their file names."""

    def __init__(self, programmes: Mapping[str, Programme]) -> None:
        self._programmes = dict(programmes)

    def __getitem__(self, programme_id: str) -> Programme:
        return self._programmes[programme_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._programmes)

    def __len__(self) -> int:
        return len(self._programmes)

    def serving(self, organisation: str, attributes: Mapping[str, str], door: Door) -> Programme | None:
        """The first programme of an organisation with this door whose audience holds the person."""
        for programme in self.of(organisation):
            if door in programme.doors and programme.serves(attributes):
                return programme
        return None

    def of(self, organisation: str) -> list[Programme]:
        """The programmes of an organisation."""
        return [programme for programme in self.values() if programme.organisation == organisation]


def read_programmes(folder: Path) -> Programmes:
    """Every `*.yaml` of a folder; raises ProgrammeError naming file and field of the first that is wrong."""
    programmes: dict[str, Programme] = {}
    paths = sorted(folder.glob("*.yaml")) if folder.is_dir() else []
    if not paths:
        raise ProgrammeError(f"{folder}: no programme files")
    for path in paths:
        programme = read_programme(path)
        if programme.id in programmes:
            raise ProgrammeError(f"{path.name}: id: another file has the same")
        programmes[programme.id] = programme
    return Programmes(programmes)


def read_programme(path: Path) -> Programme:
    """One programme file; raises ProgrammeError naming file and field."""
    text = path.read_bytes()
    try:
        content: Any = yaml.safe_load(text)
        programme = Programme.model_validate(content)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ProgrammeError(f"{path.name}: line {mark.line + 1 if mark else '?'}: not YAML") from None
    except ValidationError as error:
        field, why = first_fault(error)
        raise ProgrammeError(f"{path.name}: {field or 'file'}: {why}") from None
    return programme.model_copy(update={"digest": _digest(content)})


def _digest(content: Any) -> str:
    """16 hexadecimal digits over the content, not the bytes: a comment changes no promise."""
    canonical = json.dumps(content, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
