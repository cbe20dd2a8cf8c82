"""
Whom to ask first: preferences met, then the fewest open cases, then an order drawn by the referral.

The draw is seeded by the referral, so it is the same whenever it is repeated for one case, and fair over
many. A pool is built once for many referrals: 1,000 supporters and 10,000 waiting are an ordinary burst.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date, datetime

from matcher.domain.eligibility import (
    FREE,
    Need,
    Seats,
    Supporter,
    passing_bar,
    preferences_met,
    standing_bar,
)
from matcher.domain.rules import Rules

MASK = (1 << 64) - 1
ODD = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: spreads neighbouring numbers over the whole range


class Pool:
    """The supporters of one programme with their seats, as of one moment (`now`)."""

    def __init__(self, supporters: Iterable[Supporter], seats: Mapping[str, Seats], *, now: datetime) -> None:
        self._supporters = {each.supporter_id: each for each in supporters}
        self._lots = {supporter_id: _lot(supporter_id.encode()) for supporter_id in self._supporters}
        self._seats = dict(seats)
        self._open: dict[int, dict[str, Supporter]] = {}
        self._now = now

    def choose(self, need: Need, rules: Rules, today: date) -> Supporter | None:
        """Return whom to ask on this local date, and count a seat of theirs as taken; None if there is nobody."""
        draw, best, chosen = _lot(need.referral_id.bytes), None, None
        for supporter_id, supporter in self._with_room(rules).items():
            met = -preferences_met(supporter, need) if need.preferences else 0
            rank = (met, self.seats(supporter_id).taken, ((self._lots[supporter_id] ^ draw) * ODD) & MASK)
            if best is not None and rank >= best:
                continue
            if supporter_id not in need.asked and standing_bar(supporter, need, rules, today) is None:
                best, chosen = rank, supporter
        if chosen is not None:
            self.take(chosen.supporter_id)
        return chosen

    def free(self, supporter_id: str, rules: Rules) -> Supporter | None:
        """The supporter, if they are in this pool and have a seat."""
        return self._with_room(rules).get(supporter_id)

    def take(self, supporter_id: str) -> None:
        """Count one more seat as taken."""
        seats = self.seats(supporter_id)
        self.note(supporter_id, Seats(seats.taken + 1, seats.resting_until))

    def seats(self, supporter_id: str) -> Seats:
        """The seats of a supporter."""
        return self._seats.get(supporter_id, FREE)

    def note(self, supporter_id: str, seats: Seats) -> None:
        """Correct what is known of a supporter's seats."""
        self._seats[supporter_id] = seats
        for capacity, room in self._open.items():
            if not self._has_room(supporter_id, capacity):
                room.pop(supporter_id, None)

    def next_change(self) -> datetime | None:
        """The next instant at which somebody's rest ends."""
        ends = [seats.resting_until for seats in self._seats.values() if seats.resting_until is not None]
        return min((end for end in ends if end > self._now), default=None)

    def next_trained(self, today: date) -> date | None:
        """The next local date after `today` on which somebody's training begins to count."""
        days = [each.trained_at for each in self._supporters.values() if each.active and each.trained_at is not None]
        return min((day for day in days if day > today), default=None)

    def _with_room(self, rules: Rules) -> dict[str, Supporter]:
        """Supporters with a seat, worked out once for each capacity that a version of the programme gives."""
        if rules.capacity not in self._open:
            self._open[rules.capacity] = {
                supporter_id: supporter
                for supporter_id, supporter in self._supporters.items()
                if self._has_room(supporter_id, rules.capacity)
            }
        return self._open[rules.capacity]

    def _has_room(self, supporter_id: str, capacity: int) -> bool:
        return passing_bar(self._supporters[supporter_id], self.seats(supporter_id), capacity, self._now) is None


def _lot(name: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big")
