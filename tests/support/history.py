"""A month of a programme, made up: requests that were received in it, and what became of their clocks."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from peerline.events import Event, ReferralForgotten

from tests.support.promises import created, logged, matched, told

HOUR = timedelta(hours=1)
IN_TIME, TOO_LATE = 5 * HOUR, 30 * HOUR
"""From the start of a clock that is due after a day."""

WITHIN = (72, 168, None, 72, 336, None)
"""Classes of hours within which what requests are about was reported."""


@dataclass
class History:
    """
    Requests of one month, what was known of them before their clocks ran, and what was learnt only afterwards.

    Every request is `apart` from the one before, and entered some minutes later than it was received, or at
    `entered_at`. Of each third nobody says within which class of hours it was reported. `parts`
    counts them by what became of them.
    """

    first: datetime
    apart: timedelta = 3 * HOUR
    entered_at: datetime | None = None
    requests: list[Event] = field(default_factory=list)
    known: list[Event] = field(default_factory=list)
    learnt: list[Event] = field(default_factory=list)
    parts: Counter[str] = field(default_factory=Counter)

    def kept(self, number: int) -> "History":
        """Matched and contacted in time; the physician answers within the day, every third after it."""
        for referral_id, at in self._received("kept", number):
            minutes = timedelta(minutes=len(self.requests))
            reached = at + IN_TIME + 2 * minutes
            response = TOO_LATE if len(self.requests) % 3 == 0 else IN_TIME
            self.known += [
                matched(referral_id, at + HOUR + minutes),
                logged(referral_id, "contact-attempted", reached, 1),
                logged(referral_id, "contact-made", reached + response, 1),
            ]
        return self

    def missed(self, number: int) -> "History":
        """Matched after the due time, and never contacted."""
        for referral_id, at in self._received("missed", number):
            self.learnt.append(matched(referral_id, at + TOO_LATE + timedelta(minutes=len(self.requests))))
        return self

    def refuted(self, number: int) -> "History":
        """Matched and contacted in time, which is known only after both were told as breached."""
        for referral_id, at in self._received("refuted", number):
            self.learnt.append(matched(referral_id, at + HOUR))
            self.learnt.append(logged(referral_id, "contact-attempted", at + IN_TIME, 1))
        return self

    def forgetting(self) -> list[Event]:
        """The end of every second case."""
        return [told(ReferralForgotten, event.referral_id, event.occurred_at) for event in self.requests[::2]]

    def _received(self, part: str, number: int) -> Iterator[tuple[UUID, datetime]]:
        self.parts[part] += number
        for _ in range(number):
            place = len(self.requests)
            referral_id, at = uuid4(), self.first + place * self.apart
            entered_at = self.entered_at or at + timedelta(minutes=place % 20, seconds=30)
            self.requests.append(created(referral_id, at, entered_at, WITHIN[place % len(WITHIN)]))
            yield referral_id, at
