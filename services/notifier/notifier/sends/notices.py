"""
Telling coordinators what waits for them, at once where it is urgent, else once a day; and others what they leave.

Planned, claimed and handed over as messages to others are: a notice whose fate is unknown is not sent again, but
the next digest tells of the same, since it is still open. A pause of a programme's outreach does not hold these:
whoever has paused it needs them most.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from chassis import Transactions, UnitOfWork
from chassis.log import logger
from peerline.escalation import COORDINATOR, ROLES
from peerline.programme import Programme

from notifier import metrics
from notifier.casework import contact_hours
from notifier.domain.notices import Notice, Pace, Told, Untold, notice_due
from notifier.domain.retry import backoff
from notifier.repository import escalations, notices, sends
from notifier.repository.notices import Addressee, Claimed
from notifier.sends import coordinators
from notifier.sends.coordinators import Waiting
from notifier.sends.ending import let_arrive, write_down
from notifier.sends.letters import Letter, Sender
from notifier.sends.smtp import Connections, Deadline, Fate, MailServer, hand_over

SETTLE = 1.0  # seconds between two looks: under load each case rings the bell, and a burst becomes one message
REFERENCES = 20
UNREACHABLE = "coordinator-unreachable"
log = logger("notifier")


async def run(transactions: Transactions) -> timedelta | None:
    """Plan what is due and send it, and tell when a message is to be tried again."""
    async with transactions.begin() as work:
        await notices.give_up_abandoned(work.connection, work.get(MailServer).abandoned_after)
        await notices.prune(work.connection)
        metrics.PAUSED.set(len(await sends.paused(work.connection)))
        for addressee in _addressees(work):
            await _plan(work, addressee)
    await let_arrive(lambda stopping: _send_all(transactions, stopping))
    await asyncio.sleep(SETTLE)
    async with transactions.begin() as work:
        seconds = await notices.next_due(work.connection)
    return None if seconds is None else timedelta(seconds=max(SETTLE, seconds))


def _addressees(work: UnitOfWork) -> Iterator[Addressee]:
    """
    Every programme's coordinator, and who is told after them.

    The first programme of a coordinator's address has what concerns the installation.
    """
    seen: set[str] = set()
    for programme in work.programmes.values():
        for address, roles in _people(programme).items():
            is_shared = COORDINATOR in roles and address not in seen
            yield Addressee(programme.id, list(work.programmes), is_shared, roles)
            seen |= {address} if is_shared else set()


def _people(programme: Programme) -> Mapping[str, list[str]]:
    """The roles of each person, by their address; a role that nobody has is the coordinator's."""
    people: dict[str, list[str]] = defaultdict(list)
    for role in ROLES:
        person = programme.contact_of(role) or programme.coordinator
        people[person.email.casefold()].append(role)
    return people


async def _plan(work: UnitOfWork, to: Addressee) -> None:
    """Plan one notice where one is due; the lock on the coordinator makes it one in all replicas."""
    untold = await notices.untold(work.connection, to)
    told = await notices.lock_coordinator(work.connection, to) if untold else None
    if untold is None or told is None:
        return
    programme = work.programmes[to.programme]
    untold = await notices.untold(work.connection, to)  # again, under the lock
    kind = _due(work, programme, untold, told) if untold else None
    if kind is Notice.URGENT:
        told = replace(told, urgent_at=work.now)
    elif kind is Notice.DIGEST:
        told = replace(told, digest_on=work.now.astimezone(programme.zone).date())
    if kind:
        await notices.plan(work.connection, to, kind, uuid4().hex, told)


def _due(work: UnitOfWork, programme: Programme, untold: Untold, told: Told) -> Notice | None:
    return notice_due(untold, told, contact_hours(programme, None), work.get(Pace), work.now)


async def _send_all(transactions: Transactions, stopping: asyncio.Event) -> None:
    async with Connections(transactions.get(MailServer)) as connections:
        while not stopping.is_set() and await _send_next(transactions, connections):
            pass


async def _send_next(transactions: Transactions, connections: Connections) -> bool:
    """Send the most overdue notice; False where none is due."""
    deadline = Deadline.after(transactions.get(MailServer).timeout)  # from before the claim, as for every message
    async with transactions.begin() as work:
        claimed = await notices.claim(work.connection)
        if claimed is None:
            return False
        try:
            letter = await _letter(work, claimed)
        except ValueError:
            await _end(work, claimed, Fate.FAILED, "no-address")
            return True
        if letter is None:
            await notices.finish(work.connection, claimed, "dropped", "resolved")
            return True
    sender = transactions.get(Sender).address
    fate, code = await hand_over(connections, sender, letter.recipient, letter.content, deadline)
    metrics.SENDS.labels(f"{claimed.role}-{claimed.kind}", fate).inc()
    log.info("coordinator_told", kind=claimed.kind, programme=claimed.programme, status=fate, code=code)
    await write_down(transactions, deadline, lambda work: _end(work, claimed, fate, code))
    return True


async def _letter(work: UnitOfWork, claimed: Claimed) -> Letter | None:
    """What is still open of what a notice is about, and all the rest where it is a digest; None where nothing is."""
    programme: Programme | None = work.programmes.get(claimed.programme)
    counts = await notices.open_of_notice(work.connection, claimed.notice_id)
    if programme is None or not counts:
        return None
    if claimed.kind == Notice.DIGEST:
        [to] = [to for to in _addressees(work) if to.programme == claimed.programme and claimed.role in to.roles]
        counts = await notices.open_of_programme(work.connection, to)
    references = await notices.references(work.connection, claimed.notice_id, REFERENCES)
    waiting = Waiting(counts, references, await escalations.of_notice(work.connection, claimed.notice_id, REFERENCES))
    kind, sender = Notice(claimed.kind), work.get(Sender)
    return coordinators.write(
        kind, waiting, programme, sender, role=claimed.role, message_id=claimed.message_id, at=work.now
    )


async def _end(work: UnitOfWork, claimed: Claimed, fate: Fate, code: str) -> None:
    """Write down what became of a notice; a coordinator who cannot be reached is told of to the others."""
    server = work.get(MailServer)
    if fate is Fate.REFUSED and claimed.tries < server.tries:
        pause = backoff(claimed.tries, random.random(), base=server.retry_base, cap=server.retry_cap)  # noqa: S311  jitter
        await notices.refuse(work.connection, claimed, code, work.now + pause)
        return
    fate = Fate.FAILED if fate is Fate.REFUSED else fate
    if not await notices.finish(work.connection, claimed, fate, code):
        return
    who = claimed.programme if claimed.role == COORDINATOR else f"{claimed.programme}/{claimed.role}"
    if fate is Fate.FAILED:
        await work.open_item(UNREACHABLE, subject=who, reason=code, urgent=True)
    elif fate is Fate.SENT:
        await work.resolve_item(UNREACHABLE, subject=who)
