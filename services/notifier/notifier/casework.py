"""Cases under their row locks: facts are folded in, and what is decided is written with them."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chassis import Refused, UnitOfWork
from chassis.log import logger
from peerline.compartments import StepDetail
from peerline.events import (
    Audience,
    Event,
    OutreachLogged,
    ProgrammeRef,
    Sealed,
)
from peerline.events.outreach import PUBLIC_STEPS, Phase
from peerline.programme import Programme

from notifier.domain import timing
from notifier.domain.decisions import Decision, Log, Moot, Open, Plan, Resolve
from notifier.domain.facts import Fact, Message, Recipient
from notifier.domain.fold import fold
from notifier.domain.hours import ContactHours, earliest_contact
from notifier.domain.state import Case
from notifier.repository import cases as stored
from notifier.repository import sends
from notifier.repository.cases import CaseRow
from notifier.wakeups import SENDING, WATCHING

log = logger("notifier")


class Cases:
    """Some cases, locked until the unit of work ends. After the last fact, `settle` writes them."""

    def __init__(self, work: UnitOfWork, rows: dict[UUID, CaseRow]) -> None:
        self._work = work
        self.rows = rows
        self._decided: list[tuple[CaseRow, Decision]] = []

    @classmethod
    async def of_events(cls, work: UnitOfWork, events: Sequence[Event], further: Sequence[UUID] = ()) -> "Cases":
        """Lock the cases of these events, and `further` ones of the same programmes; raises Refused."""
        for event in events:
            if event.programme.id not in work.programmes:
                raise Refused(event.event_id, "unknown-programme")
        begun = {event.referral_id: _begun(work, event, event.referral_id) for event in events}
        for event, other in zip(events, further, strict=False):
            begun.setdefault(other, _begun(work, event, other))
        return cls(work, await stored.lock(work.connection, list(begun.values())))

    @classmethod
    async def known(cls, work: UnitOfWork, referral_ids: Sequence[UUID]) -> "Cases":
        """Lock those of these cases that are there."""
        return cls(work, await stored.lock_known(work.connection, referral_ids))

    @classmethod
    async def due(cls, work: UnitOfWork, until: datetime, limit: int) -> "Cases":
        """Lock cases that time had come to by `until`."""
        return cls(work, await stored.lock_due(work.connection, until, limit))

    def take(self, referral_id: UUID, fact: Fact) -> Case:
        """Fold a fact into a case; gives the case as it is then."""
        row = self.rows[referral_id]
        row.case, decisions = fold(row.case, fact)
        self._decided += [(row, decision) for decision in decisions]
        return row.case

    def take_due(self, referral_id: UUID, until: datetime) -> None:
        """Fold in what time has brought to a case by `until`."""
        row = self.rows[referral_id]
        for fact in timing.due_facts(row.case, _waits(self._programme(row)), self._hours_of(row), until):
            self.take(referral_id, fact)

    async def settle(self) -> None:
        """Write the cases, their plans, items and events. A pause that is over is over with the commit."""
        for row in self.rows.values():
            row.look_at = timing.next_look(row.case, _waits(self._programme(row)), self._hours_of(row))
        events = [self._event(row, decision) for row, decision in self._decided if isinstance(decision, Log)]
        await stored.save(self._work.connection, self.rows.values())
        await sends.plan(
            self._work.connection, [self._planned(row, plan) for row, plan in self._decided if isinstance(plan, Plan)]
        )
        dropped = await sends.drop_unwanted(self._work.connection, list(self.rows))
        # A case that failed has been decided now, and a message that could not be written is wanted no more.
        await self._work.resolve_items("stuck", subjects=[str(each) for each in (*self.rows, *dropped)])
        for row, decision in self._decided:
            await self._list(row, decision)
        for row, event in events:
            self._work.publish(event, traceparent=row.traceparent)
        self._work.wake(SENDING)
        self._work.wake_by(min((row.look_at for row in self.rows.values() if row.look_at), default=None), WATCHING)

    async def _list(self, row: CaseRow, decision: Decision) -> None:
        subject = str(row.referral_id)
        if isinstance(decision, Open):
            await self._work.open_item(
                decision.kind,
                subject=decision.subject or subject,
                referral_id=row.referral_id,
                programme=row.programme,
                reason=decision.reason,
                urgent=decision.urgent,
            )
        elif isinstance(decision, Log) and decision.step == "closed":  # what could not be read is wanted no more
            await self._work.resolve_items_about("unreadable", row.referral_id)
        elif isinstance(decision, Resolve):
            await self._work.resolve_item(decision.kind, subject=subject)
        elif isinstance(decision, Moot):
            doubtful = await sends.in_doubt(self._work.connection, row.referral_id, decision.message, decision.attempt)
            for send_id in doubtful:
                for kind in ("delivery-unknown", "delivery-failed"):
                    await self._work.resolve_item(kind, subject=str(send_id), resolution="answered")

    def _event(self, row: CaseRow, decided: Log) -> tuple[CaseRow, OutreachLogged]:
        row.sequence += 1
        log.info("step_logged", referral_id=str(row.referral_id), attempt=decided.attempt, phase=decided.phase)
        match = row.matches.get(decided.attempt) if decided.attempt else None
        event = OutreachLogged(
            event_id=self._work.ids.event(OutreachLogged.name, row.referral_id, row.sequence),
            referral_id=row.referral_id,
            programme=ProgrammeRef(id=row.programme, digest=row.programme_digest),
            sequence=row.sequence,
            occurred_at=self._work.now,
            sealed=self._sealed(row, decided),
            phase=Phase(decided.phase),
            step=decided.step if decided.step in PUBLIC_STEPS else None,
            match_id=match.match_id if match else None,
            attempt=decided.attempt if match else None,
            into=decided.into,
        )
        return row, event

    def _sealed(self, row: CaseRow, decided: Log) -> Sealed | None:
        """What is not public about a step: all of it, or the codes that go with it."""
        if decided.step in PUBLIC_STEPS and not decided.codes:
            return None
        detail = StepDetail(step=decided.step, codes={name: str(value) for name, value in decided.codes})

        def seal(audience: Audience) -> str:
            return self._work.seal(audience, detail, OutreachLogged, row.referral_id)

        # For ourselves too: a database that was set back has to know its own steps again.
        desk, notifier = seal(Audience.DESK), seal(Audience.NOTIFIER)
        return Sealed(desk=desk, notifier=notifier, matcher=seal(Audience.MATCHER) if decided.to_matcher else None)

    def _planned(self, row: CaseRow, plan: Plan) -> sends.Planned:
        due_at, window_ends = due(self._programme(row), row, plan.message, plan.attempt, self._work.now)
        return sends.Planned(row.referral_id, plan.message, plan.about, plan.attempt, uuid4().hex, due_at, window_ends)

    def _hours_of(self, row: CaseRow) -> Callable[[int], ContactHours]:
        programme = self._programme(row)

        def hours_of(attempt: int) -> ContactHours:
            match = row.matches.get(attempt)
            return contact_hours(programme, match.zone if match else None)

        return hours_of

    def _programme(self, row: CaseRow) -> Programme:
        return self._work.programmes[row.programme]


def unreadable(lacking: type[Event], referral_id: UUID) -> str:
    """The subject of an item: what a case lacks, by the first event that brings it."""
    return f"{lacking.name}/{referral_id}"


def due(
    programme: Programme, row: CaseRow, message: Message, attempt: int | None, at: datetime
) -> tuple[datetime, datetime | None]:
    """When a message may go from `at` on, and until when, by the contact hours of whom it is for."""
    if not message.keeps_hours:
        return at, None
    contact = programme.contact
    received, occurred = row.received_at or at, row.occurred_at or at
    earliest = max(at, earliest_contact(received, occurred, contact.after_report, contact.after_occurrence))
    match = row.matches.get(attempt) if attempt else None
    zone = match.zone if match and message.recipient is Recipient.SUPPORTER else row.zone
    return contact_hours(programme, zone).next_window(earliest)


def contact_hours(programme: Programme, zone: str | None) -> ContactHours:
    """A programme's contact hours in somebody's zone, or in its own where theirs is not known."""
    hours = programme.contact.hours
    return ContactHours(hours.from_, hours.to, frozenset(hours.days), _zone(zone) or programme.zone)


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None  # a directory may hold anything; a wrong zone must not keep a message from going


def _waits(programme: Programme) -> timing.Waits:
    return timing.Waits(window=programme.matching.answer_window, silence=programme.contact.silence)


def _begun(work: UnitOfWork, event: Event, referral_id: UUID) -> CaseRow:
    programme = event.programme
    return CaseRow(referral_id, programme.id, programme.digest, traceparent=work.traceparent(event.referral_id))
