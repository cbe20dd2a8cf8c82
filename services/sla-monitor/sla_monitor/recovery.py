"""After a restore: what the deadlines topic says that this database has lost."""

from chassis import Recovery, UnitOfWork
from peerline.events import DeadlineApproaching, DeadlineBreached, DeadlineEvent, DeadlineMet, DeadlineSet, Event

from sla_monitor import repository
from sla_monitor.domain.recall import Said, Told, recalled

TOLD: dict[type[Event], Told] = {
    DeadlineSet: Told.SET,
    DeadlineApproaching: Told.APPROACHING,
    DeadlineMet: Told.MET,
    DeadlineBreached: Told.BREACHED,
}


async def recall(event: Event, work: UnitOfWork) -> None:
    """Know again what was decided about a clock, so that it is corrected and not contradicted."""
    assert isinstance(event, DeadlineEvent)
    corrects = isinstance(event, DeadlineMet) and event.corrects is not None
    told = Told.CORRECTED if corrects else TOLD[type(event)]
    case = (await repository.open_cases(work.connection, {event.referral_id}))[event.referral_id]
    case = recalled(case, Said(told, event.sequence, event.clock, event.due_at))
    await repository.save(work.connection, [case])


RECOVERY = Recovery(recall)
