"""
What the topics hold, put together: each event once, by referral, with its sealed parts opened.

A referral on a topic is opaque. The comparing side has the home's secrets, and so may open the desk's and
the notifier's compartments, which say which incident and which person a referral is about. No service is
asked, and nothing that is opened here is shown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from peerline.compartments import ContactProfile, Origin, SupporterContact
from peerline.events import REGISTRY, Audience, Event, WorklistChanged
from peerline.events.base import Part
from peerline.sealing import Opener, Unreadable
from pydantic import ValidationError

from peerline_local import keys
from peerline_local.demo.records import Record
from peerline_local.home import Home, read_json

E = TypeVar("E", bound=Event)
P = TypeVar("P", bound=Part)
_OPENED = (Audience.DESK, Audience.NOTIFIER)


class Ledger:
    """Events of the topics, added as they are read; a repeat of an event is noted and not counted twice."""

    def __init__(self, openers: dict[Audience, Opener]) -> None:
        self._openers = openers
        self._events: dict[UUID, Event] = {}
        self._referrals: dict[UUID, list[Event]] = defaultdict(list)
        self._old: frozenset[UUID] = frozenset()
        self._opened: dict[tuple[UUID, Audience], Part | None] = {}
        self.redelivered: list[str] = []
        """Events that stand on a topic more than once, byte by byte the same or not."""
        self.unreadable: list[str] = []
        """Records that are no event of ours, by their coordinates."""

    @classmethod
    def with_keys_of(cls, home: Home) -> Ledger:
        """A ledger that opens what was sealed under the keys of this home."""
        return cls({audience: Opener(read_json(_key_file(home, audience))) for audience in _OPENED})

    def add(self, records: Iterable[Record]) -> None:
        """Take in records, in the order of their partitions."""
        for record in records:
            model = REGISTRY.get((dict(record.headers).get("ce_type") or b"").decode("ascii", "replace"))
            try:
                event = model.read(record.value or b"") if model else None
            except ValidationError:
                event = None
            if event is None:
                self.unreadable.append(f"{record.topic}/{record.partition}/{record.offset}")
            elif event.event_id in self._events:
                self.redelivered.append(f"{event.name} {event.event_id}")
            else:
                self._events[event.event_id] = event
                if not isinstance(event, WorklistChanged):  # it may be about no referral
                    self._referrals[event.referral_id].append(event)

    def begin(self) -> None:
        """Take everything read so far for what an earlier run left."""
        self._old = frozenset(self._events)

    def is_old(self, event: Event) -> bool:
        """Whether an event was there before this run."""
        return event.event_id in self._old

    def __len__(self) -> int:
        return len(self._events)

    @property
    def referral_ids(self) -> list[UUID]:
        """Every referral that is named anywhere."""
        return list(self._referrals)

    def new(self, kind: type[E]) -> list[E]:
        """Every event of a type that this run has brought, in the order read."""
        return [event for event in self.all(kind) if not self.is_old(event)]

    def all(self, kind: type[E]) -> list[E]:
        """Every event of a type, in the order read."""
        return [event for event in self._events.values() if isinstance(event, kind)]

    def about(self, referral_id: UUID, kind: type[E]) -> list[E]:
        """A referral's events of a type, by the writer's counter."""
        found = (event for event in self._referrals.get(referral_id, []) if isinstance(event, kind))
        return sorted(found, key=lambda event: event.sequence)

    def origin(self, event: Event) -> Origin | None:
        """Where a referral came from; None where that cannot be opened."""
        return self._open(event, Audience.DESK, Origin)

    def person(self, event: Event) -> ContactProfile | None:
        """Whom a referral is for."""
        return self._open(event, Audience.NOTIFIER, ContactProfile)

    def supporter(self, event: Event) -> SupporterContact | None:
        """Who is to be asked."""
        return self._open(event, Audience.NOTIFIER, SupporterContact)

    def _open(self, event: Event, audience: Audience, model: type[P]) -> P | None:
        place = (event.event_id, audience)
        if place not in self._opened:
            self._opened[place] = self._opened_now(event, audience, model)
        content = self._opened[place]
        return content if isinstance(content, model) else None

    def _opened_now(self, event: Event, audience: Audience, model: type[P]) -> P | None:
        sealed = getattr(event.sealed, audience, None) if event.sealed else None
        if sealed is None:
            return None
        try:
            return self._openers[audience].open(sealed, model, referral_id=event.referral_id, event_type=event.name)
        except Unreadable:
            return None


def _key_file(home: Home, audience: Audience) -> Path:
    return keys.opening_keys(home, audience)
