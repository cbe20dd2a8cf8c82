"""Who may be asked for a referral: hard rules, each of which alone excludes a supporter."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from matcher.domain.rules import Rules

Attributes = Mapping[str, str]


class Bar(StrEnum):
    """Why a supporter may not be asked. Shown to nobody as such: a reason would tell about a person."""

    INACTIVE = "inactive"
    OTHER_PROGRAMME = "other-programme"
    UNTRAINED = "untrained"
    OVERLAP = "overlap"
    NOT_DIFFERENT = "not-different"
    NOT_SAME = "not-same"
    NO_SEAT = "no-seat"
    RESTING = "resting"


@dataclass(frozen=True, slots=True)
class Supporter:
    """A roster entry. `pseudonyms` are of every known identifier; `trained_at` None is not trained."""

    supporter_id: str
    programme: str
    active: bool
    trained_at: date | None
    capacity: int | None
    zone: str
    pseudonyms: frozenset[str]
    attributes: Attributes
    version: int = 1


@dataclass(frozen=True, slots=True)
class Seats:
    """How many seats of a supporter are taken, and until when they rest after a talk."""

    taken: int = 0
    resting_until: datetime | None = None


FREE = Seats()


@dataclass(frozen=True, slots=True)
class Need:
    """What a referral asks for. `people` are pseudonyms of the physician and of everybody excluded."""

    referral_id: UUID
    programme: str
    people: frozenset[str]
    attributes: Attributes
    preferences: Attributes
    asked: Collection[str] = ()


def standing_bar(supporter: Supporter, need: Need, rules: Rules, today: date) -> Bar | None:
    """
    The first rule that keeps this supporter from this referral at all, else None.

    These are the rules that a match must also keep to after it was made; seats and rest are not among
    them. `today` is the programme's local date.
    """
    return serving_bar(supporter, need.programme, today) or _pair_bar(supporter, need, rules)


def serving_bar(supporter: Supporter, programme: str, today: date) -> Bar | None:
    """What keeps the supporter from serving this programme at all."""
    if not supporter.active:
        return Bar.INACTIVE
    if supporter.programme != programme:
        return Bar.OTHER_PROGRAMME
    if supporter.trained_at is None or supporter.trained_at > today:
        return Bar.UNTRAINED
    return None


def _pair_bar(supporter: Supporter, need: Need, rules: Rules) -> Bar | None:
    """What keeps these two people apart."""
    if not need.people.isdisjoint(supporter.pseudonyms):
        return Bar.OVERLAP
    for name in rules.different:
        if not _differ(supporter.attributes.get(name), need.attributes.get(name)):
            return Bar.NOT_DIFFERENT
    for name in rules.same:
        if not _agree(supporter.attributes.get(name), need.attributes.get(name)):
            return Bar.NOT_SAME
    return None


def passing_bar(supporter: Supporter, seats: Seats, capacity: int, now: datetime) -> Bar | None:
    """
    What keeps the supporter from any referral for the time being: no seat free, or resting.

    `capacity` is the programme's, for a supporter who gave no number of their own.
    """
    if seats.taken >= (capacity if supporter.capacity is None else supporter.capacity):
        return Bar.NO_SEAT
    if seats.resting_until is not None and seats.resting_until > now:
        return Bar.RESTING
    return None


def preferences_met(supporter: Supporter, need: Need) -> int:
    """How many of the physician's preferences the supporter meets."""
    return sum(_agree(supporter.attributes.get(name), value) for name, value in need.preferences.items())


def _known(value: str | None) -> str | None:
    """A value without what does not count (case, blanks), or None where nothing was said."""
    return " ".join(value.casefold().split()) or None if value is not None else None


def _agree(one: str | None, other: str | None) -> bool:
    first = _known(one)
    return first is not None and first == _known(other)


def _differ(one: str | None, other: str | None) -> bool:
    """Unknown never differs: a wrong match would tell a colleague from the same place."""
    first, second = _known(one), _known(other)
    return first is not None and second is not None and first != second
