"""What a coordinator had recorded about the clocks of a case: pauses, and that they were reckoned again."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sla_monitor.domain.pauses import Pause


class Recalculation(NamedTuple):
    """That due times were reckoned anew by what is in force: when, why (a code), and its number in the case's count."""

    at: datetime
    code: str
    sequence: int


@dataclass(frozen=True)
class KnownPause:
    """
    A pause as it was last recorded; `sequence` is the number of that record in the case's count of events.

    Of records with one `pause_id` the latest holds: it ends an open pause, or corrects a wrong one, which is withdrawn
    by ending where it began. `clock` is a kind, None for every clock of the case. Raises ValueError as Pause does.
    """

    pause_id: UUID
    sequence: int
    begins_at: datetime
    ends_at: datetime | None
    code: str
    clock: str | None = None

    def __post_init__(self) -> None:
        self.as_pause()

    def holds_for(self, kind: str) -> bool:
        """Whether clocks of this kind are paused by it."""
        return self.clock in (None, kind)

    def as_pause(self) -> Pause:
        """The same as the rules take it."""
        return Pause(self.begins_at, self.ends_at, (self.code,))


def pauses_of(known: Iterable[KnownPause], kind: str) -> tuple[Pause, ...]:
    """What pauses the clocks of a kind, in an order that does not depend on how it became known."""
    holding = sorted(
        (pause for pause in known if pause.holds_for(kind)), key=lambda pause: (pause.begins_at, pause.code)
    )
    return tuple(pause.as_pause() for pause in holding)
